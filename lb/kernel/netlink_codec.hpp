// SPDX-License-Identifier: Apache-2.0
// rtnetlink messages as values: links, addresses, routes, neighbours. Nothing here has state.
#pragma once

#include <linux/netlink.h>

#include <compare>
#include <cstdint>
#include <optional>

#include "lb/model/links.hpp"
#include "lb/net/ip_addr.hpp"
#include "lb/net/mac.hpp"
#include "lb/net/prefix.hpp"

namespace loom {

struct LinkMessage {
  LinkInfo info;  ///< Without addresses.
  bool ethernet = false;
};

struct AddressMessage {
  uint32_t ifindex = 0;
  IpAddr address;
  /// To be listed with its interface: global or unique local, and usable as a source.
  bool listed = false;
  /// A further IPv4 address of a subnet, or a temporary IPv6 address.
  bool secondary = false;
};

/// What the kernel says about the way to one address.
struct RouteMessage {
  uint8_t type = 0;  ///< RTN_UNICAST, RTN_LOCAL, ...
  uint32_t ifindex = 0;
  std::optional<IpAddr> gateway;  ///< May be IPv6 for an IPv4 destination.
  std::optional<IpAddr> source;
  uint32_t mtu = 0;  ///< 0: the link's.
};

struct NeighbourKey {
  uint32_t ifindex = 0;
  IpAddr address;

  auto operator<=>(const NeighbourKey&) const = default;
};

struct NeighbourState {
  uint16_t nud = 0;  ///< NUD_*; 0 (NUD_NONE) also: the kernel has no entry.
  Mac mac;

  /// Frames may be sent to `mac`.
  [[nodiscard]] bool resolved() const;
};

struct NeighbourMessage {
  NeighbourKey key;
  NeighbourState state;
};

// Empty: not such a message, or not about IPv4 or IPv6.
std::optional<LinkMessage> parse_link(nlmsghdr* message);
std::optional<AddressMessage> parse_address(nlmsghdr* message);
std::optional<RouteMessage> parse_route(nlmsghdr* message);
/// The destinations a route is for. Empty also for an entry of the route cache.
std::optional<Prefix> parse_route_prefix(nlmsghdr* message);
/// RTM_DELNEIGH gives NUD_NONE.
std::optional<NeighbourMessage> parse_neighbour(nlmsghdr* message);

}  // namespace loom
