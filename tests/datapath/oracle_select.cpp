// SPDX-License-Identifier: Apache-2.0
// The oracle's choice: which backend a flow has, or which one it gets.
#include <algorithm>

#include "oracle.hpp"
#include "oracle_bytes.hpp"
#include "support/datapath_values.hpp"

namespace loom::test {
namespace {

constexpr uint8_t kSyn = 0x02;
constexpr uint8_t kRst = 0x04;
constexpr uint8_t kAck = 0x10;

bool same(const loom_flow& a, const loom_flow& b) {
  return BytesEqual{}(a, b);
}

/// The contract of ebpf/src/flow.h over the source address alone.
uint32_t hash_of_source(const loom_flow& flow) {
  uint64_t words[2];
  std::memcpy(words, &flow.src, sizeof(words));
  uint64_t hash = 0x9e3779b97f4a7c15u;
  for (const uint64_t word : words) {
    hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
    hash ^= hash >> 32;
  }
  return static_cast<uint32_t>(((hash ^ hash >> 29) * 0x94d049bb133111ebu) >> 32);
}

/// That part of `bound` which the hash is of all hashes.
uint32_t share(uint32_t hash, uint32_t bound) {
  return static_cast<uint32_t>(uint64_t{hash} * bound >> 32);
}

}  // namespace

const loom_backend* Oracle::backend_at(uint32_t id) const {
  return id < world_.backends.size() ? &world_.backends[id] : nullptr;
}

const loom_service* Oracle::service_at(uint32_t id) const {
  const auto found = world_.services.find(id);
  return found != world_.services.end() && found->second.forwarding ? &found->second : nullptr;
}

/// One of its entries in loom_sources, where it has some.
loom_addr Oracle::source_of(const Parsed& packet, const loom_backend& backend) const {
  if (!backend.source_count) return backend.source;
  const size_t at = backend.source_first + share(flow_hash(packet.flow), backend.source_count);
  return at < world_.sources.size() ? world_.sources[at] : backend.source;
}

// ---- by memory

bool Oracle::is_fresh(const loom_flow_entry& entry) const {
  return now <= entry.seen + world_.config.timeout[entry.state];
}

loom_flow_entry* Oracle::find(FlowMemory& table, const loom_flow& key) {
  const auto found = table.find(key);
  return found == table.end() ? nullptr : &found->second;
}

/// The first packet of a connection. An RST opens nothing, whatever else it says.
bool Oracle::opens(const Parsed& packet) {
  return (packet.tcp_flags & (kSyn | kAck | kRst)) == kSyn;
}

bool Oracle::answers_syn(const Parsed& packet, const loom_flow_entry& entry) {
  return packet.seq == ntohl(entry.syn_seq) + 1;
}

/// The client's direction. A NAT flow lives as long as one of its two directions does, and not
/// without its port.
loom_flow_entry* Oracle::live_entry(FlowMemory& table, const loom_flow& key) const {
  loom_flow_entry* entry = find(table, key);
  if (!entry || (entry->flags & LOOM_FLOW_F_REPLY)) return nullptr;
  if (!entry->other.proto) return is_fresh(*entry) ? entry : nullptr;
  const loom_flow_entry* reply = find(table, entry->other);
  if (reply && !same(reply->other, key)) return nullptr;
  return is_fresh(*entry) || (reply && is_fresh(*reply)) ? entry : nullptr;
}

/// A backend that is this host is sent to as it is, whatever the service does with others.
bool Oracle::names(const loom_flow_entry& entry, uint32_t id, const loom_backend& backend) {
  const bool is_nat =
      backend.forwarding == LOOM_FORWARD_NAT && (backend.flags & LOOM_BACKEND_F_LOCAL) == 0;
  return entry.backend == id && entry.generation == backend.generation &&
         (entry.other.proto != 0) == is_nat;
}

bool Oracle::stays(const loom_flow_entry& entry, uint32_t service) const {
  const loom_backend* backend = backend_at(entry.backend);
  return backend && backend->forwarding && (backend->flags & LOOM_BACKEND_F_DOWN) == 0 &&
         backend->service == service && names(entry, entry.backend, *backend);
}

/// A SYN belongs to an earlier copy of itself only. What answers the SYN on probation belongs to
/// that, all else rather to a confirmed flow.
bool Oracle::choose_by_memory(const Parsed& packet, uint32_t service, Choice& choice) {
  loom_flow_entry* old = live_entry(confirmed, packet.flow);
  loom_flow_entry* fresh = live_entry(waiting, packet.flow);
  const bool unanswered = fresh && fresh->state == LOOM_STATE_SYN_SENT;
  if (opens(packet)) {
    const bool again = unanswered && ntohl(fresh->syn_seq) == packet.seq;
    choice.entry = again ? fresh : nullptr;
  } else if (unanswered && answers_syn(packet, *fresh)) {
    choice.entry = fresh;
  } else {
    choice.entry = old && (stays(*old, service) || !fresh) ? old : fresh;
  }
  choice.table = choice.entry == old ? &confirmed : &waiting;
  if (!choice.entry || !stays(*choice.entry, service)) return false;
  choice.id = choice.entry->backend;
  choice.backend = backend_at(choice.id);
  return true;
}

// ---- by the ring

/// Who owns the slot; the backend's state is no matter.
loom_verdict Oracle::member_at(uint32_t slot, uint32_t service, Choice& choice) const {
  const auto ring = world_.rings.find(service);
  if (ring == world_.rings.end()) return LOOM_DROP_NO_BACKEND;
  choice.id = LOOM_SLOT_CURRENT(ring->second[slot]);
  if (!choice.id) return LOOM_DROP_NO_BACKEND;
  choice.backend = backend_at(choice.id);
  if (!choice.backend) return LOOM_ABORT_BACKEND_INVALID;
  return choice.backend->forwarding ? LOOM_CONTINUE : LOOM_DROP_NO_BACKEND;
}

uint32_t Oracle::slot_by_hash(const Parsed& packet, const loom_service& service) const {
  const bool by_source = service.affinity == LOOM_AFFINITY_SOURCE_IP;
  return share(by_source ? hash_of_source(packet.flow) : flow_hash(packet.flow),
               world_.config.ring_size);
}

/// Turns are for flows that are remembered, and taken by what begins one: a datagram of no flow
/// that we know, or a SYN.
loom_verdict Oracle::choose_by_ring(const Parsed& packet, uint32_t id, Choice& choice) {
  const loom_service& service = *service_at(id);
  const bool begins = packet.flow.proto != IPPROTO_TCP || opens(packet);
  if (begins && !choice.forgets && (world_.settings & LOOM_SETTING_CONNECTION_LIMIT))
    return LOOM_PASS_CONNECTION_LIMIT;
  const bool in_turn = service.algorithm == LOOM_ALGORITHM_ROTOR && begins && !choice.forgets &&
                       service.affinity != LOOM_AFFINITY_SOURCE_IP;
  const uint32_t slot =
      in_turn ? (cpu + turns[id]++) % world_.config.ring_size : slot_by_hash(packet, service);
  if (const loom_verdict done = member_at(slot, id, choice)) return done;
  const bool is_local = (choice.backend->flags & LOOM_BACKEND_F_LOCAL) != 0;
  if (service.forwarding == LOOM_FORWARD_NAT && !begins && !is_local) return LOOM_DROP_NO_FLOW;
  if (choice.entry && !names(*choice.entry, choice.id, *choice.backend)) choice.entry = nullptr;
  return LOOM_CONTINUE;
}

loom_verdict Oracle::choose(const Parsed& packet, uint32_t id, Choice& choice) {
  const loom_service* service = service_at(id);
  if (!service) return LOOM_DROP_NO_BACKEND;
  choice.forgets =
      service->affinity == LOOM_AFFINITY_NONE && service->forwarding != LOOM_FORWARD_NAT;
  if (!choice.forgets && choose_by_memory(packet, id, choice)) return LOOM_CONTINUE;
  return choose_by_ring(packet, id, choice);
}

}  // namespace loom::test
