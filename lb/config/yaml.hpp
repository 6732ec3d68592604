// SPDX-License-Identifier: Apache-2.0
// YAML text to a tree of nodes, refusing what YAML allows and a configuration should not.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "lb/config/node.hpp"
#include "lb/config/report.hpp"

namespace loom {

constexpr size_t kMaxConfigBytes = 1U << 20;

/// Errors go to `report`; nothing if there is no tree worth looking at. An empty document is a
/// null node. Duplicate keys are reported and dropped. Aliases are expanded into copies.
[[nodiscard]] std::optional<ConfigNode> parse_yaml(std::string_view text, Report& report);

}  // namespace loom
