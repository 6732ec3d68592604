// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/netlink_codec.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace loom {
namespace {

// <linux/if.h> has it, but cannot be included beside <net/if.h>.
constexpr unsigned kLowerUp = 1 << 16;

template <int kMax>
using Attributes = std::array<nlattr*, kMax + 1>;

template <class Header, int kMax>
const Header* parse(nlmsghdr* message, Attributes<kMax>& attributes) {
  if (nlmsg_parse(message, sizeof(Header), attributes.data(), kMax, nullptr) < 0) return nullptr;
  return static_cast<const Header*>(nlmsg_data(message));
}

std::optional<IpAddr> address_from(int family, const void* data, size_t size) {
  if (family == AF_INET && size >= 4) {
    std::array<uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), data, bytes.size());
    return IpAddr::from_v4(bytes);
  }
  if (family == AF_INET6 && size >= 16) {
    std::array<uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), data, bytes.size());
    return IpAddr(bytes);
  }
  return std::nullopt;
}

std::optional<IpAddr> address_from(int family, const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  return address_from(family, nla_data(attribute), static_cast<size_t>(nla_len(attribute)));
}

Mac mac_from(const nlattr* attribute) {
  Mac mac;
  if (attribute != nullptr && static_cast<size_t>(nla_len(attribute)) == mac.bytes.size())
    std::memcpy(mac.bytes.data(), nla_data(attribute), mac.bytes.size());
  return mac;
}

std::optional<IpAddr> gateway_of(int family, const Attributes<RTA_MAX>& attributes) {
  const nlattr* via = attributes[RTA_VIA];
  if (via == nullptr) return address_from(family, attributes[RTA_GATEWAY]);
  const auto size = static_cast<size_t>(nla_len(via));
  if (size < sizeof(rtvia)) return std::nullopt;
  const auto* header = static_cast<const rtvia*>(nla_data(via));
  return address_from(header->rtvia_family, header->rtvia_addr, size - sizeof(rtvia));
}

uint32_t route_mtu(nlattr* metrics) {
  if (metrics == nullptr) return 0;
  Attributes<RTAX_MAX> values{};
  if (nla_parse_nested(values.data(), RTAX_MAX, metrics, nullptr) < 0) return 0;
  return values[RTAX_MTU] != nullptr ? nla_get_u32(values[RTAX_MTU]) : 0;
}

}  // namespace

bool NeighbourState::resolved() const {
  constexpr uint16_t kUsable =
      NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
  return (nud & kUsable) != 0 && !mac.is_zero();
}

std::optional<LinkMessage> parse_link(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWLINK) return std::nullopt;
  Attributes<IFLA_MAX> attributes{};
  const auto* header = parse<ifinfomsg, IFLA_MAX>(message, attributes);
  // A bridge describes its ports in messages of the same type.
  if (header == nullptr || header->ifi_family != AF_UNSPEC || attributes[IFLA_IFNAME] == nullptr)
    return std::nullopt;

  constexpr unsigned kUsable = IFF_UP | IFF_RUNNING | kLowerUp;
  LinkMessage out;
  out.ethernet = header->ifi_type == ARPHRD_ETHER;
  out.info.ifindex = static_cast<uint32_t>(header->ifi_index);
  out.info.name = nla_get_string(attributes[IFLA_IFNAME]);
  if (out.ethernet) out.info.mac = mac_from(attributes[IFLA_ADDRESS]);
  if (attributes[IFLA_MTU] != nullptr) out.info.mtu = nla_get_u32(attributes[IFLA_MTU]);
  out.info.up = (header->ifi_flags & kUsable) == kUsable;
  return out;
}

std::optional<AddressMessage> parse_address(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWADDR) return std::nullopt;
  Attributes<IFA_MAX> attributes{};
  const auto* header = parse<ifaddrmsg, IFA_MAX>(message, attributes);
  if (header == nullptr) return std::nullopt;
  // On a link with a named peer IFA_ADDRESS is the peer's.
  const nlattr* own =
      attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  const std::optional<IpAddr> address = address_from(header->ifa_family, own);
  if (!address) return std::nullopt;

  const uint32_t flags =
      attributes[IFA_FLAGS] != nullptr ? nla_get_u32(attributes[IFA_FLAGS]) : header->ifa_flags;
  constexpr uint32_t kUnusable = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;
  AddressMessage out;
  out.ifindex = header->ifa_index;
  out.address = *address;
  out.listed = header->ifa_scope == RT_SCOPE_UNIVERSE && (flags & kUnusable) == 0 &&
               !address->is_link_local();
  out.secondary = (flags & IFA_F_SECONDARY) != 0;
  return out;
}

std::optional<RouteMessage> parse_route(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  Attributes<RTA_MAX> attributes{};
  const auto* header = parse<rtmsg, RTA_MAX>(message, attributes);
  if (header == nullptr) return std::nullopt;
  RouteMessage out;
  out.type = header->rtm_type;
  if (attributes[RTA_OIF] != nullptr) out.ifindex = nla_get_u32(attributes[RTA_OIF]);
  out.gateway = gateway_of(header->rtm_family, attributes);
  out.source = address_from(header->rtm_family, attributes[RTA_PREFSRC]);
  out.mtu = route_mtu(attributes[RTA_METRICS]);
  return out;
}

std::optional<Prefix> parse_route_prefix(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE)
    return std::nullopt;
  Attributes<RTA_MAX> attributes{};
  const auto* header = parse<rtmsg, RTA_MAX>(message, attributes);
  if (header == nullptr || (header->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
  constexpr std::array<uint8_t, 16> kAny{};
  std::optional<IpAddr> address = attributes[RTA_DST] != nullptr
                                      ? address_from(header->rtm_family, attributes[RTA_DST])
                                      : address_from(header->rtm_family, kAny.data(), kAny.size());
  if (!address) return std::nullopt;
  return Prefix{*address, header->rtm_dst_len};
}

std::optional<NeighbourMessage> parse_neighbour(nlmsghdr* message) {
  if (message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH)
    return std::nullopt;
  Attributes<NDA_MAX> attributes{};
  const auto* header = parse<ndmsg, NDA_MAX>(message, attributes);
  if (header == nullptr || (header->ndm_flags & NTF_PROXY) != 0) return std::nullopt;
  // A bridge's forwarding entries come in the same messages, as another family.
  const std::optional<IpAddr> address = address_from(header->ndm_family, attributes[NDA_DST]);
  if (!address) return std::nullopt;

  NeighbourMessage out;
  out.key = {static_cast<uint32_t>(header->ndm_ifindex), *address};
  if (message->nlmsg_type == RTM_NEWNEIGH)
    out.state = {header->ndm_state, mac_from(attributes[NDA_LLADDR])};
  return out;
}

}  // namespace loom
