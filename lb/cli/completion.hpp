// SPDX-License-Identifier: Apache-2.0
// Completion scripts for shells, made from the command table.
#pragma once

#include <string>

namespace loom::cli {

/// `shell` is "bash", "zsh" or "fish".
[[nodiscard]] std::string completion_script(const std::string& shell);

}  // namespace loom::cli
