// SPDX-License-Identifier: Apache-2.0
// Copies the contents of one generation's maps into another's whose layouts may differ.
#pragma once

#include "lb/base/result.hpp"
#include "lb/kernel/datapath.hpp"

struct bpf_map;

namespace loom {

/// The tables of flows; an earlier release may lack one. Of an entry that both have, the one that
/// saw a packet last stays.
Result<void> copy_flows(const MapSet& from, const MapSet& to);

/// Makes what the programs of `from` counted part of what `to` shows: in the carry maps, because
/// the per-CPU counters belong to a running program. Doing it again is doing it once.
Result<void> copy_counters(const MapSet& from, const MapSet& to);

/// Everything but flows, counters, rings, settings and clock.
Result<void> copy_tables(const MapSet& from, const MapSet& to);

/// The published rings: the same inner maps under the new generation's outer map and pins.
/// `ring_size` is the new one; rings of another size are left for the planner to build.
Result<void> copy_rings(const Pins& pins, const std::string& old_generation,
                        const std::string& new_generation, const MapSet& to, uint32_t ring_size);

/// Same type, sizes and limit: a map of the old generation can serve the new program.
bool same_shape(const bpf_map* wanted, int fd);

}  // namespace loom
