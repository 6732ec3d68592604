// SPDX-License-Identifier: Apache-2.0
// Whether one scalar is what its field asks for.
#pragma once

#include "lb/config/fields.hpp"
#include "lb/config/node.hpp"
#include "lb/config/report.hpp"

namespace loom {

/// Reports and clears `valid` if not. `node` may be of any kind.
void check_value(ConfigNode& node, const Field& field, const Place& at, Report& report);

/// A word that is accepted but not built: what the warning is to name. Else empty.
[[nodiscard]] bool is_unbuilt_choice(const ConfigNode& node, const Field& field);

/// "expected a list, got a mapping".
void report_type(ConfigNode& node, std::string_view expected, const Place& at, Report& report);

}  // namespace loom
