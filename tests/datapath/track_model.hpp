// SPDX-License-Identifier: Apache-2.0
// Connection tracking written a second time, from the design and not from the BPF code: which
// backend a packet reaches, and what is remembered of its flow.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "loom/abi.h"

namespace loom::test {

struct Segment {
  bool is_tcp = true;
  bool syn = false;
  bool ack = false;
  bool fin = false;
  bool rst = false;
  uint32_t seq = 0;

  /// The first of a connection, or that one again.
  [[nodiscard]] bool opens() const { return syn && !ack && !rst; }
};

class TrackModel {
 public:
  using Client = uint32_t;   ///< A number for each 5-tuple.
  using Backend = uint32_t;  ///< 0: nobody.

  /// One direction of a flow.
  struct Half {
    loom_state state = LOOM_STATE_NONE;
    int64_t seen = 0;
    uint64_t packets = 0;
    Backend backend = 0;
    uint32_t generation = 0;
    uint32_t syn_seq = 0;
  };
  struct Table {
    std::map<Client, Half> clients;
    /// NAT: by the client and the backend it was sent to.
    std::map<std::pair<Client, Backend>, Half> servers;
  };

  struct Server {
    bool exists = false;
    bool down = false;
    uint32_t generation = 0;
  };

  /// What the world is; the test changes it.
  bool is_nat = false;
  bool in_turn = false;
  bool limited = false;
  uint32_t turn = 0;
  int64_t now = 0;
  std::map<Backend, Server> servers;
  std::vector<Backend> ring;
  std::map<Client, uint32_t> slots;  ///< By hash.
  std::map<loom_state, int64_t> timeouts;

  enum class Fate { kForwarded, kDropped, kPassed };
  struct Decision {
    Fate fate = Fate::kDropped;
    Backend backend = 0;
  };

  Decision from_client(Client client, const Segment& segment);
  /// False: it is not the answer to a flow we know.
  bool from_server(Client client, Backend backend, const Segment& segment);

  Table confirmed;
  Table waiting;

 private:
  [[nodiscard]] bool is_fresh(const Half& half) const;
  [[nodiscard]] Half* find(Table& table, Client client) const;
  [[nodiscard]] bool is_served(const Half& half) const;
  std::optional<Decision> choose(Client client, const Segment& segment, Backend* backend);
  void begin(Client client, const Segment& segment, Backend backend);
  void go_on(Client client, const Segment& segment, Half* half, bool is_waiting);
  void pair_up(Table& table, Client client, const Segment& segment, Half* half);
};

}  // namespace loom::test
