// SPDX-License-Identifier: Apache-2.0
// Reads the State that the kernel's maps and links hold.
#pragma once

#include "lb/base/result.hpp"
#include "lb/kernel/datapath.hpp"
#include "lb/model/state.hpp"

namespace loom {

Result<State> read_state(const Datapath& datapath);

/// Ids of the backend entries in use, with the entries.
Result<std::map<uint32_t, loom_backend>> backends_in_use(const Datapath& datapath);

}  // namespace loom
