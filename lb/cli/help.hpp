// SPDX-License-Identifier: Apache-2.0
// Help texts, made from the command table.
#pragma once

#include <string>
#include <string_view>

#include "lb/cli/command.hpp"

namespace loom::cli {

[[nodiscard]] std::string help_overview();
[[nodiscard]] std::string help_group(std::string_view group);
[[nodiscard]] std::string help_command(const Command& command);

}  // namespace loom::cli
