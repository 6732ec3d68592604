// SPDX-License-Identifier: Apache-2.0
// Holds a document to the field table: known keys, right types, values within their limits.
#pragma once

#include "lb/config/node.hpp"
#include "lb/config/report.hpp"

namespace loom {

/// Substitutes variables, then checks every key. Nodes with an error, and those around them, lose
/// `valid`; all others can be bound without further questions. Warns of what is not built.
void check(ConfigNode& root, Report& report);

}  // namespace loom
