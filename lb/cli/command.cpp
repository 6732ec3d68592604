// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/command.hpp"

#include <algorithm>

#include "lb/cli/text.hpp"

namespace loom::cli {

std::string Invocation::value(const std::string& option, const std::string& fallback) const {
  const auto found = options_.find(option);
  return found == options_.end() ? fallback : found->second.front();
}

std::vector<std::string> Invocation::values(const std::string& option) const {
  const auto found = options_.find(option);
  return found == options_.end() ? std::vector<std::string>{} : found->second;
}

const Command* find_command(std::string_view name) {
  const auto all = commands();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Command& command) { return command.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<const Command*> commands_in(std::string_view group) {
  std::vector<const Command*> found;
  for (const Command& command : commands()) {
    if (command.group() == group) found.push_back(&command);
  }
  return found;
}

std::vector<std::string> choices(std::string_view metavar) {
  const auto lower = [](char c) { return (c >= 'a' && c <= 'z') || c == '|'; };
  if (metavar.find('|') == std::string_view::npos ||
      !std::all_of(metavar.begin(), metavar.end(), lower)) {
    return {};
  }
  return split(metavar, '|');
}

}  // namespace loom::cli
