// SPDX-License-Identifier: Apache-2.0
// The oracle's fragments: what the first leaves behind, and how later ones follow it.
#include <algorithm>

#include "oracle.hpp"

namespace loom::test {

/// In IPv6 the fragments of a packet need not agree on the protocol (RFC 8200 4.5).
loom_fragment_key Oracle::part_key(const Parsed& packet) {
  loom_fragment_key out{};
  out.src = packet.flow.src;
  out.dst = packet.flow.dst;
  out.id = packet.v4 ? htons(static_cast<uint16_t>(packet.id)) : packet.id;
  out.proto = packet.v4 ? packet.flow.proto : uint8_t{IPPROTO_FRAGMENT};
  return out;
}

void Oracle::remember_part(const Parsed& packet, uint32_t backend) {
  if (!rules_.parts || packet.part != Part::kFirst) return;
  loom_fragment fragment{};
  fragment.seen = now;
  fragment.backend = backend;
  fragment.generation = world_.backends[backend].generation;
  if (world_.backends[backend].forwarding == LOOM_FORWARD_NAT) {
    fragment.src = world_.backends[backend].source;
    fragment.dst = world_.backends[backend].addr;
  }
  fragments[part_key(packet)] = fragment;
}

/// The first part went to the stack, and so do the others.
loom_verdict Oracle::remember_passed(const Parsed& packet, loom_verdict verdict) {
  if (!rules_.parts || packet.part != Part::kFirst) return verdict;
  loom_fragment fragment{};
  fragment.seen = now;
  fragment.pass = static_cast<uint8_t>(verdict);
  fragments[part_key(packet)] = fragment;
  return verdict;
}

void Oracle::remember_reply_part(const Parsed& packet, const loom_flow_entry& entry) {
  if (!rules_.parts || packet.part != Part::kFirst) return;
  loom_fragment fragment{};
  fragment.seen = now;
  fragment.backend = entry.backend;
  fragment.generation = entry.generation;
  fragment.src = entry.other.dst;
  fragment.dst = entry.other.src;
  fragment.flags = LOOM_FRAGMENT_F_REPLY;
  fragment.peer_ifindex = entry.peer_ifindex;
  std::copy_n(entry.peer_mac, 6, fragment.peer_mac);
  fragments[part_key(packet)] = fragment;
}

/// Where the first one went, and as it was sent.
loom_verdict Oracle::follow(const Parsed& packet, const loom_vip& vip, Expected& out) {
  const auto found = fragments.find(part_key(packet));
  if (found == fragments.end() || now > found->second.seen + world_.config.fragment_timeout)
    return unknown_fragment(vip);
  const loom_fragment& first = found->second;
  if (first.pass) return static_cast<loom_verdict>(first.pass);
  const loom_backend* backend = backend_at(first.backend);
  if (!backend || backend->generation != first.generation) return unknown_fragment(vip);
  if ((first.flags & LOOM_FRAGMENT_F_REPLY) != 0) {
    loom_flow_entry entry{};
    entry.other.src = first.dst;
    entry.other.dst = first.src;
    entry.peer_ifindex = first.peer_ifindex;
    std::copy_n(first.peer_mac, 6, entry.peer_mac);
    return nat_reply(packet, entry, out);
  }
  Choice choice;
  choice.id = first.backend;
  choice.backend = backend;
  choice.first = &first;
  return balance(packet, choice, out);
}

}  // namespace loom::test
