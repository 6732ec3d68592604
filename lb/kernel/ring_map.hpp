// SPDX-License-Identifier: Apache-2.0
// Rings in the kernel: built aside in a map of their own, filled through memory, published at once.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"

namespace loom {

/// A new inner map holding `slots` (loom_slot each).
Result<UniqueFd> create_ring_map(std::span<const uint32_t> slots);

/// Puts the inner maps into the outer map under the service ids, all by one batch: replacing them
/// one by one waits for a grace period each (8.9 ms). One by one where batches are not supported.
Result<void> publish_rings(int outer_fd, std::span<const uint32_t> service_ids,
                           std::span<const int> ring_fds);

/// The ring's slots (loom_slot each).
Result<std::vector<uint32_t>> read_ring(int ring_fd, uint32_t ring_size);

/// Makes a published ring say `slots`, slot by slot: each is read whole, old or new, but not all of
/// them change at once. For marks that do not depend on each other.
Result<void> rewrite_ring(int ring_fd, std::span<const uint32_t> slots);

/// How many slots each current backend id owns.
Result<std::map<uint32_t, uint32_t>> count_slots(int ring_fd, uint32_t ring_size);

}  // namespace loom
