// SPDX-License-Identifier: Apache-2.0
// Packets by grammar, and what damages them.
#include <algorithm>

#include "oracle_world.hpp"

namespace loom::test {
namespace {

const Packet kEther({Ether{}});

/// An ICMP message with `rest` behind type, code and checksum.
Bytes icmp_message(uint8_t type, uint8_t code, const Bytes& rest) {
  Bytes out = Bytes{type, code, 0, 0} + rest;
  const uint16_t sum = checksum(out);
  out[2] = static_cast<uint8_t>(sum >> 8);
  out[3] = static_cast<uint8_t>(sum);
  return out;
}

}  // namespace

// ---- by grammar: few clients and ports, so that packets meet the flows of others

Packet PacketSource::tags() {
  const Packet ether = below(16) ? kEther : Packet({Ether{.dst = kExtraMac}});
  if (below(4)) return ether;
  const Packet one = ether / Vlan{.id = static_cast<uint16_t>(below(4096))};
  return below(3) ? one
                  : one / Vlan{.tpid = below(2) ? uint16_t{ETH_P_8021AD} : uint16_t{ETH_P_8021Q}};
}

Ip4 PacketSource::header4() {
  static const char* const kVips[] = {kVip4,     kVip4,      kVip4,    kVip4,
                                      kHostVip4, kMixedVip4, kSource4, "198.51.100.9"};
  static constexpr uint16_t kFragments[] = {0, 0, 0x2000, 0x00b9, 0x8000, 0x6000};
  Ip4 out{.src = "192.0.2." + std::to_string(1 + below(3)), .dst = kVips[below(8)]};
  out.tos = static_cast<uint8_t>(below(256));
  out.id = static_cast<uint16_t>(below(4));
  if (below(8) == 0) out.ttl = static_cast<uint8_t>(below(4));
  if (below(4) == 0) out.frag = kFragments[below(6)];
  if (below(6) == 0) out.options = Bytes(4 * (1 + below(10)), 1);
  return out;
}

Ip6 PacketSource::header6() {
  Ip6 out{.src = "2001:db8::" + std::to_string(1 + below(3))};
  if (below(16) == 0) out.dst = kSource6;
  out.traffic_class = static_cast<uint8_t>(below(256));
  out.flow_label = below(1u << 20);
  if (below(8) == 0) out.hop_limit = static_cast<uint8_t>(below(4));
  return out;
}

Tcp PacketSource::tcp(uint16_t sport, uint16_t dport) {
  static constexpr uint8_t kFlags[] = {2,    2,    2,    2, 0x10, 0x10, 0x10, 0x10,
                                       0x12, 0x11, 0x11, 4, 0x14, 6,    3,    0};
  const uint8_t flags = kFlags[below(16)];
  Tcp out{.sport = sport, .dport = dport};
  out.fin = (flags & 0x01) != 0;
  out.syn = (flags & 0x02) != 0;
  out.rst = (flags & 0x04) != 0;
  out.ack = (flags & 0x10) != 0;
  const uint32_t first = below(4) ? 1000 : 2000;
  out.seq = out.syn ? first : below(8) ? first + 1 : below(4000);
  out.ack_seq = below(1u << 30);
  if (below(8) == 0) out.options = {2, 4, 5, 0xb4};
  return out;
}

/// Of the ports and the protocol of `flow`.
Packet PacketSource::segment(const Layer& ip, const loom_flow& flow) {
  const uint16_t sport = ntohs(flow.sport);
  const uint16_t dport = ntohs(flow.dport);
  size_t length = below(64);
  if (below(32) == 0) length = below(1500);
  const Payload payload{std::string(length, static_cast<char>(below(256)))};
  if (flow.proto == IPPROTO_TCP) return ip / tcp(sport, dport) / payload;
  return ip / Udp{.sport = sport, .dport = dport, .has_checksum = below(3) != 0} / payload;
}

Bytes PacketSource::from_client() {
  const auto sport = static_cast<uint16_t>(40000 + below(3));
  auto dport = static_cast<uint16_t>(kFirstPort + below(world_.services.size()));
  if (below(3) == 0) dport = port_of(kNatServices[below(kNatServices.size())]);
  if (below(16) == 0) dport = below(2) ? kPassedPort : kLostPort;
  if (below(16) == 0) dport = static_cast<uint16_t>(kFirstRangePort - 1 + below(10));
  const Ip4 ip4 = header4();
  const Ip6 ip6 = header6();
  bool v4 = below(2) != 0;
  // Of the NAT services one is of IPv6.
  if (below(2) && std::count(kNatServices.begin(), kNatServices.end(), dport - kFirstPort + 1u))
    v4 = dport != port_of(kNatServices[1]);
  const uint8_t proto = below(3) ? IPPROTO_TCP : IPPROTO_UDP;
  recent_.at(newest_++ % recent_.size()) =
      flow_of(v4 ? ip4.src : ip6.src, sport, v4 ? ip4.dst : ip6.dst, dport, proto);
  return tags() / segment(v4 ? Layer{ip4} : Layer{ip6}, recent_.at((newest_ - 1) % recent_.size()));
}

const loom_backend* PacketSource::member_for(const loom_flow& client) {
  const uint32_t id = ntohs(client.dport) - kFirstPort + 1u;
  const auto ring = world_.rings.find(id);
  if (ring == world_.rings.end()) return nullptr;
  const loom_service& service = world_.services.at(id);
  const bool by_hash = !service.algorithm && !service.affinity;
  const loom_slot member = ring->second[by_hash ? ring_slot(client) : below(kRingSize)];
  return &world_.backends[member % world_.backends.size()];
}

/// The answer to what a client sent lately, if that went to a NAT backend.
Bytes PacketSource::from_backend() {
  loom_flow client{};
  const loom_backend* member = nullptr;
  for (int tries = 0; tries < 6 && (!member || member->forwarding != LOOM_FORWARD_NAT); ++tries) {
    client = recent_.at(below(recent_.size()));
    member = member_for(client);
  }
  if (!member || member->forwarding != LOOM_FORWARD_NAT) return from_client();
  const loom_backend& backend = *member;
  Ip4 ip4 = header4();
  Ip6 ip6 = header6();
  ip4.src = ip6.src = text_of(backend.addr);
  ip4.dst = ip6.dst = text_of(backend.source);
  loom_flow answer = client;
  answer.sport = backend.port ? backend.port : client.dport;
  answer.dport = htons(nat_candidate(client, below(8) ? 0 : below(3)));
  const bool v4 = ip4.src.find(':') == std::string::npos;
  return tags() / segment(v4 ? Layer{ip4} : Layer{ip6}, answer);
}

/// Extension headers behind the IPv6 header, if it has one.
Bytes PacketSource::extended(Bytes frame) {
  static constexpr uint8_t kKinds[] = {IPPROTO_HOPOPTS,  IPPROTO_DSTOPTS,  IPPROTO_ROUTING,
                                       IPPROTO_AH,       IPPROTO_FRAGMENT, IPPROTO_FRAGMENT,
                                       IPPROTO_FRAGMENT, IPPROTO_ESP};
  size_t at = 12;
  while (frame[at] == 0x81 || frame[at] == 0x88) at += 4;
  if (frame[at] != 0x86) return frame;
  at += 2;
  uint8_t next = frame[at + 6];
  Bytes chain;
  for (uint32_t i = below(8) ? 1 + below(2) : below(6); i > 0; --i) {
    const uint8_t kind = kKinds[below(8)];
    Bytes header(kind == IPPROTO_FRAGMENT ? 8 : 8 * (1 + below(below(8) ? 3 : 20)));
    header[0] = next;
    header[1] =
        static_cast<uint8_t>(kind == IPPROTO_AH ? header.size() / 4 - 2 : header.size() / 8 - 1);
    if (kind == IPPROTO_ROUTING) header[3] = below(4) ? 0 : 1;
    if (kind == IPPROTO_FRAGMENT) {
      header[3] = static_cast<uint8_t>(below(3) ? below(2) : 8 + below(2));
      header[7] = static_cast<uint8_t>(below(3));
    }
    next = kind;
    chain = header + chain;
  }
  frame[at + 6] = next;
  const size_t length = (frame[at + 4] << 8u | frame[at + 5]) + chain.size();
  frame[at + 4] = static_cast<uint8_t>(length >> 8);
  frame[at + 5] = static_cast<uint8_t>(length);
  frame.insert(frame.begin() + static_cast<long>(at) + 40, chain.begin(), chain.end());
  return frame;
}

Bytes PacketSource::noise() {
  Bytes frame(14 + below(120));
  for (uint8_t& byte : frame) byte = static_cast<uint8_t>(random_());
  if (below(2)) std::copy(kOurMac.begin(), kOurMac.end(), frame.begin());
  return frame;
}

/// Echo, or an error about what a client was sent lately, or about what a NAT backend was.
Bytes PacketSource::icmp() {
  loom_flow flow = recent_.at(below(recent_.size()));
  loom_flow quoted{flow.dst, flow.src, flow.dport, flow.sport, flow.proto, {}};
  const loom_backend* member = member_for(flow);
  if (member && member->forwarding == LOOM_FORWARD_NAT && below(2))
    quoted = {member->source,
              member->addr,
              htons(nat_candidate(flow)),
              member->port ? member->port : flow.dport,
              flow.proto,
              {}};
  const std::string src = text_of(quoted.src);
  const std::string dst = text_of(quoted.dst);
  const bool v4 = src.find(':') == std::string::npos;
  if (v4 != (dst.find(':') == std::string::npos)) return from_client();
  Ip4 ip4 = header4();
  Ip6 ip6 = header6();
  ip4.frag &= 0xc000;
  Ip4 in4 = ip4;
  Ip6 in6 = ip6;
  in4.src = in6.src = src;
  in4.dst = in6.dst = dst;
  Bytes quote = segment(v4 ? Layer{in4} : Layer{in6}, quoted);
  if (below(2)) quote.resize(std::min<size_t>(quote.size(), v4 ? 28 : 48));
  ip4.dst = ip6.dst = src;
  if (below(2)) ip4.src = ip6.src = dst;
  ip4.proto = IPPROTO_ICMP;
  ip6.next = IPPROTO_ICMPV6;
  static constexpr uint8_t kTypes4[] = {3, 3, 11, 12, 8, 8, 0, 5};
  static constexpr uint8_t kTypes6[] = {1, 2, 3, 4, 128, 128, 129, 135};
  const uint8_t type = v4 ? kTypes4[below(8)] : kTypes6[below(8)];
  const Payload message =
      raw(icmp_message(type, static_cast<uint8_t>(below(5)), Bytes{0, 0, 5, 0} + quote));
  return tags() / (v4 ? Layer{ip4} : Layer{ip6}) / message;
}

Bytes PacketSource::packet() {
  if (below(64) == 0) return noise();
  const Bytes frame = below(8) == 0 ? icmp() : below(3) == 0 ? from_backend() : from_client();
  return below(8) ? frame : extended(frame);
}

/// Bits flipped, bytes replaced, cut short, padded, or none of it.
Bytes PacketSource::damaged(Bytes frame) {
  const size_t headers = std::min<size_t>(frame.size(), 90);
  for (uint32_t i = below(3); i > 0; --i)
    frame[below(headers)] ^= static_cast<uint8_t>(1u << below(8));
  if (below(4) == 0) frame[12 + below(headers - 12)] = static_cast<uint8_t>(random_());
  if (below(6) == 0) frame.resize(14 + below(frame.size() - 13));
  if (below(8) == 0) frame.resize(frame.size() + below(20));
  return frame;
}

}  // namespace loom::test
