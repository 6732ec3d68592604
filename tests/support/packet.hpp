// SPDX-License-Identifier: Apache-2.0
// Packets as literals: Ether{} / Ip4{.src = "192.0.2.1"} / Udp{.dport = 53} / Payload{"query"}.
// Lengths, next-protocol fields and every checksum are filled in.
#pragma once

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace loom::test {

using Bytes = std::vector<uint8_t>;
using MacBytes = std::array<uint8_t, 6>;

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

template <class Header>
Bytes bytes_of(const Header& header) {
  Bytes out(sizeof(header));
  std::memcpy(out.data(), &header, sizeof(header));
  return out;
}

/// Internet checksum over bytes as they are on the wire, in host order: 0 if `data` contains its
/// own, correct one.
inline uint16_t checksum(const Bytes& data) {
  uint64_t sum = 0;
  for (size_t i = 0; i < data.size(); ++i) sum += i % 2 ? data[i] : uint64_t{data[i]} << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

inline Bytes address_bytes(int family, const std::string& text) {
  Bytes out(family == AF_INET ? 4 : 16);
  if (inet_pton(family, text.c_str(), out.data()) != 1) throw std::invalid_argument(text);
  return out;
}

/// RFC 793 3.1, RFC 8200 8.1. `addresses` is source and destination, as in the IP header.
inline Bytes pseudo_header(const Bytes& addresses, uint8_t proto, size_t length) {
  const uint32_t fields[2] = {htonl(static_cast<uint32_t>(length)), htonl(proto)};
  return addresses + bytes_of(fields);
}

// Layers, outermost first. A field left out is what a plain packet has.

struct Ether {
  MacBytes dst{2, 0, 0, 0, 0, 1};
  MacBytes src{2, 0, 0, 0, 0, 2};
  std::optional<uint16_t> type = std::nullopt;  ///< Else that of the next layer.
};

struct Vlan {
  uint16_t id = 1;
  uint16_t tpid = ETH_P_8021Q;
  uint8_t priority = 0;
};

struct Ip4 {
  std::string src = "192.0.2.1";
  std::string dst = "198.51.100.1";
  uint8_t ttl = 64;
  uint8_t tos = 0;
  uint16_t id = 0;
  uint16_t frag = 0x4000;  ///< Flags and fragment offset: don't fragment.
  Bytes options = {};      ///< A multiple of 4 bytes.
  std::optional<uint8_t> proto = std::nullopt;
};

struct Ip6 {
  std::string src = "2001:db8::1";
  std::string dst = "2001:db8:1::1";
  uint8_t hop_limit = 64;
  uint8_t traffic_class = 0;
  uint32_t flow_label = 0;
  std::optional<uint8_t> next = std::nullopt;
};

/// An extension header of IPv6: its type and all behind its first byte. Left out: 8 bytes of
/// padding.
struct Extension {
  uint8_t type = IPPROTO_DSTOPTS;
  Bytes rest = {0, 1, 4, 0, 0, 0, 0};
};

struct Tcp {
  uint16_t sport = 40000;
  uint16_t dport = 80;
  bool syn = false;
  bool ack = false;
  bool fin = false;
  bool rst = false;
  Bytes options = {};                          ///< A multiple of 4 bytes.
  std::optional<uint32_t> seq = std::nullopt;  ///< Else 1000 for a SYN, 1001 for what follows it.
  uint32_t ack_seq = 0;
  uint16_t window = 64240;
};

struct Udp {
  uint16_t sport = 40000;
  uint16_t dport = 53;
  bool has_checksum = true;
};

/// ICMP or ICMPv6, as the layer below is. What an error quotes are the next layers.
struct Icmp {
  uint8_t type = 8;
  uint8_t code = 0;
  uint32_t rest = 0;  ///< MTU, or identifier and sequence number.
};

/// The four bytes behind a Udp{.dport = 6080}.
struct Gue {};

struct Payload {
  std::string text;
};

using Layer = std::variant<Ether, Vlan, Ip4, Ip6, Extension, Tcp, Udp, Icmp, Gue, Payload>;

/// Layers from the outside in. Its bytes are the frame.
class Packet {
 public:
  explicit Packet(std::vector<Layer> layers) : layers_(std::move(layers)) {}

  Packet operator/(Layer layer) const {
    std::vector<Layer> layers = layers_;
    layers.push_back(std::move(layer));
    return Packet(std::move(layers));
  }
  Packet operator/(const Packet& inner) const {
    std::vector<Layer> layers = layers_;
    layers.insert(layers.end(), inner.layers_.begin(), inner.layers_.end());
    return Packet(std::move(layers));
  }
  [[nodiscard]] Bytes bytes() const {
    Bytes out;
    for (size_t i = layers_.size(); i-- > 0;)
      out = std::visit([&](const auto& layer) { return wire(layer, i, out); }, layers_[i]);
    return out;
  }
  operator Bytes() const { return bytes(); }

 private:
  [[nodiscard]] const Layer* at(size_t i) const {
    return i < layers_.size() ? &layers_[i] : nullptr;
  }

  [[nodiscard]] uint16_t ethertype(size_t i) const {
    const Layer* layer = at(i);
    if (layer && std::holds_alternative<Ip4>(*layer)) return ETH_P_IP;
    if (layer && std::holds_alternative<Ip6>(*layer)) return ETH_P_IPV6;
    const Vlan* vlan = layer ? std::get_if<Vlan>(layer) : nullptr;
    return vlan ? vlan->tpid : ETH_P_802_EX1;
  }
  [[nodiscard]] uint8_t protocol(size_t i) const {
    const Layer* layer = at(i);
    if (!layer) return IPPROTO_NONE;
    if (const Extension* extension = std::get_if<Extension>(layer)) return extension->type;
    if (std::holds_alternative<Tcp>(*layer)) return IPPROTO_TCP;
    if (std::holds_alternative<Udp>(*layer)) return IPPROTO_UDP;
    if (std::holds_alternative<Icmp>(*layer))
      return std::holds_alternative<Ip4>(layers_[i - 1]) ? uint8_t{IPPROTO_ICMP}
                                                         : uint8_t{IPPROTO_ICMPV6};
    if (std::holds_alternative<Ip4>(*layer)) return IPPROTO_IPIP;
    if (std::holds_alternative<Ip6>(*layer)) return IPPROTO_IPV6;
    return IPPROTO_NONE;
  }
  /// For the layer above the IP layer i, or above its extension headers.
  [[nodiscard]] Bytes pseudo(size_t i, uint8_t proto, size_t length) const {
    const Layer* layer = at(i);
    if (layer && std::holds_alternative<Extension>(*layer)) return pseudo(i - 1, proto, length);
    if (const Ip4* ip = layer ? std::get_if<Ip4>(layer) : nullptr)
      return pseudo_header(address_bytes(AF_INET, ip->src) + address_bytes(AF_INET, ip->dst), proto,
                           length);
    if (const Ip6* ip = layer ? std::get_if<Ip6>(layer) : nullptr)
      return pseudo_header(address_bytes(AF_INET6, ip->src) + address_bytes(AF_INET6, ip->dst),
                           proto, length);
    throw std::logic_error("TCP and UDP stand on IP");
  }

  Bytes wire(const Ether& ether, size_t i, const Bytes& inner) const {
    const uint16_t type = htons(ether.type.value_or(ethertype(i + 1)));
    return bytes_of(ether.dst) + bytes_of(ether.src) + bytes_of(type) + inner;
  }
  Bytes wire(const Vlan& vlan, size_t i, const Bytes& inner) const {
    const auto tci = static_cast<uint16_t>(vlan.priority << 13 | vlan.id);
    const uint16_t fields[2] = {htons(tci), htons(ethertype(i + 1))};
    return bytes_of(fields) + inner;
  }
  Bytes wire(const Ip4& ip, size_t i, const Bytes& inner) const {
    iphdr h{};
    h.version = 4;
    h.ihl = static_cast<unsigned>(5 + ip.options.size() / 4) & 0xf;
    h.tos = ip.tos;
    h.tot_len = htons(static_cast<uint16_t>(sizeof(h) + ip.options.size() + inner.size()));
    h.id = htons(ip.id);
    h.frag_off = htons(ip.frag);
    h.ttl = ip.ttl;
    h.protocol = ip.proto.value_or(protocol(i + 1));
    std::memcpy(&h.saddr, address_bytes(AF_INET, ip.src).data(), 4);
    std::memcpy(&h.daddr, address_bytes(AF_INET, ip.dst).data(), 4);
    h.check = htons(checksum(bytes_of(h) + ip.options));
    return bytes_of(h) + ip.options + inner;
  }
  Bytes wire(const Ip6& ip, size_t i, const Bytes& inner) const {
    const uint32_t first = htonl(6u << 28 | uint32_t{ip.traffic_class} << 20 | ip.flow_label);
    ipv6hdr h{};
    std::memcpy(&h, &first, sizeof(first));
    h.payload_len = htons(static_cast<uint16_t>(inner.size()));
    h.nexthdr = ip.next.value_or(protocol(i + 1));
    h.hop_limit = ip.hop_limit;
    std::memcpy(&h.saddr, address_bytes(AF_INET6, ip.src).data(), 16);
    std::memcpy(&h.daddr, address_bytes(AF_INET6, ip.dst).data(), 16);
    return bytes_of(h) + inner;
  }
  Bytes wire(const Extension& extension, size_t i, const Bytes& inner) const {
    return Bytes{protocol(i + 1)} + extension.rest + inner;
  }
  Bytes wire(const Tcp& tcp, size_t i, const Bytes& inner) const {
    tcphdr h{};
    h.source = htons(tcp.sport);
    h.dest = htons(tcp.dport);
    h.seq = htonl(tcp.seq.value_or(tcp.syn ? 1000 : 1001));
    h.ack_seq = htonl(tcp.ack_seq);
    h.doff = static_cast<unsigned>(5 + tcp.options.size() / 4) & 0xf;
    h.syn = tcp.syn;
    h.ack = tcp.ack;
    h.fin = tcp.fin;
    h.rst = tcp.rst;
    h.window = htons(tcp.window);
    const Bytes rest = tcp.options + inner;
    const Bytes segment = bytes_of(h) + rest;
    h.check = htons(checksum(pseudo(i - 1, IPPROTO_TCP, segment.size()) + segment));
    return bytes_of(h) + rest;
  }
  Bytes wire(const Udp& udp, size_t i, const Bytes& inner) const {
    udphdr h{};
    h.source = htons(udp.sport);
    h.dest = htons(udp.dport);
    h.len = htons(static_cast<uint16_t>(sizeof(h) + inner.size()));
    const Bytes segment = bytes_of(h) + inner;
    const uint16_t sum = checksum(pseudo(i - 1, IPPROTO_UDP, segment.size()) + segment);
    if (udp.has_checksum) h.check = htons(sum ? sum : 0xffff);
    return bytes_of(h) + inner;
  }
  Bytes wire(const Icmp& icmp, size_t i, const Bytes& inner) const {
    const uint32_t rest = htonl(icmp.rest);
    const Bytes start{icmp.type, icmp.code};
    const Bytes behind = bytes_of(rest) + inner;
    const Bytes whole = start + Bytes{0, 0} + behind;
    const bool v6 = protocol(i) == IPPROTO_ICMPV6;
    const uint16_t sum =
        checksum((v6 ? pseudo(i - 1, IPPROTO_ICMPV6, whole.size()) : Bytes{}) + whole);
    return start + bytes_of(htons(sum)) + behind;
  }
  Bytes wire(const Gue& /*gue*/, size_t i, const Bytes& inner) const {
    return Bytes{0, protocol(i + 1), 0, 0} + inner;
  }
  Bytes wire(const Payload& payload, size_t /*i*/, const Bytes& inner) const {
    return Bytes(payload.text.begin(), payload.text.end()) + inner;
  }

  std::vector<Layer> layers_;
};

inline Packet operator/(Layer outer, Layer inner) {
  return Packet({std::move(outer), std::move(inner)});
}

/// Ethernet's minimum: zeros behind the packet that are not part of it.
inline Bytes padded(Bytes frame, size_t size = ETH_ZLEN) {
  if (frame.size() < size) frame.resize(size);
  return frame;
}

inline Bytes truncated(Bytes frame, size_t by) {
  frame.resize(frame.size() - by);
  return frame;
}

/// `frame` with one byte replaced; checksums stay as they were.
inline Bytes patched(Bytes frame, size_t offset, uint8_t value) {
  frame.at(offset) = value;
  return frame;
}

}  // namespace loom::test
