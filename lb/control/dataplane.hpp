// SPDX-License-Identifier: Apache-2.0
// What the control plane asks of the kernel's datapath. lb/kernel does it with BPF maps, a fake in
// tests/support in memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/model/plan.hpp"
#include "lb/model/ring_history.hpp"
#include "lb/model/state.hpp"

namespace loom {

struct Count {
  uint64_t packets = 0;
  uint64_t rx_bytes = 0;  ///< Frame bytes as received.
  uint64_t tx_bytes = 0;  ///< Frame bytes as sent.
  uint64_t flows = 0;     ///< New flows.

  Count& operator+=(const Count& other);
  bool operator==(const Count&) const = default;
};

/// One moment's reading of every counter. Totals never go back while pins exist.
struct Counters {
  std::vector<Count> verdicts;         ///< By enum loom_verdict; FORWARD_* only via backends.
  std::map<uint32_t, Count> backends;  ///< By datapath id; those in use.
  std::map<uint32_t, Count> retired;   ///< By service id: backends that were removed.
  Count retired_services;              ///< Services that were removed.
  std::vector<uint64_t> errors;        ///< By enum loom_error.
};

struct MapFill {
  std::string name;  ///< As pinned: "loom_flows".
  uint64_t entries = 0;
  uint64_t max_entries = 0;
  uint64_t bytes = 0;  ///< Memory, as the kernel accounts it; 0: unknown.
};

enum class FlowState : uint8_t { kSynSent = 1, kSynRecv, kEstablished, kFinWait, kTimeWait, kUdp };
[[nodiscard]] std::string_view to_string(FlowState value);  ///< "syn_sent" ... "udp"

/// A tracked flow as the client sent it.
struct Connection {
  Protocol protocol = Protocol::kTcp;
  Endpoint client;
  Endpoint vip;
  uint32_t backend_id = 0;  ///< Datapath id.
  FlowState state = FlowState::kEstablished;
  std::chrono::milliseconds age{0};
  std::chrono::milliseconds idle{0};
  uint64_t packets = 0;  ///< From the client.
  uint64_t bytes = 0;
  uint64_t reply_packets = 0;  ///< NAT: from the backend; with DSR Loom does not see them.
  uint64_t reply_bytes = 0;
  std::optional<Endpoint> nat;  ///< NAT: the address and port the backend sees.
};

struct ConnectionQuery {
  size_t limit = 1000;
  std::optional<uint32_t> backend_id;
  std::optional<IpAddr> client;
};

struct ConnectionList {
  std::vector<Connection> connections;
  uint64_t total = 0;  ///< Unexpired, also beyond the limit.
};

/// Unexpired flows by backend id, as one sweep of the table saw them.
struct FlowSweep {
  std::map<uint32_t, uint64_t> active;
  uint64_t entries = 0;    ///< Including expired ones still in the table.
  uint64_t total = 0;      ///< Unexpired.
  uint64_t confirmed = 0;  ///< Of these, not on probation: those that a flood cannot make.
  MonotonicTime began{0};
  /// By service with Tracking::kAtRisk: slots that have flows of another backend than their owner.
  std::map<std::string, std::set<uint32_t>> exceptions;
};

struct ProgramInfo {
  std::string interface;
  std::string mode;    ///< "native", "generic" or "tc".
  std::string attach;  ///< "link", or "filter" at TC.
  uint32_t program_id = 0;
  std::string tag;   ///< Hex, as bpftool prints it.
  std::string note;  ///< Why this mode, if not the first choice.
};

enum class Limit { kOpen, kReached };

class Dataplane {
 public:
  Dataplane() = default;
  Dataplane(const Dataplane&) = delete;
  Dataplane& operator=(const Dataplane&) = delete;
  virtual ~Dataplane() = default;

  // Controller thread only.
  virtual Result<State> read() const = 0;
  virtual Result<void> apply(const Step& step) = 0;
  /// A new API id: the smallest never used, remembered with the pins.
  virtual Result<uint32_t> next_api_id() = 0;
  /// No later next_api_id() answers `id` or less.
  virtual Result<void> reserve_api_id(uint32_t id) = 0;

  /// Every few seconds, with the last sweep: what the rings say of the past window is brought up to
  /// date.
  virtual Result<void> age_rings(const FlowSweep& sweep) = 0;
  /// Slots by datapath id, counted in the published ring; 0 is nobody.
  virtual Result<std::map<uint32_t, uint32_t>> ring_slots(const std::string& service) const = 0;

  // Any thread.
  virtual Result<Counters> counters() const = 0;
  virtual Result<ConnectionList> connections(const ConnectionQuery& query) const = 0;
  virtual Result<FlowSweep> sweep() const = 0;
  /// While the limit is reached new flows go to the stack.
  virtual Result<void> limit_connections(Limit limit) = 0;
  virtual Result<std::vector<MapFill>> maps() const = 0;
  virtual std::vector<ProgramInfo> programs() const = 0;
};

}  // namespace loom
