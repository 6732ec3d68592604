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

enum class XdpMode : uint8_t { kAuto, kNative, kGeneric };

[[nodiscard]] std::string_view to_string(Protocol value);        ///< "tcp"
[[nodiscard]] std::string_view to_string(Forwarding value);      ///< "nat" "ipip" "gue" "l2"
[[nodiscard]] std::string_view to_string(Algorithm value);       ///< "maglev" ...
[[nodiscard]] std::string_view to_string(AdminState value);      ///< "active" ...
[[nodiscard]] std::string_view to_string(Health value);          ///< "unknown" ...
[[nodiscard]] std::string_view to_string(XdpMode value);         ///< "auto" ...
[[nodiscard]] std::string_view to_string(UnservedPolicy value);  ///< "pass" "drop"

constexpr uint32_t kDefaultWeight = 100;
constexpr uint32_t kMaxWeight = 65535;
constexpr uint32_t kMaxBackends = 32767;  ///< Ids fit in 15 bits of a ring entry; 0 is nobody.
constexpr uint32_t kMaxServices = 4095;
constexpr uint16_t kDefaultGuePort = 6080;

struct BackendSpec {
  std::string name;  ///< May be empty.
  /// port 0: the packet's own destination port is kept (rule 34).
  Endpoint endpoint;
  uint32_t weight = kDefaultWeight;  ///< 0: no new flows, old ones stay.
  AdminState state = AdminState::kActive;
  uint32_t api_id = 0;  ///< The id users see; 0: to be assigned.

  bool operator==(const BackendSpec&) const = default;
};

struct PortSpec {
  uint16_t port = 0;  ///< Host order, never 0.
  Protocol protocol = Protocol::kTcp;

  auto operator<=>(const PortSpec&) const = default;
};

struct ServiceSpec {
  std::string name;
  /// Empty for the implicit service `default`: the addresses of the interfaces, of the families
  /// that have a backend.
  std::vector<IpAddr> vips;
  bool vips_from_interfaces = false;
  std::vector<PortSpec> ports;
  Algorithm algorithm = Algorithm::kMaglev;
  std::string hash_seed;  ///< Equal on all balancers of a group.
  Forwarding forwarding = Forwarding::kNat;
  uint16_t gue_port = kDefaultGuePort;
  bool udp6_zero_checksum = false;
  std::vector<IpAddr> nat_addresses;  ///< Empty: the egress interface's primary address.
  /// Unset: pass where the VIP is an address of this host, drop elsewhere (rule 35).
  std::optional<UnservedPolicy> on_no_service;
  std::vector<BackendSpec> backends;

  bool operator==(const ServiceSpec&) const = default;
};

/// Everything declared about traffic; what the daemon does with it depends on links and health.
struct Spec {
  std::vector<std::string> interfaces;
  XdpMode mode = XdpMode::kAuto;
  std::set<uint16_t> passthrough_ports;  ///< Always left to the stack, whatever VIP.
  std::vector<ServiceSpec> services;

  [[nodiscard]] const ServiceSpec* find(std::string_view service) const;
  [[nodiscard]] ServiceSpec* find(std::string_view service);
};

}  // namespace loom
