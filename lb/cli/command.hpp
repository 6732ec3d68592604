// SPDX-License-Identifier: Apache-2.0
// The command table: one description of every command, from which parsing, help and completion are
// made, so that they cannot disagree.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/cli/exit_code.hpp"

namespace loom::cli {

enum class Takes { kNothing, kValue, kOptionalValue, kSeveralValues };

struct OptionSpec {
  std::string_view name;  ///< Without dashes.
  char letter = 0;        ///< 0: none.
  Takes takes = Takes::kNothing;
  std::string_view value;  ///< "N", or the choices: "auto|always|never".
  std::string_view help;
  std::string_view implicit;  ///< kOptionalValue: what the bare option means.
};

enum class Presence { kRequired, kOptional };
enum class Completes { kNothing, kFile, kInterface, kCommand };

struct ArgumentSpec {
  std::string_view name;  ///< "ID|ADDR:PORT"; lower-case choices are checked: "bash|zsh|fish".
  Presence presence = Presence::kRequired;
  Completes completes = Completes::kNothing;
};

/// A command line that fits its Command.
class Invocation {
 public:
  void set(const std::string& option, const std::string& value) {
    options_[option].push_back(value);
  }
  void add_argument(std::string argument) { arguments_.push_back(std::move(argument)); }

  [[nodiscard]] bool has(const std::string& option) const { return options_.contains(option); }
  /// The value of an option; `fallback` if it was not given.
  [[nodiscard]] std::string value(const std::string& option,
                                  const std::string& fallback = "") const;
  [[nodiscard]] std::vector<std::string> values(const std::string& option) const;
  [[nodiscard]] const std::vector<std::string>& arguments() const { return arguments_; }

 private:
  std::map<std::string, std::vector<std::string>> options_;
  std::vector<std::string> arguments_;
};

struct Context;
using Handler = Result<ExitCode> (*)(const Invocation&, Context&);

struct Command {
  std::string_view name;  ///< "backend add"
  std::string_view summary;
  std::vector<ArgumentSpec> arguments;
  std::vector<OptionSpec> options;
  std::string_view example;
  Handler run = nullptr;

  [[nodiscard]] std::string_view group() const { return name.substr(0, name.find(' ')); }
};

[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] std::span<const OptionSpec> global_options();
[[nodiscard]] const Command* find_command(std::string_view name);
/// The commands whose name starts with this word.
[[nodiscard]] std::vector<const Command*> commands_in(std::string_view group);

/// "a|b|c" as a list where it lists lower-case words, else empty.
[[nodiscard]] std::vector<std::string> choices(std::string_view metavar);

}  // namespace loom::cli
