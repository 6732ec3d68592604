// SPDX-License-Identifier: Apache-2.0
// The host's network as the model needs to know it. A value; lb/kernel fills it from netlink.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lb/net/ip_addr.hpp"
#include "lb/net/mac.hpp"

namespace loom {

struct LinkInfo {
  uint32_t ifindex = 0;
  std::string name;
  Mac mac;
  uint32_t mtu = 0;  ///< Bytes of an IP packet.
  bool up = false;   ///< Administratively up with carrier.
  /// Global unicast addresses, primary first: the order the kernel lists them in.
  std::vector<IpAddr> addresses;

  bool operator==(const LinkInfo&) const = default;
};

/// How a packet to some address leaves this host.
struct NextHop {
  uint32_t ifindex = 0;  ///< Egress.
  Mac source;            ///< Of the egress interface.
  Mac destination;       ///< Of the neighbour: the address itself or its gateway.
  uint32_t mtu = 0;      ///< Of route or egress interface, whichever is smaller; bytes.
  IpAddr
      source_address;  ///< What the kernel would send from; same family as the address asked for.

  bool operator==(const NextHop&) const = default;
};

/// The largest packet that gets through to some address, as a router on the way said.
struct PathMtu {
  uint32_t mtu = 0;  ///< Bytes.
  std::chrono::steady_clock::time_point expires;

  bool operator==(const PathMtu&) const = default;
};

struct Links {
  std::map<std::string, LinkInfo> interfaces;  ///< By name.
  std::map<IpAddr, NextHop> next_hops;         ///< Only resolved ones.
  /// Those whose neighbour is not resolved: `destination` is zero.
  std::map<IpAddr, NextHop> incomplete;
  /// Why an address asked for is not in next_hops: "no route", "neighbour 10.0.0.1 not resolved".
  std::map<IpAddr, std::string> unresolved;
  std::map<IpAddr, IpAddr> gateways;    ///< Targets that are not on a link of ours.
  std::map<IpAddr, PathMtu> path_mtus;  ///< Not from netlink: PathMtus knows them.
  std::set<IpAddr> local_addresses;     ///< Every address of this host.

  bool operator==(const Links&) const = default;
};

}  // namespace loom
