// SPDX-License-Identifier: Apache-2.0
// What operators declare: services, their listeners and their backends. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lb/net/endpoint.hpp"
#include "lb/net/ip_addr.hpp"
#include "lb/net/mac.hpp"

namespace loom {

/// Values are the IP protocol numbers.
enum class Protocol : uint8_t { kTcp = 6, kUdp = 17 };

/// How packets reach a backend. Values are enum loom_forwarding.
enum class Forwarding : uint8_t { kNat = 1, kIpip = 2, kGue = 3, kL2 = 4 };

enum class Algorithm : uint8_t { kMaglev, kRoundRobin, kWeighted };

/// What operators want of a backend. kDrain: no new flows, old ones stay. kMaint: as if down.
enum class AdminState : uint8_t { kActive, kDrain, kMaint };

/// What probes say. kUnknown (nothing probes it) counts as up.
enum class Health : uint8_t { kUnknown, kUp, kDown };

enum class UnservedPolicy : uint8_t { kPass, kDrop };

/// What makes packets belong together. Values are enum loom_affinity.
enum class Affinity : uint8_t { kFiveTuple = 0, kSourceIp = 1, kNone = 2 };

/// Which flows the table holds.
enum class Tracking : uint8_t {
  kAll,
  kAtRisk,  ///< Those that the ring alone might not find: of slots that changed lately.
};

/// Who answers a ping to a VIP.
enum class EchoPolicy : uint8_t { kReply, kPass, kDrop };

/// kLastKnown: the backends that were up last keep getting packets.
enum class NoBackendPolicy : uint8_t { kDrop, kReject, kPass, kLastKnown };

enum class XdpMode : uint8_t { kAuto, kNative, kGeneric, kTc };

[[nodiscard]] std::string_view to_string(Protocol value);         ///< "tcp"
[[nodiscard]] std::string_view to_string(Forwarding value);       ///< "nat" "ipip" "gue" "l2"
[[nodiscard]] std::string_view to_string(Tracking value);         ///< "all" "at_risk"
[[nodiscard]] std::string_view to_string(Algorithm value);        ///< "maglev" ...
[[nodiscard]] std::string_view to_string(AdminState value);       ///< "active" ...
[[nodiscard]] std::string_view to_string(Health value);           ///< "unknown" ...
[[nodiscard]] std::string_view to_string(XdpMode value);          ///< "auto" ...
[[nodiscard]] std::string_view to_string(UnservedPolicy value);   ///< "pass" "drop"
[[nodiscard]] std::string_view to_string(Affinity value);         ///< "five_tuple" ...
[[nodiscard]] std::string_view to_string(EchoPolicy value);       ///< "reply" ...
[[nodiscard]] std::string_view to_string(NoBackendPolicy value);  ///< "drop" ...

constexpr uint32_t kDefaultWeight = 100;
constexpr uint32_t kMaxWeight = 65535;
constexpr uint32_t kMaxBackends = 32767;  ///< Ids fit in 15 bits of a ring entry; 0 is nobody.
constexpr uint32_t kMaxServices = 4095;
constexpr uint16_t kDefaultGuePort = 6080;
constexpr size_t kMaxSources = 4096;  ///< Outer source addresses of all services together.
constexpr size_t kMaxExtraMacs = 4;

struct BackendSpec {
  std::string name;  ///< May be empty.
  /// port 0: the packet's own destination port is kept (rule 34).
  Endpoint endpoint;
  uint32_t weight = kDefaultWeight;  ///< 0: no new flows, old ones stay.
  AdminState state = AdminState::kActive;
  uint32_t api_id = 0;  ///< The id users see; 0: to be assigned.

  bool operator==(const BackendSpec&) const = default;
};

/// A port, a range of ports, or any port. Rule 31: what is written narrower wins.
struct PortSpec {
  uint16_t port = 0;  ///< Host order; of a range the first.
  Protocol protocol = Protocol::kTcp;
  uint16_t last = 0;  ///< Of a range, inclusive; 0: `port` alone.

  static PortSpec any(Protocol protocol) { return {0, protocol, 65535}; }

  [[nodiscard]] bool is_exact() const { return last == 0; }
  [[nodiscard]] bool is_any() const { return port == 0 && last == 65535; }
  [[nodiscard]] bool contains(uint16_t value) const {
    return is_exact() ? value == port : value >= port && value <= last;
  }
  /// Some packet could be of either and neither is written narrower.
  [[nodiscard]] bool rivals(const PortSpec& other) const;
  /// "80", "8000-8099", "any".
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const PortSpec&) const = default;
};

/// The fewest blocks that cover a range, each as long as it is aligned: what a longest-prefix match
/// can tell apart. Any port is one block.
[[nodiscard]] std::vector<PortSpec> blocks_of(const PortSpec& range);

struct ServiceSpec {
  std::string name;
  /// Empty for the implicit service `default`: the addresses of the interfaces, of the families
  /// that have a backend.
  std::vector<IpAddr> vips;
  bool vips_from_interfaces = false;
  std::vector<PortSpec> ports;
  Algorithm algorithm = Algorithm::kMaglev;
  Affinity affinity = Affinity::kFiveTuple;
  Tracking tracking = Tracking::kAll;
  std::string hash_seed;  ///< Equal on all balancers of a group.
  Forwarding forwarding = Forwarding::kNat;
  uint16_t gue_port = kDefaultGuePort;
  bool udp6_zero_checksum = false;
  /// Tunnels: outer source addresses, one per flow; empty: the egress interface's.
  std::vector<IpAddr> source_pool;
  std::vector<IpAddr> nat_addresses;  ///< Empty: the egress interface's primary address.
  /// Unset: pass where the VIP is an address of this host, drop elsewhere (rule 35).
  std::optional<UnservedPolicy> on_no_service;
  /// Unset: pass where the VIP is an address of this host, reply elsewhere (rule 35).
  std::optional<EchoPolicy> icmp_echo;
  NoBackendPolicy on_no_backend = NoBackendPolicy::kDrop;
  std::vector<BackendSpec> backends;

  bool operator==(const ServiceSpec&) const = default;
};

/// A hash of the packet alone says where a flow goes, so that the ring finds it without the table.
[[nodiscard]] bool ring_finds_flows(const ServiceSpec& service);

/// Everything declared about traffic; what the daemon does with it depends on links and health.
struct Spec {
  std::vector<std::string> interfaces;
  XdpMode mode = XdpMode::kAuto;
  std::set<uint16_t> passthrough_ports;  ///< Always left to the stack, whatever VIP.
  std::vector<Mac> extra_macs;           ///< Frames to these are balanced too (VRRP).
  std::vector<ServiceSpec> services;

  [[nodiscard]] const ServiceSpec* find(std::string_view service) const;
  [[nodiscard]] ServiceSpec* find(std::string_view service);
};

}  // namespace loom
