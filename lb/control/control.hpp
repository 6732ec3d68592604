// SPDX-License-Identifier: Apache-2.0
// What the admin API may ask of the control plane. Readers get immutable snapshots; writers post a
// change and get its Result once the datapath has it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/control/dataplane.hpp"
#include "lb/model/service.hpp"
#include "lb/model/state.hpp"

namespace loom {

enum class Source : uint8_t { kFile, kApi };
[[nodiscard]] std::string_view to_string(Source value);  ///< "file" "api"

struct BackendView {
  uint32_t id = 0;           ///< API id.
  uint32_t datapath_id = 0;  ///< Names it in Counters and FlowSweep; 0: not in the datapath yet.
  std::string service;
  std::string name;
  Endpoint endpoint;
  uint32_t weight = 0;
  AdminState state = AdminState::kActive;
  Health health = Health::kUnknown;
  Source source = Source::kFile;
  double slot_ratio = 0;  ///< Share of the ring's slots, 0 to 1.
  std::optional<NextHop> next_hop;
  std::optional<PathMtu> path_mtu;  ///< Tunnels: where a router has told us of one.
  bool local = false;   ///< This host: its packets go to the stack, and it needs no next hop.
  std::string problem;  ///< Why nothing can be sent to it now; empty: nothing wrong.
};

struct ServiceView {
  std::string name;
  /// Name it in Counters: one, or one per address family where forwarding cannot mix families.
  std::vector<uint32_t> datapath_ids;
  std::vector<IpAddr> vips;  ///< As served now.
  std::vector<PortSpec> ports;
  Algorithm algorithm = Algorithm::kMaglev;
  Affinity affinity = Affinity::kFiveTuple;
  Tracking tracking = Tracking::kAll;
  std::optional<EchoPolicy> icmp_echo;  ///< Unset: it depends on whose address the VIP is.
  NoBackendPolicy on_no_backend = NoBackendPolicy::kDrop;
  size_t source_addresses = 0;  ///< Of the source pool.
  Forwarding forwarding = Forwarding::kNat;
  std::vector<BackendView> backends;
  std::string problem;  ///< Why it does not serve, or serves less than configured.
};

struct InterfaceView {
  std::string name;
  bool present = false;
  bool attached = false;
  std::string problem;
};

struct Snapshot {
  uint64_t generation = 0;  ///< Grows with every change of the desired state.
  std::chrono::system_clock::time_point started;
  std::vector<ServiceView> services;  ///< By name.
  std::vector<InterfaceView> interfaces;
  std::vector<ProgramInfo> programs;
  std::string config_file;
  bool last_reconcile_ok = false;
  std::string last_error;      ///< Of the last reconcile; empty: it succeeded.
  size_t steps_at_start = 0;   ///< Of the first plan: 0 after adopting an unchanged state.
  bool adopted = false;        ///< Pinned state was taken over at the start.
  size_t overlay_objects = 0;  ///< Objects changed through the API.

  /// Ready means: attached everywhere, reconciled. Empty: ready; else one reason each.
  [[nodiscard]] std::vector<std::string> not_ready() const;
  [[nodiscard]] const BackendView* find_backend(uint32_t api_id) const;
};

struct NewBackend {
  std::optional<std::string> service;  ///< Unset: the only service; several: EINVAL.
  BackendSpec backend;
};

struct BackendPatch {
  std::optional<uint32_t> weight;
  std::optional<AdminState> state;
  std::optional<std::string> name;
};

class Control {
 public:
  Control() = default;
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  virtual ~Control() = default;

  [[nodiscard]] virtual std::shared_ptr<const Snapshot> snapshot() const = 0;

  // Each answers when the datapath has the change. Errors: EINVAL (bad value), ENOENT (unknown
  // service or id), EEXIST (what() names the existing id), others internal; nothing changed then.
  virtual Result<BackendView> add_backend(const NewBackend& backend) = 0;
  virtual Result<BackendView> patch_backend(uint32_t api_id, const BackendPatch& patch) = 0;
  virtual Result<void> remove_backend(uint32_t api_id) = 0;

  [[nodiscard]] virtual Result<Counters> counters() const = 0;
  [[nodiscard]] virtual Result<ConnectionList> connections(const ConnectionQuery& query) const = 0;
  /// At most 5 s old.
  [[nodiscard]] virtual FlowSweep sweep() const = 0;
  [[nodiscard]] virtual Result<std::vector<MapFill>> maps() const = 0;
};

}  // namespace loom
