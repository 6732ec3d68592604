// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/help.hpp"

#include <algorithm>

#include "lb/cli/text.hpp"

namespace loom::cli {
namespace {

struct Entry {
  std::string left;
  std::string right;
};

std::string columns(const std::vector<Entry>& entries) {
  size_t widest = 0;
  for (const Entry& entry : entries) widest = std::max(widest, entry.left.size());
  std::string out;
  for (const Entry& entry : entries) {
    out +=
        "  " + entry.left + std::string(widest - entry.left.size() + 3, ' ') + entry.right + "\n";
  }
  return out;
}

std::string with_value(const OptionSpec& option) {
  std::string name = "--" + std::string(option.name);
  const std::string value(option.value);
  switch (option.takes) {
    case Takes::kNothing:
      return name;
    case Takes::kValue:
      return name + " " + value;
    case Takes::kOptionalValue:
      return name + "[=" + value + "]";
    case Takes::kSeveralValues:
      return name + " " + value + "...";
  }
  return name;
}

template <class Options>
std::string option_list(const Options& options) {
  std::vector<Entry> entries;
  for (const OptionSpec& option : options) {
    const std::string letter =
        option.letter == 0 ? "    " : std::string("-") + option.letter + ", ";
    std::string help(option.help);
    if (!option.implicit.empty()) help += " (" + std::string(option.implicit) + ")";
    entries.push_back({letter + with_value(option), std::move(help)});
  }
  return columns(entries);
}

std::string usage(const Command& command) {
  std::string line = "loom " + std::string(command.name);
  for (const ArgumentSpec& argument : command.arguments) {
    const std::string name(argument.name);
    line += argument.presence == Presence::kOptional ? " [" + name + "]" : " " + name;
  }
  for (const OptionSpec& option : command.options) line += " [" + with_value(option) + "]";
  return line;
}

std::vector<Entry> summaries(const std::vector<const Command*>& listed) {
  std::vector<Entry> entries;
  entries.reserve(listed.size());
  for (const Command* command : listed) {
    entries.push_back({"loom " + std::string(command->name), std::string(command->summary)});
  }
  return entries;
}

}  // namespace

std::string help_overview() {
  std::vector<const Command*> all;
  for (const Command& command : commands()) all.push_back(&command);
  return "loom - operate a Loom load balancer\n\nCommands:\n" + columns(summaries(all)) +
         "\nGlobal options, before or after the command:\n" + option_list(global_options()) +
         "\nExit codes: 0 ok, 1 failed or not ready, 2 usage, 3 config invalid,\n"
         "  4 config has warnings (--strict), 5 daemon unreachable, 6 not found, 7 conflict,\n"
         "  8 permission, 9 wait timed out\n"
         "\nMore about a command: loom help COMMAND\n";
}

std::string help_group(std::string_view group) {
  return "Commands:\n" + columns(summaries(commands_in(group))) + "\nMore about one: loom help " +
         std::string(group) + " COMMAND\n";
}

std::string help_command(const Command& command) {
  std::string text = "Usage: " + usage(command) + "\n\n" + std::string(command.summary) + ".\n";
  if (!command.options.empty()) text += "\nOptions:\n" + option_list(command.options);
  text += "\nExample:\n  " + std::string(command.example) + "\n";
  return text + "\nGlobal options: loom help\n";
}

}  // namespace loom::cli
