// SPDX-License-Identifier: Apache-2.0
// The oracle's NAT flows: two entries in one table that name each other.
#include <algorithm>

#include "oracle.hpp"
#include "support/datapath_values.hpp"

namespace loom::test {
namespace {

constexpr uint8_t kRst = 0x04;
constexpr uint32_t kPortProbes = 16;

bool same(const loom_flow& a, const loom_flow& b) {
  return BytesEqual{}(a, b);
}

/// A reset ends the other direction too.
void end_by_reset(loom_flow_entry& other, uint8_t tcp_flags) {
  if ((tcp_flags & kRst) && other.state == LOOM_STATE_ESTABLISHED)
    other.state = LOOM_STATE_TIME_WAIT;
}

}  // namespace

/// A reply key whose flow is not `owner` and still lives.
bool Oracle::holds_port(FlowMemory& table, const loom_flow& key, const loom_flow& owner) {
  const loom_flow_entry* holder = find(table, key);
  if (!holder || same(holder->other, owner)) return false;
  if (is_fresh(*holder)) return true;
  const loom_flow_entry* pair = find(table, holder->other);
  return pair && same(pair->other, key) && is_fresh(*pair);
}

bool Oracle::is_taken(const loom_flow& key, const loom_flow& owner) {
  return holds_port(waiting, key, owner) || holds_port(confirmed, key, owner);
}

loom_verdict Oracle::nat_open(const Parsed& packet, const Choice& choice, loom_flow& reply) {
  const loom_backend& backend = *choice.backend;
  reply = {backend.addr,
           backend.source,
           backend.port ? backend.port : packet.flow.dport,
           0,
           packet.flow.proto,
           {}};
  bool is_free = false;
  for (uint32_t probe = 0; probe < kPortProbes && !is_free; ++probe) {
    reply.dport = htons(nat_candidate(packet.flow, probe));
    if (holds_port(waiting, reply, packet.flow)) continue;
    is_free = !holds_port(confirmed, reply, packet.flow);
    waiting.erase(reply);  // It was dead, or this flow's own.
  }
  if (!is_free) return LOOM_DROP_NO_NAT_PORT;

  loom_flow_entry entry = first_entry(packet, choice);
  entry.peer_ifindex = packet.ingress;
  std::copy_n(packet.frame->begin() + 6, 6, entry.peer_mac);
  entry.other = reply;
  loom_flow_entry answer = entry;
  answer.other = packet.flow;
  answer.flags = LOOM_FLOW_F_REPLY;
  answer.packets = answer.bytes = 0;
  waiting[reply] = answer;
  waiting[packet.flow] = entry;
  return LOOM_CONTINUE;
}

/// The client's next packet. The other direction follows it, and comes back if it was evicted,
/// unless its port is another flow's by now.
loom_verdict Oracle::nat_continue(const Parsed& packet, const Choice& choice) {
  loom_flow_entry& entry = *choice.entry;
  const loom_flow other = entry.other;
  const bool ends_probation = confirms(packet, choice);
  loom_flow_entry* reply = find(*choice.table, other);
  touch(packet, choice);
  for (loom_flow_entry* each : {&entry, reply}) {
    if (!each) continue;
    each->peer_ifindex = packet.ingress;
    std::copy_n(packet.frame->begin() + 6, 6, each->peer_mac);
  }
  if (reply) {
    end_by_reset(*reply, packet.tcp_flags);
  } else if (!(packet.tcp_flags & kRst)) {
    if (is_taken(other, packet.flow)) return LOOM_DROP_NO_FLOW;
    loom_flow_entry back = entry;
    back.other = packet.flow;
    back.packets = back.bytes = 0;
    back.flags = LOOM_FLOW_F_REPLY;
    (*choice.table)[other] = back;
  }
  if (!ends_probation) return LOOM_CONTINUE;
  confirm(other);
  confirm(packet.flow);
  return LOOM_CONTINUE;
}

/// The client's direction, after it was evicted. What a backend answers does not answer its SYN.
void Oracle::rebuild_client(FlowMemory& table, const loom_flow_entry& reply, const Parsed& packet) {
  const loom_flow key = reply.other;
  if (confirmed.count(key) != 0) return;
  loom_flow_entry back = reply;
  back.other = packet.flow;
  back.packets = back.bytes = 0;
  back.flags = 0;
  if (&table == &waiting && back.state == LOOM_STATE_SYN_RECV) back.state = LOOM_STATE_SYN_SENT;
  table[key] = back;
}

loom_flow_entry* Oracle::nat_reply_entry(FlowMemory& table, const Parsed& packet) {
  loom_flow_entry* entry = find(table, packet.flow);
  if (!entry || !(entry->flags & LOOM_FLOW_F_REPLY)) return nullptr;
  const loom_backend* backend = backend_at(entry->backend);
  if (!backend || backend->generation != entry->generation) return nullptr;
  loom_flow_entry* client = find(table, entry->other);
  const bool is_pair = client && same(client->other, packet.flow);
  if (!is_fresh(*entry) && !(is_pair && is_fresh(*client))) return nullptr;
  if (is_pair) end_by_reset(*client, packet.tcp_flags);
  if (client || (packet.tcp_flags & kRst)) return entry;
  rebuild_client(table, *entry, packet);
  return find(table, packet.flow);
}

loom_flow_entry* Oracle::nat_reply_entry(const Parsed& packet) {
  loom_flow_entry* entry = nat_reply_entry(confirmed, packet);
  return entry ? entry : nat_reply_entry(waiting, packet);
}

}  // namespace loom::test
