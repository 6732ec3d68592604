// SPDX-License-Identifier: Apache-2.0
// The oracle's memory of flows: states, and the way from probation to the table of confirmed ones.
#include "oracle.hpp"
#include "support/datapath_values.hpp"

namespace loom::test {
namespace {

constexpr uint8_t kFin = 0x01;
constexpr uint8_t kSyn = 0x02;
constexpr uint8_t kRst = 0x04;
constexpr uint8_t kAck = 0x10;

}  // namespace

/// Of one direction. With DSR only the client's is seen: a handshake is over when it goes on as if
/// it were, a close when it acknowledges something after its FIN.
uint8_t Oracle::next_state(uint8_t state, const Parsed& packet) {
  const uint8_t flags = packet.tcp_flags;
  if (packet.flow.proto != IPPROTO_TCP) return LOOM_STATE_UDP;
  const bool opening = state == LOOM_STATE_SYN_SENT || state == LOOM_STATE_SYN_RECV;
  if ((flags & kRst) && opening) return state;
  if (state == LOOM_STATE_TIME_WAIT || (flags & kRst)) return LOOM_STATE_TIME_WAIT;
  if (flags & kFin) return LOOM_STATE_FIN_WAIT;
  if (state == LOOM_STATE_FIN_WAIT) return flags & kAck ? uint8_t{LOOM_STATE_TIME_WAIT} : state;
  if (state == LOOM_STATE_ESTABLISHED) return state;
  switch (flags & (kSyn | kAck)) {
    case kSyn:
      return LOOM_STATE_SYN_SENT;
    case kSyn | kAck:
      return LOOM_STATE_SYN_RECV;
    default:
      return LOOM_STATE_ESTABLISHED;
  }
}

loom_flow_entry Oracle::first_entry(const Parsed& packet, const Choice& choice) const {
  loom_flow_entry out{};
  out.created = out.seen = now;
  out.packets = 1;
  out.bytes = packet.frame->size();
  out.state = opens(packet) ? uint8_t{LOOM_STATE_SYN_SENT} : next_state(LOOM_STATE_NONE, packet);
  out.syn_seq = opens(packet) ? htonl(packet.seq) : 0;
  out.backend = choice.id;
  out.generation = choice.backend->generation;
  return out;
}

/// The packet ends its flow's probation: the second one, and where it began with a SYN the one
/// that answers it.
bool Oracle::confirms(const Parsed& packet, const Choice& choice) const {
  if (choice.table != &waiting || (packet.tcp_flags & (kSyn | kRst))) return false;
  return choice.entry->state != LOOM_STATE_SYN_SENT || answers_syn(packet, *choice.entry);
}

void Oracle::account(loom_flow_entry& entry, const Parsed& packet) const {
  entry.seen = now;
  entry.packets++;
  entry.bytes += packet.frame->size();
}

/// What does not answer a SYN may be anybody's, and says nothing about its flow.
void Oracle::touch(const Parsed& packet, const Choice& choice) const {
  loom_flow_entry& entry = *choice.entry;
  const bool unanswered = choice.table == &waiting && entry.state == LOOM_STATE_SYN_SENT;
  if (!unanswered || confirms(packet, choice)) entry.state = next_state(entry.state, packet);
  account(entry, packet);
}

/// An older flow of that name is over.
void Oracle::confirm(const loom_flow& key) {
  const auto entry = waiting.find(key);
  if (entry == waiting.end()) return;
  confirmed[key] = entry->second;
  waiting.erase(entry);
}

/// Without NAT. True if a flow is new.
bool Oracle::remember(const Parsed& packet, const Choice& choice) {
  if (choice.first || choice.forgets) return false;
  if (choice.entry) {
    const bool ends_probation = confirms(packet, choice);
    touch(packet, choice);
    if (ends_probation) confirm(packet.flow);
    return false;
  }
  if (packet.tcp_flags & kRst) return false;
  waiting[packet.flow] = first_entry(packet, choice);
  return true;
}

}  // namespace loom::test
