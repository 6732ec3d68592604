// SPDX-License-Identifier: Apache-2.0
// Whether bytes are text that can be parsed and printed without surprises.
#pragma once

#include <optional>
#include <string_view>

#include "lb/config/node.hpp"

namespace loom {

/// Where the first byte stands that is not UTF-8 or is a control character other than tab and
/// line ends.
[[nodiscard]] std::optional<Place> find_bad_text(std::string_view text);

}  // namespace loom
