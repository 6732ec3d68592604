// SPDX-License-Identifier: Apache-2.0
// Reads counters and flows. Every function may be called from any thread.
#pragma once

#include "lb/base/result.hpp"
#include "lb/control/dataplane.hpp"
#include "lb/kernel/datapath.hpp"

namespace loom {

Result<Counters> read_counters(const Datapath& datapath);
Result<ConnectionList> read_connections(const Datapath& datapath, const ConnectionQuery& query);
Result<FlowSweep> sweep_flows(const Datapath& datapath);
Result<std::vector<MapFill>> read_map_fill(const Datapath& datapath);

}  // namespace loom
