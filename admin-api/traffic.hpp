// SPDX-License-Identifier: Apache-2.0
// Counters as users think of them: what was forwarded, dropped and passed, and whose it was.
// Statistics and metrics both read them here, so they cannot disagree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lb/control/control.hpp"

namespace loom {

/// The classes of verdict.h. kForward is counted per backend, not by verdict.
enum class Outcome : uint8_t { kForward, kReply, kPass, kDrop, kAbort };

struct VerdictInfo {
  size_t verdict;
  Outcome outcome;
  std::string reason;  ///< DROP_NO_BACKEND is "no_backend".
  std::string_view help;
};

/// Every verdict, in the order of its number.
[[nodiscard]] const std::vector<VerdictInfo>& verdicts();

struct ErrorInfo {
  size_t error;
  std::string_view type;
};
[[nodiscard]] const std::vector<ErrorInfo>& datapath_errors();

/// Zero for what the datapath has not counted yet.
[[nodiscard]] Count verdict_count(const Counters& counters, size_t verdict);
[[nodiscard]] uint64_t error_count(const Counters& counters, size_t error);
[[nodiscard]] Count backend_count(const Counters& counters, uint32_t datapath_id);
[[nodiscard]] uint64_t active_connections(const FlowSweep& sweep, uint32_t datapath_id);

/// forward + drop + pass is every packet seen.
struct Traffic {
  uint64_t forward = 0;
  uint64_t drop = 0;
  uint64_t pass = 0;
  uint64_t rx_bytes = 0;
  uint64_t tx_bytes = 0;
  uint64_t connections = 0;
};
[[nodiscard]] Traffic total_traffic(const Counters& counters);

/// With its removed backends: never goes back. `service` must be of a snapshot taken before
/// `counters`; in the other order a backend removed in between would be in neither.
[[nodiscard]] Count service_count(const Counters& counters, const ServiceView& service);

/// What becomes of packets for this backend now: "up" "drain" "down" "maint".
[[nodiscard]] std::string_view backend_status(const BackendView& backend);
inline constexpr std::string_view kBackendStatuses[] = {"up", "drain", "down", "maint"};

}  // namespace loom
