// SPDX-License-Identifier: Apache-2.0
// State: what the datapath should do (from desired()) or does (read back from the kernel).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lb/model/links.hpp"
#include "lb/model/service.hpp"
#include "lb/net/endpoint.hpp"

namespace loom {

/// A run of entries of the table of outer source addresses.
struct SourceBlock {
  uint16_t first = 0;
  uint16_t count = 0;  ///< 0: none; the egress interface's address is used.

  bool operator==(const SourceBlock&) const = default;
};

/// One member of one service. Identity is (service name, endpoint); ids are bookkeeping.
struct BackendState {
  uint32_t id = 0;      ///< Datapath id, 1 to kMaxBackends; unique over all services.
  uint32_t api_id = 0;  ///< The id users see; never reused.
  std::string name;
  uint32_t weight = kDefaultWeight;
  AdminState admin = AdminState::kActive;
  bool down = false;  ///< By health or maint: its flows choose another backend.
  std::optional<NextHop> next_hop;
  IpAddr source;          ///< Outer source or NAT address; "::" while there is no next hop.
  uint16_t gue_port = 0;  ///< kGue only.
  bool udp6_zero_checksum = false;
  bool local = false;   ///< An address of this host: its packets go to the stack (rule 22).
  SourceBlock sources;  ///< Bookkeeping, as the ids.

  /// Takes new flows: belongs into the ring.
  [[nodiscard]] bool in_ring() const { return admin == AdminState::kActive && !down && weight > 0; }
  bool operator==(const BackendState&) const = default;
};

struct Listener {
  IpAddr vip;
  PortSpec port;

  auto operator<=>(const Listener&) const = default;
};

struct ServiceState {
  uint32_t id = 0;  ///< 1 to kMaxServices.
  Forwarding forwarding = Forwarding::kNat;
  bool in_turn = false;  ///< A counter picks the slot of a new flow, else its hash.
  Affinity affinity = Affinity::kFiveTuple;
  Tracking tracking = Tracking::kAll;                      ///< kAtRisk only where has_past().
  NoBackendPolicy on_no_backend = NoBackendPolicy::kDrop;  ///< Never kLastKnown.
  std::set<Listener> listeners;                            ///< Ranges as blocks_of() them.
  std::map<Endpoint, BackendState> backends;
  uint64_t ring_digest = 0;  ///< digest of the ring's members (ring.hpp); 0: no ring published.

  /// The ring finds flows without the table: what it was before matters. NAT needs the table, turns
  /// too, and where nothing is remembered no flow can be kept.
  [[nodiscard]] bool has_past() const {
    return forwarding != Forwarding::kNat && !in_turn && affinity != Affinity::kNone;
  }
  bool operator==(const ServiceState&) const = default;
};

/// Why an address is ours.
struct VipState {
  bool service = false;        ///< Services listen on it.
  bool nat = false;            ///< NAT replies arrive at it.
  bool pass_unserved = false;  ///< Ports without a service go to the stack.
  bool ranges = false;         ///< Some listeners on it are ranges.
  EchoPolicy echo = EchoPolicy::kPass;

  bool operator==(const VipState&) const = default;
};

struct InterfaceState {
  uint32_t ifindex = 0;
  Mac mac;
  XdpMode mode = XdpMode::kAuto;  ///< have: as attached, never kAuto; want: as configured.
  std::vector<Mac> extra_macs;    ///< At most kMaxExtraMacs.

  bool operator==(const InterfaceState&) const = default;
};

struct State {
  std::map<std::string, ServiceState> services;
  std::map<IpAddr, VipState> vips;
  std::set<Listener> passthrough;                    ///< Counted, then left to the stack.
  std::map<std::string, InterfaceState> interfaces;  ///< With the program attached.
  std::set<uint32_t> egress;                         ///< Interfaces packets may be redirected to.
  std::map<uint16_t, IpAddr> sources;                ///< Of tunnels, by index.

  bool operator==(const State&) const = default;
};

}  // namespace loom
