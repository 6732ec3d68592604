// SPDX-License-Identifier: Apache-2.0
// Path MTUs of tunnels, as routers behind the first hop tell them by ICMP.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "lb/model/links.hpp"
#include "lb/model/state.hpp"

namespace loom {

/// A router's word that a packet of ours did not fit through; everything in it may be a lie.
struct TooBig {
  IpAddr router;
  IpAddr source;  ///< Of the packet, as is what follows.
  IpAddr destination;
  uint8_t protocol = 0;
  uint16_t port = 0;    ///< UDP: destination; else 0.
  uint32_t length = 0;  ///< Bytes.
  uint32_t mtu = 0;     ///< What would have fitted.
};

/// Bytes that forwarding puts in front of a packet; `outer` is the family of the backend.
[[nodiscard]] uint32_t tunnel_overhead(Forwarding forwarding, Family outer);

[[nodiscard]] inline bool is_tunnel(Forwarding forwarding) {
  return forwarding == Forwarding::kIpip || forwarding == Forwarding::kGue;
}

/// What routers said about the paths to backends behind tunnels.
///
/// Anybody can write such a message, and it is not authenticated. Therefore: the packet it quotes
/// must be one that we send now (an outer source of ours, a backend, its tunnel's protocol and
/// port), which takes somebody who knows addresses that clients do not see; it can only make
/// packets smaller, never bigger than netlink's MTU; not below what every path must carry; and it
/// is forgotten after kLifetime. One entry per backend address: nothing grows by being told things.
class PathMtus {
 public:
  using Clock = std::chrono::steady_clock;

  /// RFC 1191 6.3, RFC 8201 4: try the larger size again after ten minutes.
  static constexpr std::chrono::minutes kLifetime{10};
  /// RFC 791 3.1: every IPv4 host takes 576 bytes; we believe no router that says less.
  static constexpr uint32_t kLeastV4 = 576;
  static constexpr uint32_t kLeastV6 = 1280;

  /// From now on messages about the tunnels of `state` count; what was learned about others is
  /// forgotten.
  void follow(const State& state);
  /// True: the message made a path MTU smaller.
  bool learn(const TooBig& message, Clock::time_point now);
  /// True: something was forgotten.
  bool expire(Clock::time_point now);
  [[nodiscard]] const std::map<IpAddr, PathMtu>& learned() const { return learned_; }

 private:
  struct Tunnels {
    std::set<std::pair<uint8_t, uint16_t>> kinds;  ///< Protocol; UDP: port.
    uint32_t mtu = 0;  ///< The largest packet that is sent now; 0: none is.
  };

  [[nodiscard]] const Tunnels* find(const TooBig& message) const;

  std::set<IpAddr> sources_;
  std::map<IpAddr, Tunnels> tunnels_;  ///< By backend.
  std::map<IpAddr, PathMtu> learned_;  ///< By backend.
};

}  // namespace loom
