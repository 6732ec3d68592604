// SPDX-License-Identifier: Apache-2.0
// What this process uses, for the process_* metrics.
#pragma once

#include <cstdint>

namespace loom {

struct ProcessStats {
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;
  double start_time_seconds = 0;  ///< Since the epoch; 0: unknown.
};

/// What cannot be read is 0.
[[nodiscard]] ProcessStats read_process_stats();

}  // namespace loom
