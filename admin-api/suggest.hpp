// SPDX-License-Identifier: Apache-2.0
// "did you mean": the known word nearest to a misspelt one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loom {

/// `did you mean "weight"?`, or empty if nothing is within two edits.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& known);

}  // namespace loom
