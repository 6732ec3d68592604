// SPDX-License-Identifier: Apache-2.0
// From the words of a command line to a Command and an Invocation that fits it.
#pragma once

#include <string>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/cli/command.hpp"

namespace loom::cli {

struct ParsedLine {
  /// Null: no command, or only the first word of several ("backend"), which `group` then holds.
  const Command* command = nullptr;
  std::string group;
  Invocation invocation;  ///< Global options included.
};

/// Two strict passes: global options before the command, then global and its own options after it.
/// With --help, missing arguments are not an error. All errors are EINVAL.
[[nodiscard]] Result<ParsedLine> parse_arguments(const std::vector<std::string>& words);

}  // namespace loom::cli
