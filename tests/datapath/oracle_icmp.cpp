// SPDX-License-Identifier: Apache-2.0
// The oracle's ICMP: echo, and errors, which go where the flow they are about goes.
#include <algorithm>

#include "oracle.hpp"
#include "oracle_bytes.hpp"

namespace loom::test {
namespace {

constexpr uint8_t kTtl = 64;

bool same(const loom_addr& a, const loom_addr& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

loom_addr read_address(const Bytes& bytes, size_t at, bool v4) {
  loom_addr out{};
  if (v4) out.w[2] = htonl(0xffff);
  std::memcpy(&out.w[v4 ? 3 : 0], bytes.data() + at, v4 ? 4 : 16);
  return out;
}

bool is_quoted_extension(uint8_t next) {
  return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
         next == IPPROTO_FRAGMENT;
}

}  // namespace

/// The source names one host (RFC 1122 3.2.2, RFC 4443 2.4 (e)).
bool Oracle::has_sender(const Parsed& packet) {
  const loom_addr& from = packet.flow.src;
  const uint32_t first = ntohl(from.w[packet.v4 ? 3 : 0]) >> 24;
  if (!packet.v4) return first != 0xff && !same(from, loom_addr{});
  return first != 0 && first != 127 && first < 224;
}

loom_verdict Oracle::icmp(const Parsed& packet, const loom_vip& vip, Expected& out) {
  if (packet.l4 + 8 > packet.l3 + packet.length) return LOOM_PASS_ICMP;
  const uint8_t type = (*packet.frame)[packet.l4];
  if (type == (packet.v4 ? 8 : 128)) return echo(packet, vip, out);
  const bool error = packet.v4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
  return error ? icmp_error(packet, vip, out) : LOOM_PASS_ICMP;
}

loom_verdict Oracle::echo(const Parsed& packet, const loom_vip& vip, Expected& out) {
  if ((vip.flags & LOOM_VIP_F_ECHO_DROP) != 0) return LOOM_DROP_ECHO;
  if ((vip.flags & LOOM_VIP_F_ECHO_REPLY) == 0) return LOOM_PASS_ICMP;
  if (!has_sender(packet)) return LOOM_DROP_ECHO;
  Bytes& to = out.packet;
  std::swap_ranges(to.begin(), to.begin() + 6, to.begin() + 6);
  Bytes ip(to.begin() + static_cast<long>(packet.l3), to.end());
  const size_t ttl = packet.v4 ? 8 : 7;
  if (packet.v4) adjust(ip, 10, uint32_t{ip[ttl]} << 8, uint32_t{kTtl} << 8);
  ip[ttl] = kTtl;
  if (packet.v4 && packet.dont_fragment) {  // That was meant for the way here.
    adjust(ip, 10, 0x4000, 0);
    ip[6] &= 0xbf;
    out.free_id = packet.l3;
  }
  put_ends(ip, packet.v4, packet.flow.dst, packet.flow.src);
  const size_t at = packet.l4 - packet.l3;
  const uint8_t type = packet.v4 ? 0 : 129;
  adjust(ip, at + 2, uint32_t{ip[at]} << 8, uint32_t{type} << 8);
  put16(ip, at + 2, nonzero(get16(ip, at + 2)));  // A message of zeros has no other.
  ip[at] = type;
  std::copy(ip.begin(), ip.end(), to.begin() + static_cast<long>(packet.l3));
  return LOOM_REPLY_ECHO;
}

// ---- errors

/// Of TCP or UDP, sent by the address that is told about it, with at least its ports.
bool Oracle::read_quote(const Parsed& packet, Quote& quote) {
  const Bytes& frame = *packet.frame;
  const size_t at = quote.at = packet.l4 + 8;
  const size_t size = quote.size = packet.l3 + packet.length - at;
  const size_t header = packet.v4 ? 20 : 40;
  if (size < header || frame[at] >> 4 != (packet.v4 ? 4 : 6)) return false;
  quote.flow.src = read_address(frame, at + (packet.v4 ? 12 : 8), packet.v4);
  quote.flow.dst = read_address(frame, at + (packet.v4 ? 16 : 24), packet.v4);
  quote.flow.proto = frame[at + (packet.v4 ? 9 : 6)];
  quote.header = packet.v4 ? (frame[at] & 15u) * 4 : 40;
  if (packet.v4 && (quote.header < 20 || (get16(frame, at + 6) & 0x1fff) != 0)) return false;
  for (int i = 0; !packet.v4 && i < 4 && is_quoted_extension(quote.flow.proto); ++i) {
    const size_t extension = at + quote.header;
    if (quote.header + 8 > size) return false;
    const bool part = quote.flow.proto == IPPROTO_FRAGMENT;
    if (part && (get16(frame, extension + 2) & 0xfff8) != 0) return false;
    quote.flow.proto = frame[extension];
    quote.header += part ? 8 : (frame[extension + 1] + 1u) * 8;
  }
  if (quote.flow.proto != IPPROTO_TCP && quote.flow.proto != IPPROTO_UDP) return false;
  if (quote.header + 8 > size) return false;
  std::memcpy(&quote.flow.sport, frame.data() + at + quote.header, 2);
  std::memcpy(&quote.flow.dport, frame.data() + at + quote.header + 2, 2);
  return same(quote.flow.src, packet.flow.dst);
}

/// An entry of a NAT flow that lives, and whose backend is still the same.
loom_flow_entry* Oracle::nat_entry_of(FlowMemory& table, const loom_flow& key) {
  loom_flow_entry* entry = find(table, key);
  if (!entry || !entry->other.proto) return nullptr;
  const loom_flow_entry* pair = find(table, entry->other);
  const bool is_pair = pair && BytesEqual{}(pair->other, key);
  if (pair && !is_pair && !(entry->flags & LOOM_FLOW_F_REPLY)) return nullptr;
  if (!is_fresh(*entry) && !(is_pair && is_fresh(*pair))) return nullptr;
  const loom_backend* backend = backend_at(entry->backend);
  return backend && names(*entry, entry->backend, *backend) ? entry : nullptr;
}

/// Who has the flow, without a trace: nothing of its packets was seen here.
loom_verdict Oracle::icmp_choose(const Parsed& packet, uint32_t id, Choice& choice) {
  const loom_service* service = service_at(id);
  if (!service) return LOOM_DROP_NO_BACKEND;
  const bool forgets =
      service->affinity == LOOM_AFFINITY_NONE && service->forwarding != LOOM_FORWARD_NAT;
  for (FlowMemory* table : {&confirmed, &waiting}) {
    const loom_flow_entry* entry = live_entry(*table, packet.flow);
    if (forgets || !entry || !stays(*entry, id)) continue;
    choice.id = entry->backend;
    choice.backend = backend_at(choice.id);
    return LOOM_CONTINUE;
  }
  return member_at(slot_by_hash(packet, *service), id, choice);
}

loom_verdict Oracle::icmp_error(const Parsed& packet, const loom_vip& vip, Expected& out) {
  const loom_verdict unknown = passes_unserved(vip) ? LOOM_PASS_ICMP : LOOM_DROP_ICMP_UNKNOWN;
  Quote quote;
  if (!read_quote(packet, quote)) return unknown;
  for (FlowMemory* table : {&confirmed, &waiting})
    if (const loom_flow_entry* entry = nat_entry_of(*table, reversed(quote.flow)))
      return icmp_nat(packet, quote, *entry, out);
  const loom_verdict done = icmp_dsr(packet, quote, vip, out);
  return done ? done : unknown;
}

/// LOOM_CONTINUE: there is no backend for it.
loom_verdict Oracle::icmp_dsr(const Parsed& packet, const Quote& quote, const loom_vip& vip,
                              Expected& out) {
  Parsed as = packet;
  as.flow = reversed(quote.flow);
  as.tcp_flags = 0x10;
  const loom_listener* listener = listener_of(as, vip);
  if (!listener) return LOOM_CONTINUE;
  if ((listener->flags & LOOM_LISTENER_F_PASS) != 0) return LOOM_PASS_PASSTHROUGH;
  Choice choice;
  if (icmp_choose(as, listener->service, choice)) return LOOM_CONTINUE;
  const loom_backend& backend = *choice.backend;
  if ((backend.flags & LOOM_BACKEND_F_LOCAL) == 0) {
    if (backend.forwarding == LOOM_FORWARD_NAT) return LOOM_CONTINUE;
    if (backend.forwarding > LOOM_FORWARD_L2) return LOOM_ABORT_BACKEND_INVALID;
  }
  const loom_fragment nothing{};
  choice.first = &nothing;  // As what follows: nothing is remembered of it.
  return balance(as, choice, out);
}

/// The error as the other end of the flow knows it. Who sends it keeps its address, unless that
/// is the far end's, which has another name on this side.
Bytes Oracle::translated_error(const Parsed& packet, const Quote& quote, const loom_flow& inner) {
  Bytes ip = counted_hop(packet);
  const bool v4 = packet.v4;
  const bool by_far_end = same(packet.flow.src, quote.flow.dst);
  const loom_addr from = by_far_end ? inner.dst : packet.flow.src;
  if (v4)
    adjust(ip, 10, sum_of_part(packet.flow.src) + sum_of_part(packet.flow.dst),
           sum_of_part(from) + sum_of_part(inner.src));
  put_ends(ip, v4, from, inner.src);

  const size_t start = packet.l4 - packet.l3;
  const Bytes before(ip.begin() + static_cast<long>(start), ip.end());
  Bytes quoted(ip.begin() + static_cast<long>(quote.at - packet.l3), ip.end());
  if (v4)
    adjust(quoted, 10, sum_of_part(quote.flow.src) + sum_of_part(quote.flow.dst),
           sum_of_part(inner.src) + sum_of_part(inner.dst));
  put_ends(quoted, v4, inner.src, inner.dst);
  put16(quoted, quote.header, ntohs(inner.sport));
  put16(quoted, quote.header + 2, ntohs(inner.dport));
  const bool udp = quote.flow.proto == IPPROTO_UDP;
  const size_t check = quote.header + (udp ? 6 : 16);
  if (check + 2 <= quote.size && !(udp && !get16(quoted, check))) {
    adjust(quoted, check, sum_of_ends(quote.flow), sum_of_ends(inner));
    if (udp) put16(quoted, check, nonzero(get16(quoted, check)));
  }

  std::copy(quoted.begin(), quoted.end(), ip.begin() + static_cast<long>(quote.at - packet.l3));
  uint32_t was = sum_of(before.data() + 8, before.size() - 8);
  uint32_t is = sum_of(quoted);
  if (!v4) {
    was += sum_of_part(packet.flow.src) + sum_of_part(packet.flow.dst);
    is += sum_of_part(from) + sum_of_part(inner.src);
  }
  adjust(ip, start + 2, was, is);
  return ip;
}

loom_verdict Oracle::icmp_nat(const Parsed& packet, const Quote& quote,
                              const loom_flow_entry& entry, Expected& out) {
  if (packet.ttl <= 1) return LOOM_DROP_TTL_EXCEEDED;
  const loom_backend& backend = *backend_at(entry.backend);
  const bool to_client = (entry.flags & LOOM_FLOW_F_REPLY) != 0;
  const loom_interface* interface = interface_at(entry.peer_ifindex);
  if (to_client && !interface) return LOOM_ABORT_REDIRECT_FAILED;
  if (!to_client) {
    if (const loom_verdict done = next_hop(backend, out)) return done;
  }
  Hop hop{to_client ? entry.peer_ifindex : backend.ifindex, {}, {}};
  std::copy_n(to_client ? entry.peer_mac : backend.dmac, 6, hop.dst.begin());
  std::copy_n(to_client ? interface->mac : backend.smac, 6, hop.src.begin());
  leave(packet, hop, translated_error(packet, quote, entry.other), out);
  out.backend = entry.backend;
  if (hop.ifindex == packet.ingress) return to_client ? LOOM_REPLY_TX : LOOM_FORWARD_TX;
  if (!world_.egress.count(hop.ifindex)) return LOOM_ABORT_REDIRECT_FAILED;
  return to_client ? LOOM_REPLY_REDIRECT : LOOM_FORWARD_REDIRECT;
}

}  // namespace loom::test
