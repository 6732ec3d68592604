// SPDX-License-Identifier: Apache-2.0
// The oracle's way through a frame: what it is, whose it is, and who gets it.
#include "oracle.hpp"

#include <algorithm>

#include "support/datapath_values.hpp"

namespace loom::test {
namespace {

uint16_t u16(const Bytes& bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

loom_addr address_at(const Bytes& bytes, size_t at, bool v4) {
  loom_addr out{};
  if (v4) out.w[2] = htonl(0xffff);
  std::memcpy(v4 ? &out.w[3] : &out.w[0], bytes.data() + at, v4 ? 4 : 16);
  return out;
}

bool is_zero(const loom_addr& address) {
  return BytesEqual{}(address, loom_addr{});
}

/// What may stand between the IPv6 header and TCP (IANA's list of extension headers), without the
/// fragment header, which has rules of its own.
bool is_extension(uint8_t next) {
  constexpr uint8_t kMobility = 135;
  constexpr uint8_t kHip = 139;
  constexpr uint8_t kShim6 = 140;
  static const std::set<uint8_t> kAll = {
      IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_AH, IPPROTO_ESP, kMobility, kHip,
      kShim6};
  return kAll.count(next) != 0;
}

/// Those whose length is known and whose content is not a secret.
bool is_walked(uint8_t next) {
  return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
         next == IPPROTO_AH || next == IPPROTO_FRAGMENT;
}

}  // namespace

// ---- reading

loom_verdict Oracle::read_l2(Parsed& packet, uint16_t& ethertype) {
  const Bytes& frame = *packet.frame;
  packet.l3 = 14;
  ethertype = u16(frame, 12);
  for (int tag = 0; tag < 2 && (ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD); ++tag) {
    if (frame.size() < packet.l3 + 4) return LOOM_PASS_MALFORMED;
    ethertype = u16(frame, packet.l3 + 2);
    packet.l3 += 4;
  }
  return LOOM_CONTINUE;
}

loom_verdict Oracle::read_v4(Parsed& packet) {
  const Bytes& frame = *packet.frame;
  const size_t at = packet.l3;
  if (frame.size() < at + 20 || frame[at] >> 4 != 4) return LOOM_PASS_MALFORMED;
  const size_t header = (frame[at] & 15u) * 4;
  packet.length = u16(frame, at + 2);
  if (header < 20 || packet.length < header || frame.size() < at + header)
    return LOOM_PASS_MALFORMED;
  packet.v4 = true;
  packet.l4 = at + header;
  packet.tos = frame[at + 1];
  packet.ttl = frame[at + 8];
  packet.dont_fragment = (frame[at + 6] & 0x40) != 0;
  const bool more = (frame[at + 6] & 0x20) != 0;
  packet.part = more ? Part::kFirst : Part::kWhole;
  if ((u16(frame, at + 6) & 0x1fff) != 0) packet.part = Part::kLater;
  packet.id = u16(frame, at + 4);
  packet.flow.proto = frame[at + 9];
  packet.flow.src = address_at(frame, at + 12, true);
  packet.flow.dst = address_at(frame, at + 16, true);
  return LOOM_CONTINUE;
}

loom_verdict Oracle::read_v6(Parsed& packet) {
  const Bytes& frame = *packet.frame;
  const size_t at = packet.l3;
  if (frame.size() < at + 40 || frame[at] >> 4 != 6) return LOOM_PASS_MALFORMED;
  packet.length = 40u + u16(frame, at + 4);
  packet.l4 = at + 40;
  packet.tos = static_cast<uint8_t>(u16(frame, at) >> 4);
  packet.ttl = frame[at + 7];
  packet.flow.proto = frame[at + 6];
  packet.flow.src = address_at(frame, at + 8, false);
  packet.flow.dst = address_at(frame, at + 24, false);
  return LOOM_CONTINUE;
}

loom_verdict Oracle::read_l3(Parsed& packet) {
  uint16_t ethertype = 0;
  if (const loom_verdict out = read_l2(packet, ethertype)) return out;
  if (ethertype == ETH_P_IP) return read_v4(packet);
  if (ethertype == ETH_P_IPV6) return read_v6(packet);
  return LOOM_PASS_NOT_IP;
}

/// Lengths come from the IP header: the frame may be padded.
loom_verdict Oracle::read_l4(Parsed& packet) {
  const bool tcp = packet.flow.proto == IPPROTO_TCP;
  if (!tcp && packet.flow.proto != IPPROTO_UDP) return LOOM_CONTINUE;
  const Bytes& frame = *packet.frame;
  const size_t at = packet.l4;
  const size_t length = packet.l3 + packet.length - at;
  const size_t header = tcp ? 20 : 8;
  if (length < header) return LOOM_DROP_SHORT_L4;
  const size_t said = tcp ? (frame[at + 12] >> 4) * 4u : u16(frame, at + 4);
  const bool goes_on = !tcp && packet.part == Part::kFirst;
  if (said < header || (said > length && !goes_on)) return LOOM_DROP_BAD_L4;
  if (tcp) {
    packet.tcp_flags = frame[at + 13];
    packet.seq = uint32_t{u16(frame, at + 4)} << 16 | u16(frame, at + 6);
  }
  const bool plain = packet.part == Part::kWhole && (packet.v4 || at == packet.l3 + 40);
  packet.checksummed = plain && (tcp || (said == length && u16(frame, at + 6) != 0));
  std::memcpy(&packet.flow.sport, frame.data() + at, 2);
  std::memcpy(&packet.flow.dport, frame.data() + at + 2, 2);
  return LOOM_CONTINUE;
}

// ---- whose is it

const loom_interface* Oracle::interface_at(uint32_t ifindex) const {
  const auto found = world_.interfaces.find(ifindex);
  return ifindex && found != world_.interfaces.end() ? &found->second : nullptr;
}

bool Oracle::is_for_us(const Parsed& packet) const {
  const loom_interface* interface = interface_at(packet.ingress);
  if (!interface) return false;
  if (std::equal(interface->mac, interface->mac + 6, packet.frame->begin())) return true;
  const size_t extra = std::min<size_t>(interface->extra_count, LOOM_EXTRA_MACS);
  for (size_t i = 0; i < extra; ++i)
    if (std::equal(interface->extra[i], interface->extra[i] + 6, packet.frame->begin()))
      return true;
  return false;
}

/// An address without services is one of this host's.
bool Oracle::passes_unserved(const loom_vip& vip) {
  return (vip.flags & LOOM_VIP_F_PASS_UNSERVED) != 0 || (vip.flags & LOOM_VIP_F_SERVICE) == 0;
}

/// Nobody knows whose it is.
loom_verdict Oracle::unknown_fragment(const loom_vip& vip) {
  return passes_unserved(vip) ? LOOM_PASS_NO_SERVICE : LOOM_DROP_FRAGMENT_UNKNOWN;
}

/// The way out of a packet that is not balanced by ports.
loom_verdict Oracle::unbalanced(Parsed& packet, const loom_vip& vip) const {
  if (!packet.v4) {
    if (const loom_verdict done = walk(packet)) return done;
    // What a later fragment says of its protocol means nothing.
    if (rules_.parts && packet.part == Part::kLater) return LOOM_CONTINUE;
  }
  const int icmp = packet.v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  if (packet.part != Part::kWhole && (!rules_.parts || packet.flow.proto == icmp))
    return unknown_fragment(vip);
  return packet.flow.proto == icmp ? LOOM_PASS_ICMP : LOOM_CONTINUE;
}

/// Behind the extension headers of IPv6: at most 4 of them, and 128 bytes.
loom_verdict Oracle::walk(Parsed& packet) const {
  const Bytes& frame = *packet.frame;
  const size_t end = packet.l3 + packet.length;
  const bool drops = (world_.config.features & LOOM_FEATURE_DROP_EXTENSION_HEADERS) != 0;
  const loom_verdict refused = drops ? LOOM_DROP_EXTENSION_HEADER : LOOM_PASS_EXTENSION_HEADER;
  uint8_t& next = packet.flow.proto;
  if (!rules_.parts) {
    if (next == IPPROTO_FRAGMENT) packet.part = Part::kFirst;
    return is_extension(next) ? refused : LOOM_CONTINUE;
  }
  for (int i = 0; i < 4 && is_walked(next) && packet.part != Part::kLater; ++i) {
    const size_t at = packet.l4;
    if (at + 8 > end) return LOOM_DROP_SHORT_L4;
    const size_t size = next == IPPROTO_FRAGMENT ? 8
                        : next == IPPROTO_AH     ? (frame[at + 1] + 2u) * 4
                                                 : (frame[at + 1] + 1u) * 8;
    if (at + size > end) return LOOM_DROP_SHORT_L4;
    if (at + size > packet.l3 + 40 + 128) return refused;
    if (next == IPPROTO_ROUTING && frame[at + 3] != 0) return refused;  // It goes further.
    if (next == IPPROTO_FRAGMENT) {
      if (packet.part != Part::kWhole) return refused;
      if ((u16(frame, at + 2) & 0xfff8) != 0)
        packet.part = Part::kLater;
      else if ((frame[at + 3] & 1) != 0)
        packet.part = Part::kFirst;
      std::memcpy(&packet.id, frame.data() + at + 4, 4);
    }
    next = frame[at];
    packet.l4 += size;
  }
  const bool ends = packet.part == Part::kLater || !(is_extension(next) || is_walked(next));
  return ends ? LOOM_CONTINUE : refused;
}

Expected Oracle::handle(const Bytes& frame, uint32_t ingress) {
  Expected out{.packet = frame};
  Parsed packet;
  packet.frame = &frame;
  packet.ingress = ingress;
  out.verdict = decide(packet, out);
  out.verdict = answer(packet, out.verdict, out);
  return out;
}

loom_verdict Oracle::decide(Parsed& packet, Expected& out) {
  if (const loom_verdict done = read_l3(packet)) return done;
  if (!is_for_us(packet)) return LOOM_PASS_NOT_OUR_MAC;
  const auto vip = world_.vips.find(packet.flow.dst);
  return vip == world_.vips.end() ? LOOM_PASS_NOT_VIP : for_vip(packet, vip->second, out);
}

/// Exact, then by the longest prefix of the port.
const loom_listener* Oracle::listener_of(const Parsed& packet, const loom_vip& vip) const {
  const auto exact =
      world_.listeners.find({packet.flow.dst, packet.flow.dport, packet.flow.proto, 0});
  if (exact != world_.listeners.end()) return &exact->second;
  if ((vip.flags & LOOM_VIP_F_RANGES) == 0) return nullptr;
  const PortPrefix* best = nullptr;
  for (const PortPrefix& range : world_.ranges) {
    const uint32_t differ = (range.port ^ ntohs(packet.flow.dport)) >> (16 - range.bits);
    if (differ || range.proto != packet.flow.proto || !BytesEqual{}(range.vip, packet.flow.dst))
      continue;
    if (!best || range.bits > best->bits) best = &range;
  }
  return best ? &best->listener : nullptr;
}

loom_verdict Oracle::for_vip(Parsed& packet, const loom_vip& vip, Expected& out) {
  if (packet.l3 + packet.length > packet.frame->size()) return LOOM_DROP_BAD_LENGTH;
  if (const loom_verdict done = unbalanced(packet, vip))
    return done == LOOM_PASS_ICMP ? icmp(packet, vip, out) : done;
  if (packet.part == Part::kLater) return follow(packet, vip, out);
  if (const loom_verdict done = read_l4(packet)) return done;

  const uint16_t port = ntohs(packet.flow.dport);
  if ((vip.flags & LOOM_VIP_F_NAT) != 0 && port >= world_.config.nat_port_min &&
      port <= world_.config.nat_port_max) {
    if (loom_flow_entry* entry = nat_reply_entry(packet)) return nat_reply(packet, *entry, out);
    if ((world_.settings & LOOM_SETTING_HANDOVER) != 0) return LOOM_DROP_NO_FLOW;
  }

  const loom_listener* listener = listener_of(packet, vip);
  if (!listener) return passes_unserved(vip) ? LOOM_PASS_NO_SERVICE : LOOM_DROP_NO_SERVICE;
  if ((listener->flags & LOOM_LISTENER_F_PASS) != 0) {
    return remember_passed(packet, LOOM_PASS_PASSTHROUGH);
  }
  Choice choice;
  if (const loom_verdict done = choose(packet, listener->service, choice))
    return done == LOOM_PASS_CONNECTION_LIMIT ? remember_passed(packet, done) : done;
  return balance(packet, choice, out);
}

// ---- who gets it

loom_verdict Oracle::next_hop(const loom_backend& backend, Expected& out) const {
  if ((backend.flags & LOOM_BACKEND_F_NEXT_HOP) != 0) return LOOM_CONTINUE;
  if (!is_zero(backend.source)) out.error = LOOM_ERROR_fib_lookup;
  return LOOM_DROP_NO_NEXT_HOP;
}

loom_verdict Oracle::balance(const Parsed& packet, const Choice& choice, Expected& out) {
  const loom_backend& backend = *choice.backend;
  out.backend = choice.id;
  if ((backend.flags & LOOM_BACKEND_F_LOCAL) != 0) {  // The stack counts hops by itself.
    remember(packet, choice);
    return remember_passed(packet, LOOM_PASS_LOCAL_BACKEND);
  }
  if (packet.ttl <= 1) return LOOM_DROP_TTL_EXCEEDED;
  if (const loom_verdict done = next_hop(backend, out)) return done;
  const size_t mtu = backend.mtu ? backend.mtu : 65535u;
  if (packet.length + overhead(backend) > mtu) return LOOM_DROP_TOO_BIG;
  if (const loom_verdict done = forward(packet, choice, out)) return done;
  remember_part(packet, choice.id);
  if (backend.ifindex == packet.ingress) return LOOM_FORWARD_TX;
  return world_.egress.count(backend.ifindex) ? LOOM_FORWARD_REDIRECT : LOOM_ABORT_REDIRECT_FAILED;
}

}  // namespace loom::test
