// SPDX-License-Identifier: Apache-2.0
// A ring's history as a map: what lets the next daemon know what this one saw.
#pragma once

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"
#include "lb/model/ring_history.hpp"

namespace loom {

/// What of a RingHistory outlives the process.
struct KeptHistory {
  std::vector<RingHistory::Past> events;
  MonotonicTime flagged_until{0};
};

/// A new map holding it.
Result<UniqueFd> create_history_map(const KeptHistory& history);
Result<KeptHistory> read_history_map(int fd);

}  // namespace loom
