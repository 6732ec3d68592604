// SPDX-License-Identifier: Apache-2.0
// The oracle's bytes: packets as they leave, put together from their parts.
#include <algorithm>

#include "oracle.hpp"
#include "oracle_bytes.hpp"
#include "support/datapath_values.hpp"

namespace loom::test {
namespace {

constexpr uint8_t kOuterTtl = 64;

MacBytes mac(const uint8_t (&raw)[6]) {
  MacBytes out{};
  std::copy_n(raw, 6, out.begin());
  return out;
}

}  // namespace

/// The frame that carries `ip`. Tags belong to the interface the packet came in on.
void Oracle::leave(const Parsed& packet, const Hop& hop, const Bytes& ip, Expected& out) {
  Bytes& to = out.packet;
  const bool stays = hop.ifindex == packet.ingress;
  to.clear();
  to.insert(to.end(), hop.dst.begin(), hop.dst.end());
  to.insert(to.end(), hop.src.begin(), hop.src.end());
  if (stays)
    to.insert(to.end(), packet.frame->begin() + 12,
              packet.frame->begin() + static_cast<long>(packet.l3) - 2);
  const bool v4 = ip[0] >> 4 == 4;
  to.push_back(v4 ? 0x08 : 0x86);
  to.push_back(v4 ? 0x00 : 0xdd);
  to.insert(to.end(), ip.begin(), ip.end());
}

/// The IP packet and what pads it, one hop further.
Bytes Oracle::counted_hop(const Parsed& packet) {
  Bytes ip(packet.frame->begin() + static_cast<long>(packet.l3), packet.frame->end());
  ip[packet.v4 ? 8 : 7]--;
  if (packet.v4) adjust(ip, 10, 0x0100, 0);
  return ip;
}

// ---- NAT

Bytes Oracle::translated(const Parsed& packet, const loom_flow& as) {
  Bytes ip = counted_hop(packet);
  const loom_flow& was = packet.flow;
  if (packet.v4)
    adjust(ip, 10, sum_of_part(was.src) + sum_of_part(was.dst),
           sum_of_part(as.src) + sum_of_part(as.dst));
  put_ends(ip, packet.v4, as.src, as.dst);
  if (packet.part == Part::kLater) return ip;
  const size_t l4 = packet.l4 - packet.l3;
  put16(ip, l4, ntohs(as.sport));
  put16(ip, l4 + 2, ntohs(as.dport));
  if (was.proto == IPPROTO_TCP) {
    adjust(ip, l4 + 16, sum_of_ends(was), sum_of_ends(as));
  } else if (get16(ip, l4 + 6)) {
    adjust(ip, l4 + 6, sum_of_ends(was), sum_of_ends(as));
    put16(ip, l4 + 6, nonzero(get16(ip, l4 + 6)));
  }
  return ip;
}

loom_verdict Oracle::nat_forward(const Parsed& packet, const Choice& choice, Expected& out) {
  const loom_backend& backend = *choice.backend;
  if (is_v4(backend.addr) != packet.v4 || is_v4(backend.source) != packet.v4)
    return LOOM_ABORT_BACKEND_INVALID;
  loom_flow reply{};
  if (choice.first) {
    reply.src = choice.first->dst;
    reply.dst = choice.first->src;
  } else if (choice.entry) {
    reply = choice.entry->other;
    if (const loom_verdict done = nat_continue(packet, choice)) return done;
  } else {
    if (const loom_verdict done = nat_open(packet, choice, reply)) return done;
    out.new_flow = true;
  }
  leave(packet, {backend.ifindex, mac(backend.dmac), mac(backend.smac)},
        translated(packet, reversed(reply)), out);
  return LOOM_CONTINUE;
}

loom_verdict Oracle::nat_reply(const Parsed& packet, loom_flow_entry& entry, Expected& out) {
  if (packet.ttl <= 1) return LOOM_DROP_TTL_EXCEEDED;
  const uint32_t ifindex = entry.peer_ifindex;
  const loom_interface* interface = interface_at(ifindex);
  if (!interface) return LOOM_ABORT_REDIRECT_FAILED;
  entry.state = next_state(entry.state, packet);
  account(entry, packet);
  remember_reply_part(packet, entry);
  leave(packet, {ifindex, mac(entry.peer_mac), mac(interface->mac)},
        translated(packet, reversed(entry.other)), out);
  if (ifindex == packet.ingress) return LOOM_REPLY_TX;
  return world_.egress.count(ifindex) ? LOOM_REPLY_REDIRECT : LOOM_ABORT_REDIRECT_FAILED;
}

// ---- tunnels

size_t Oracle::overhead(const loom_backend& backend) {
  const size_t outer = is_v4(backend.addr) ? 20 : 40;
  if (backend.forwarding == LOOM_FORWARD_IPIP) return outer;
  return backend.forwarding == LOOM_FORWARD_GUE ? outer + 12 : 0;
}

Bytes Oracle::outer_header(const Parsed& packet, const Tunnel& tunnel, size_t payload) {
  const loom_backend& backend = tunnel.backend;
  const bool v4 = is_v4(backend.addr);
  const uint8_t inner = packet.v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
  const uint8_t proto = backend.forwarding == LOOM_FORWARD_GUE ? uint8_t{IPPROTO_UDP} : inner;
  Bytes out(v4 ? 20 : 40);
  if (v4) {
    out[0] = 0x45;
    out[1] = packet.tos;
    put16(out, 2, static_cast<uint16_t>(out.size() + payload));
    out[6] = packet.dont_fragment ? 0x40 : 0;
    out[8] = kOuterTtl;
    out[9] = proto;
  } else {
    const uint32_t label = flow_hash(packet.flow) & 0xfffff;
    put16(out, 0, static_cast<uint16_t>(0x6000 | packet.tos << 4 | label >> 16));
    put16(out, 2, static_cast<uint16_t>(label));
    put16(out, 4, static_cast<uint16_t>(payload));
    out[6] = proto;
    out[7] = kOuterTtl;
  }
  put_ends(out, v4, tunnel.source, backend.addr);
  if (v4) put16(out, 10, complement(sum_of(out)));
  return out;
}

/// Over IPv6 with a checksum that believes the inner ones: an error in the packet stays one.
Bytes Oracle::gue_header(const Parsed& packet, const Tunnel& tunnel, const Bytes& inner) {
  const loom_backend& backend = tunnel.backend;
  Bytes out(12);
  const auto length = static_cast<uint16_t>(out.size() + packet.length);
  put16(out, 0, static_cast<uint16_t>(0x8000 | (flow_hash(packet.flow) & 0xffff)));
  put16(out, 2, ntohs(backend.port));
  put16(out, 4, length);
  out[9] = packet.v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
  if (is_v4(backend.addr) || (backend.flags & LOOM_BACKEND_F_UDP6_ZERO_CSUM)) return out;

  const size_t l4 = packet.l4 - packet.l3;
  const size_t l4_length = packet.length - l4;
  uint32_t sum = sum_of_part(tunnel.source) + sum_of_part(backend.addr) + length + IPPROTO_UDP +
                 sum_of(out) + sum_of(inner.data(), packet.length);
  uint32_t errors = packet.v4 ? sum_of(inner.data(), l4) : 0;  // Of the header.
  if (packet.checksummed)
    errors += sum_of_part(packet.flow.src) + sum_of_part(packet.flow.dst) + packet.flow.proto +
              static_cast<uint32_t>(l4_length) + sum_of(inner.data() + l4, l4_length);
  put16(out, 6, nonzero(complement(sum + (kOnes - errors % kOnes))));
  return out;
}

Bytes Oracle::tunneled(const Parsed& packet, const Tunnel& tunnel) {
  const Bytes inner = counted_hop(packet);
  if (tunnel.backend.forwarding == LOOM_FORWARD_IPIP)
    return outer_header(packet, tunnel, packet.length) + inner;
  const Bytes gue = gue_header(packet, tunnel, inner);
  return outer_header(packet, tunnel, gue.size() + packet.length) + gue + inner;
}

loom_verdict Oracle::tunnel_forward(const Parsed& packet, const Choice& choice, Expected& out) {
  const loom_backend& backend = *choice.backend;
  const Tunnel tunnel{backend, source_of(packet, backend)};
  if (is_v4(backend.addr) != is_v4(tunnel.source)) return LOOM_ABORT_BACKEND_INVALID;
  out.new_flow = remember(packet, choice);
  leave(packet, {backend.ifindex, mac(backend.dmac), mac(backend.smac)}, tunneled(packet, tunnel),
        out);
  const size_t ip = out.packet.size() + packet.l3 - packet.frame->size() - overhead(backend);
  if (is_v4(backend.addr) && !packet.dont_fragment) out.free_id = ip;
  return LOOM_CONTINUE;
}

loom_verdict Oracle::forward(const Parsed& packet, const Choice& choice, Expected& out) {
  const loom_backend& backend = *choice.backend;
  const Hop hop{backend.ifindex, mac(backend.dmac), mac(backend.smac)};
  switch (backend.forwarding) {
    case LOOM_FORWARD_NAT:
      return nat_forward(packet, choice, out);
    case LOOM_FORWARD_IPIP:
    case LOOM_FORWARD_GUE:
      return tunnel_forward(packet, choice, out);
    case LOOM_FORWARD_L2:
      out.new_flow = remember(packet, choice);
      leave(packet, hop, counted_hop(packet), out);
      return LOOM_CONTINUE;
    default:
      return LOOM_ABORT_BACKEND_INVALID;
  }
}

}  // namespace loom::test
