// SPDX-License-Identifier: Apache-2.0
// Reads a frame back: is every length and checksum in it right, through tunnels?
#pragma once

#include <string>

#include "support/packet.hpp"

namespace loom::test {

/// Empty if all is right, else the first thing that is not. Ethernet padding is ignored; a UDP
/// checksum of 0 is right on IPv4. Of fragments only the IP header is looked at.
class PacketCheck {
 public:
  static std::string problem_of(const Bytes& frame) {
    size_t at = 12;
    uint16_t type = u16(frame, at);
    while (type == ETH_P_8021Q || type == ETH_P_8021AD) type = u16(frame, at += 4);
    const Bytes rest = tail(frame, at + 2);
    if (type == ETH_P_IP) return check_ip4(rest);
    return type == ETH_P_IPV6 ? check_ip6(rest) : "";
  }

 private:
  static uint16_t u16(const Bytes& data, size_t at) {
    return static_cast<uint16_t>(data.at(at) << 8 | data.at(at + 1));
  }
  static Bytes slice(const Bytes& data, size_t from, size_t length) {
    return Bytes(data.begin() + static_cast<long>(from),
                 data.begin() + static_cast<long>(from + length));
  }
  static Bytes tail(const Bytes& data, size_t from) {
    return slice(data, from, data.size() - from);
  }

  static std::string check_ip4(const Bytes& packet) {
    if (packet.size() < 20 || packet[0] >> 4 != 4) return "no IPv4 header";
    const size_t header = (packet[0] & 0xfu) * 4;
    const size_t length = u16(packet, 2);
    if (header < 20 || length < header || packet.size() < length) return "IPv4 length";
    if (checksum(slice(packet, 0, header)) != 0) return "IPv4 checksum";
    if ((u16(packet, 6) & 0x3fffu) != 0) return "";
    return check_l4(slice(packet, 12, 8), packet[9], slice(packet, header, length - header));
  }
  static std::string check_ip6(const Bytes& packet) {
    if (packet.size() < 40 || packet[0] >> 4 != 6) return "no IPv6 header";
    const size_t length = u16(packet, 4);
    if (packet.size() < 40 + length) return "IPv6 length";
    return check_extension(slice(packet, 8, 32), packet[6], slice(packet, 40, length));
  }
  static std::string check_extension(const Bytes& addresses, uint8_t proto, const Bytes& data) {
    const bool is_fragment = proto == IPPROTO_FRAGMENT;
    if (!is_fragment && proto != IPPROTO_HOPOPTS && proto != IPPROTO_ROUTING &&
        proto != IPPROTO_DSTOPTS && proto != IPPROTO_AH)
      return check_l4(addresses, proto, data);
    if (data.size() < 8) return "extension header length";
    if (is_fragment && (u16(data, 2) & 0xfff9u) != 0) return "";
    const size_t length = is_fragment           ? 8
                          : proto == IPPROTO_AH ? (data[1] + 2u) * 4
                                                : (data[1] + 1u) * 8;
    if (data.size() < length) return "extension header length";
    return check_extension(addresses, data[0], tail(data, length));
  }
  static std::string check_l4(const Bytes& addresses, uint8_t proto, const Bytes& data) {
    switch (proto) {
      case IPPROTO_IPIP:
        return check_ip4(data);
      case IPPROTO_IPV6:
        return check_ip6(data);
      case IPPROTO_TCP:
        if (data.size() < 20) return "TCP length";
        return sum_is_right(addresses, proto, data) ? "" : "TCP checksum";
      case IPPROTO_UDP:
        return check_udp(addresses, data);
      case IPPROTO_ICMP:
        if (data.size() < 8) return "ICMP length";
        return checksum(data) == 0 ? "" : "ICMP checksum";
      case IPPROTO_ICMPV6:
        if (data.size() < 8) return "ICMPv6 length";
        return sum_is_right(addresses, proto, data) ? "" : "ICMPv6 checksum";
      default:
        return "";
    }
  }
  static std::string check_udp(const Bytes& addresses, const Bytes& data) {
    if (data.size() < 8 || u16(data, 4) < 8 || u16(data, 4) > data.size()) return "UDP length";
    const Bytes datagram = slice(data, 0, u16(data, 4));
    if (u16(datagram, 6) == 0 && addresses.size() != 8) return "UDP over IPv6 without checksum";
    if (u16(datagram, 6) != 0 && !sum_is_right(addresses, IPPROTO_UDP, datagram))
      return "UDP checksum";
    if (u16(datagram, 2) != 6080 || datagram.size() < 12) return "";
    if (datagram[8] != 0 || u16(datagram, 10) != 0) return "GUE header";
    return check_l4(addresses, datagram[9], tail(datagram, 12));
  }
  static bool sum_is_right(const Bytes& addresses, uint8_t proto, const Bytes& data) {
    return checksum(pseudo_header(addresses, proto, data.size()) + data) == 0;
  }
};

}  // namespace loom::test
