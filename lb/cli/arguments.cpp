// SPDX-License-Identifier: Apache-2.0
// The only file of the command that knows Boost.Program_options.
#include "lb/cli/arguments.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cerrno>

#include "lb/cli/text.hpp"

namespace loom::cli {
namespace {

namespace po = boost::program_options;

using Words = std::vector<std::string>;

/// Guessing is off: otherwise `--serv` is silently taken for --server.
constexpr int kStyle = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;

using Specs = std::vector<OptionSpec>;

const OptionSpec* find_option(const Specs& specs, std::string_view name) {
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const OptionSpec& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

po::options_description describe(const Specs& specs) {
  po::options_description description;
  for (const OptionSpec& spec : specs) {
    std::string name(spec.name);
    if (spec.letter != 0) name += std::string(",") + spec.letter;
    switch (spec.takes) {
      case Takes::kNothing:
        description.add_options()(name.c_str(), "");
        break;
      case Takes::kValue:
        description.add_options()(name.c_str(), po::value<std::string>(), "");
        break;
      case Takes::kOptionalValue:
        description.add_options()(
            name.c_str(), po::value<std::string>()->implicit_value(std::string(spec.implicit)), "");
        break;
      case Takes::kSeveralValues:
        description.add_options()(name.c_str(), po::value<Words>()->multitoken(), "");
        break;
    }
  }
  return description;
}

/// "--name" as the user should have written it.
std::string dashed(std::string_view name) {
  return "--" + std::string(name);
}

Error unknown_option(const std::string& word, const Specs& specs) {
  Error error(EINVAL, "unknown option " + printable(word));
  Words names;
  for (const OptionSpec& spec : specs) names.emplace_back(spec.name);
  const auto near = word.starts_with("--") ? closest(word.substr(2), names) : std::nullopt;
  if (near) return std::move(error).with_hint("did you mean " + dashed(*near) + "?");
  return error;
}

Error explain(const po::error& failure, const Specs& specs) {
  if (const auto* unknown = dynamic_cast<const po::unknown_option*>(&failure)) {
    return unknown_option(unknown->get_option_name(), specs);
  }
  if (const auto* syntax = dynamic_cast<const po::invalid_command_line_syntax*>(&failure)) {
    const std::string name = printable(syntax->get_option_name());
    using Kind = po::invalid_command_line_syntax;
    if (syntax->kind() == Kind::missing_parameter ||
        syntax->kind() == Kind::empty_adjacent_parameter) {
      return Error(EINVAL, "option " + name + " needs a value");
    }
    if (syntax->kind() == Kind::extra_parameter) {
      return Error(EINVAL, "option " + name + " takes no value");
    }
  }
  return Error(EINVAL, printable(failure.what()));
}

Result<void> check_choice(std::string_view what, std::string_view metavar,
                          const std::string& value) {
  const Words allowed = choices(metavar);
  if (allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end()) {
    return {};
  }
  Error error(EINVAL, std::string(what) + ": \"" + printable(value) + "\" is not one of " +
                          join(allowed, ", "));
  if (const auto near = closest(value, allowed)) {
    return std::move(error).with_hint("did you mean " + *near + "?");
  }
  return error;
}

Result<void> add_option(const OptionSpec& spec, const Words& values, Invocation& invocation) {
  if (spec.takes == Takes::kNothing) {
    invocation.set(std::string(spec.name), "");
    return {};
  }
  if (spec.takes != Takes::kSeveralValues && invocation.has(std::string(spec.name))) {
    return Error(EINVAL, "option " + dashed(spec.name) + " is given twice");
  }
  for (const std::string& value : values.empty() ? Words{std::string(spec.implicit)} : values) {
    if (value.empty()) return Error(EINVAL, "option " + dashed(spec.name) + " needs a value");
    if (Result<void> fits = check_choice(dashed(spec.name), spec.value, value); !fits) {
      return fits.error();
    }
    invocation.set(std::string(spec.name), value);
  }
  return {};
}

/// Strict: every word that starts with a dash is one of `specs`.
Result<void> parse_pass(const Words& words, const Specs& specs, Invocation& invocation) try {
  const po::options_description description = describe(specs);
  const auto parsed = po::command_line_parser(words).options(description).style(kStyle).run();
  for (const auto& option : parsed.options) {
    if (option.string_key.empty()) {
      for (const std::string& argument : option.value) invocation.add_argument(argument);
      continue;
    }
    const OptionSpec* spec = find_option(specs, option.string_key);
    if (Result<void> added = add_option(*spec, option.value, invocation); !added) {
      return added.error();
    }
  }
  return {};
} catch (const po::error& failure) {
  return explain(failure, specs);
}

/// How many words the global option at `at` takes with its value; 0: not a global option.
size_t global_length(const Words& words, size_t at) {
  const std::string& word = words[at];
  for (const OptionSpec& spec : global_options()) {
    const bool named =
        word == dashed(spec.name) || (spec.letter != 0 && word == std::string("-") + spec.letter);
    if (named) return spec.takes == Takes::kValue ? 2 : 1;
    const bool with_value = word.starts_with(dashed(spec.name) + "=") ||
                            (spec.letter != 0 && !word.starts_with("--") &&
                             word.starts_with(std::string("-") + spec.letter));
    if (with_value) return 1;
  }
  return 0;
}

/// Skips global options; the index of the next other word.
size_t next_word(const Words& words, size_t at) {
  while (at < words.size() && words[at].size() > 1 && words[at].starts_with("-")) {
    const size_t length = global_length(words, at);
    if (length == 0) break;
    at += length;
  }
  return std::min(at, words.size());
}

Error unknown_command(const std::string& word) {
  Words groups;
  for (const Command& command : commands()) groups.emplace_back(command.group());
  Error error(EINVAL, "unknown command \"" + printable(word) + "\"");
  const auto near = closest(word, groups);
  return std::move(error).with_hint(near ? "did you mean " + *near + "?" : "try: loom help");
}

Error unknown_subcommand(const std::string& group, const std::string& word) {
  Words names;
  for (const Command* command : commands_in(group)) {
    names.emplace_back(command->name.substr(group.size() + 1));
  }
  Error error(EINVAL, "\"loom " + group + "\" has no command \"" + printable(word) + "\"");
  const auto near = closest(word, names);
  return std::move(error).with_hint(near ? "did you mean " + *near + "?"
                                         : "one of: " + join(names, ", "));
}

Result<void> check_arguments(const Command& command, const Invocation& invocation) {
  const Words& given = invocation.arguments();
  if (given.size() > command.arguments.size()) {
    return Error(EINVAL,
                 "unexpected argument \"" + printable(given[command.arguments.size()]) + "\"")
        .with_hint("try: loom help " + std::string(command.name));
  }
  for (size_t i = 0; i < command.arguments.size(); ++i) {
    const ArgumentSpec& spec = command.arguments[i];
    if (i >= given.size()) {
      if (spec.presence == Presence::kOptional) return {};
      return Error(EINVAL, std::string(spec.name) + " is missing")
          .with_hint("example: " + std::string(command.example));
    }
    if (Result<void> fits = check_choice("argument", spec.name, given[i]); !fits) {
      return fits.error();
    }
  }
  return {};
}

struct Split {
  Words before;  ///< Global options in front of the command.
  Words after;   ///< What remains without the command's own words.
};

/// Finds the command's one or two words, wherever global options stand between them.
Result<Split> split_at_command(const Words& words, ParsedLine& line) {
  const auto at = [&](size_t index) { return words.begin() + static_cast<ptrdiff_t>(index); };
  const size_t first = next_word(words, 0);
  Split split{Words(words.begin(), at(first)), {}};
  if (first == words.size()) return split;
  if (words[first].starts_with("-")) {
    split.before.push_back(words[first]);  // For the strict pass to refuse.
    return split;
  }

  const std::string& group = words[first];
  if (commands_in(group).empty()) return unknown_command(group);
  line.group = group;
  line.command = find_command(group);
  const size_t second = next_word(words, first + 1);
  split.after.assign(at(first + 1), at(second));
  if (line.command == nullptr && second < words.size() && !words[second].starts_with("-")) {
    line.command = find_command(group + " " + words[second]);
    if (line.command == nullptr) return unknown_subcommand(group, words[second]);
    split.after.insert(split.after.end(), at(second + 1), words.end());
  } else {
    split.after.insert(split.after.end(), at(second), words.end());
  }
  return split;
}

}  // namespace

Result<ParsedLine> parse_arguments(const std::vector<std::string>& words) {
  ParsedLine line;
  const Result<Split> split = split_at_command(words, line);
  if (!split) return split.error();

  Specs specs(global_options().begin(), global_options().end());
  if (Result<void> done = parse_pass(split->before, specs, line.invocation); !done) {
    return done.error();
  }
  if (line.command != nullptr) {
    specs.insert(specs.end(), line.command->options.begin(), line.command->options.end());
  }
  if (Result<void> done = parse_pass(split->after, specs, line.invocation); !done) {
    return done.error();
  }
  if (line.command == nullptr || line.invocation.has("help")) return line;
  if (Result<void> done = check_arguments(*line.command, line.invocation); !done) {
    return done.error();
  }
  return line;
}

}  // namespace loom::cli
