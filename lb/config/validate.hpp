// SPDX-License-Identifier: Apache-2.0
// What no single key can say: whether the parts of a configuration fit together.
#pragma once

#include "lb/config/bind.hpp"
#include "lb/config/reader.hpp"
#include "lb/config/report.hpp"

namespace loom {

/// Also settles what depends on several keys: with DSR the port of a backend, once checked, is
/// stored as 0.
void validate(const Reader& root, Bound& bound, Report& report);

}  // namespace loom
