// SPDX-License-Identifier: Apache-2.0
#include "track_model.hpp"

namespace loom::test {
namespace {

bool in_handshake(loom_state state) {
  return state == LOOM_STATE_SYN_SENT || state == LOOM_STATE_SYN_RECV;
}

/// The states of the Loom page, for one direction.
loom_state after(loom_state state, const Segment& segment) {
  if (!segment.is_tcp) return LOOM_STATE_UDP;
  if (segment.rst) return in_handshake(state) ? state : LOOM_STATE_TIME_WAIT;
  switch (state) {
    case LOOM_STATE_TIME_WAIT:
      return state;
    case LOOM_STATE_FIN_WAIT:
      return segment.ack && !segment.fin ? LOOM_STATE_TIME_WAIT : state;
    case LOOM_STATE_ESTABLISHED:
      return segment.fin ? LOOM_STATE_FIN_WAIT : state;
    default:
      if (segment.fin) return LOOM_STATE_FIN_WAIT;
      if (segment.syn) return segment.ack ? LOOM_STATE_SYN_RECV : LOOM_STATE_SYN_SENT;
      return LOOM_STATE_ESTABLISHED;
  }
}

}  // namespace

bool TrackModel::is_fresh(const Half& half) const {
  return now - half.seen <= timeouts.at(half.state);
}

// In NAT a flow lives as long as either side talks.
TrackModel::Half* TrackModel::find(Table& table, Client client) const {
  const auto it = table.clients.find(client);
  if (it == table.clients.end()) return nullptr;
  Half& half = it->second;
  if (is_fresh(half)) return &half;
  const auto server = table.servers.find({client, half.backend});
  return server != table.servers.end() && is_fresh(server->second) ? &half : nullptr;
}

bool TrackModel::is_served(const Half& half) const {
  const Server& server = servers.at(half.backend);
  return server.exists && !server.down && server.generation == half.generation;
}

// A decision if it ends here, else the backend for the new flow.
std::optional<TrackModel::Decision> TrackModel::choose(Client client, const Segment& segment,
                                                       Backend* backend) {
  const bool is_new = !segment.is_tcp || segment.opens();
  if (is_nat && !is_new) return Decision{Fate::kDropped};
  if (is_new && limited) return Decision{Fate::kPassed};
  const uint32_t slot =
      in_turn && is_new ? turn++ % static_cast<uint32_t>(ring.size()) : slots.at(client);
  *backend = ring[slot];
  if (*backend == 0 || !servers.at(*backend).exists) return Decision{Fate::kDropped};
  return std::nullopt;
}

void TrackModel::begin(Client client, const Segment& segment, Backend backend) {
  if (segment.rst) return;
  Half half;
  half.state = segment.opens() ? LOOM_STATE_SYN_SENT : after(LOOM_STATE_NONE, segment);
  half.seen = now;
  half.backend = backend;
  half.generation = servers.at(backend).generation;
  if (segment.opens()) half.syn_seq = segment.seq;
  if (is_nat) waiting.servers[{client, backend}] = half;
  half.packets = 1;
  waiting.clients[client] = half;
}

// The other direction: put back if it was evicted, ended by a reset.
void TrackModel::pair_up(Table& table, Client client, const Segment& segment, Half* half) {
  const auto key = std::make_pair(client, half->backend);
  const auto server = table.servers.find(key);
  if (server == table.servers.end()) {
    if (segment.rst) return;
    Half& restored = table.servers[key] = *half;
    restored.packets = 0;
  } else if (segment.rst && server->second.state == LOOM_STATE_ESTABLISHED) {
    server->second.state = LOOM_STATE_TIME_WAIT;
  }
}

void TrackModel::go_on(Client client, const Segment& segment, Half* half, bool is_waiting) {
  const bool unanswered = is_waiting && half->state == LOOM_STATE_SYN_SENT;
  const bool may_confirm = !segment.syn && !segment.rst;
  const bool confirms =
      is_waiting && may_confirm && (!unanswered || segment.seq == half->syn_seq + 1);
  if (!unanswered || confirms) half->state = after(half->state, segment);
  half->seen = now;
  half->packets++;
  if (is_nat) pair_up(is_waiting ? waiting : confirmed, client, segment, half);
  if (!confirms) return;
  if (is_nat) {
    const auto key = std::make_pair(client, half->backend);
    confirmed.servers[key] = waiting.servers.at(key);
    waiting.servers.erase(key);
  }
  confirmed.clients[client] = *half;
  waiting.clients.erase(client);
}

TrackModel::Decision TrackModel::from_client(Client client, const Segment& segment) {
  Half* const old = find(confirmed, client);
  Half* const fresh = find(waiting, client);
  const bool unanswered = fresh && fresh->state == LOOM_STATE_SYN_SENT;
  Half* mine = nullptr;
  if (segment.opens()) {
    if (unanswered && fresh->syn_seq == segment.seq) mine = fresh;
  } else if (unanswered && fresh->syn_seq + 1 == segment.seq) {
    mine = fresh;
  } else if (old && (is_served(*old) || !fresh)) {
    mine = old;
  } else {
    mine = fresh;
  }

  Backend backend = mine ? mine->backend : 0;
  if (!mine || !is_served(*mine)) {
    if (const std::optional<Decision> end = choose(client, segment, &backend)) return *end;
    const bool is_same =
        mine && mine->backend == backend && mine->generation == servers.at(backend).generation;
    if (!is_same) mine = nullptr;
  }
  if (mine)
    go_on(client, segment, mine, mine == fresh);
  else
    begin(client, segment, backend);
  return {Fate::kForwarded, backend};
}

bool TrackModel::from_server(Client client, Backend backend, const Segment& segment) {
  for (Table* table : {&confirmed, &waiting}) {
    const auto it = table->servers.find({client, backend});
    if (it == table->servers.end()) continue;
    Half& half = it->second;
    if (!servers.at(backend).exists || servers.at(backend).generation != half.generation) continue;

    const auto other = table->clients.find(client);
    const bool is_known = other != table->clients.end();
    const bool is_pair = is_known && other->second.backend == backend;
    if (!is_fresh(half) && !(is_pair && is_fresh(other->second))) continue;
    if (is_pair && segment.rst && other->second.state == LOOM_STATE_ESTABLISHED)
      other->second.state = LOOM_STATE_TIME_WAIT;
    if (!is_known && !segment.rst && confirmed.clients.count(client) == 0) {
      Half& restored = table->clients[client] = half;
      restored.packets = 0;
      if (table == &waiting && restored.state == LOOM_STATE_SYN_RECV)
        restored.state = LOOM_STATE_SYN_SENT;
    }
    half.state = after(half.state, segment);
    half.seen = now;
    half.packets++;
    return true;
  }
  return false;
}

}  // namespace loom::test
