// SPDX-License-Identifier: Apache-2.0
// What loom_xdp has to do with a packet: bytes, configuration and remembered flows in, verdict and
// bytes out. Written from the design, plainly and slowly, so that its mistakes are not the
// datapath's: checksums are arithmetic modulo 65535, packets are put together from their parts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loom/abi.h"
#include "loom/verdict.h"
#include "support/packet.hpp"

namespace loom::test {

/// A map whose keys are structs without padding.
struct BytesHash {
  template <class Key>
  size_t operator()(const Key& key) const {
    return std::hash<std::string_view>{}(
        std::string_view(reinterpret_cast<const char*>(&key), sizeof(key)));
  }
};
struct BytesEqual {
  template <class Key>
  bool operator()(const Key& a, const Key& b) const {
    return std::memcmp(&a, &b, sizeof(a)) == 0;
  }
};
template <class Key, class Value>
using ByBytes = std::unordered_map<Key, Value, BytesHash, BytesEqual>;

using FlowMemory = ByBytes<loom_flow, loom_flow_entry>;
using FragmentMemory = ByBytes<loom_fragment_key, loom_fragment>;

/// The rules of the design that not every datapath has; the test turns on what loom_xdp does.
struct OracleRules {
  bool parts = false;  ///< 4, 7, 8: extension headers are walked, fragments follow the first.
};

/// A range of ports as loom_port_ranges has it.
struct PortPrefix {
  loom_addr vip;
  uint8_t proto;
  uint16_t port;
  uint32_t bits;  ///< Of the port.
  loom_listener listener;
};

/// Everything the daemon tells the datapath. No route leads anywhere: a backend without next hop
/// has none.
struct World {
  std::map<uint32_t, loom_interface> interfaces;
  ByBytes<loom_addr, loom_vip> vips;
  ByBytes<loom_listener_key, loom_listener> listeners;
  std::vector<PortPrefix> ranges;
  std::map<uint32_t, loom_service> services;
  std::map<uint32_t, std::vector<loom_slot>> rings;
  std::vector<loom_backend> backends;  ///< By id.
  std::set<uint32_t> egress;           ///< Where redirected frames may leave.
  std::vector<loom_addr> sources;      ///< What backends with a pool choose from, by index.
  uint32_t settings = 0;
  loom_config config{};
};

struct Expected {
  loom_verdict verdict = LOOM_CONTINUE;
  Bytes packet = {};                     ///< As it leaves.
  uint32_t backend = 0;                  ///< FORWARD_*: whose counter moves.
  bool new_flow = false;                 ///< FORWARD_*: and by how many flows.
  std::optional<size_t> free_id = {};    ///< Of an IPv4 header whose id may be anything.
  std::optional<loom_error> error = {};  ///< Counted beside the verdict.
};

class Oracle {
 public:
  explicit Oracle(const World& world, OracleRules rules = {}) : world_(world), rules_(rules) {}

  /// What happens to the frame; the flows are remembered for the next one.
  Expected handle(const Bytes& frame, uint32_t ingress);

  FlowMemory confirmed;
  FlowMemory waiting;  ///< On probation.
  FragmentMemory fragments;
  uint64_t now = 0;                    ///< Jiffies.
  uint32_t answers_left = 0;           ///< Before the rate is used up.
  uint32_t cpu = 0;                    ///< Where the packets arrive: turns begin at its number.
  std::map<uint32_t, uint32_t> turns;  ///< Taken so far, by service.

 private:
  enum class Part { kWhole, kFirst, kLater };
  /// What a frame says about itself.
  struct Parsed {
    const Bytes* frame = nullptr;
    uint32_t ingress = 0;
    size_t l3 = 0;      ///< Offset of the IP header.
    size_t l4 = 0;      ///< Offset of what it carries.
    size_t length = 0;  ///< Of the IP packet, as its header says.
    bool v4 = false;
    bool dont_fragment = true;
    Part part = Part::kWhole;
    uint32_t id = 0;           ///< Of a fragmented packet.
    bool checksummed = false;  ///< By TCP or UDP, all that is behind the IP header.
    uint8_t tos = 0;
    uint8_t ttl = 0;
    uint8_t tcp_flags = 0;
    uint32_t seq = 0;
    loom_flow flow{};
  };
  struct Hop {
    uint32_t ifindex;
    MacBytes dst;
    MacBytes src;
  };
  struct Choice {
    uint32_t id = 0;
    const loom_backend* backend = nullptr;
    FlowMemory* table = nullptr;           ///< Of the entry.
    loom_flow_entry* entry = nullptr;      ///< The client's direction, if it goes on.
    bool forgets = false;                  ///< The service remembers nothing.
    const loom_fragment* first = nullptr;  ///< What the packet's first fragment left.
  };

  // ---- oracle.cpp: whose packet is it, and where does it go
  static loom_verdict read_l2(Parsed& packet, uint16_t& ethertype);
  static loom_verdict read_v4(Parsed& packet);
  static loom_verdict read_v6(Parsed& packet);
  static loom_verdict read_l3(Parsed& packet);
  static loom_verdict read_l4(Parsed& packet);
  [[nodiscard]] loom_verdict walk(Parsed& packet) const;
  [[nodiscard]] const loom_listener* listener_of(const Parsed& packet, const loom_vip& vip) const;
  [[nodiscard]] const loom_interface* interface_at(uint32_t ifindex) const;
  [[nodiscard]] bool is_for_us(const Parsed& packet) const;
  static bool passes_unserved(const loom_vip& vip);
  [[nodiscard]] loom_verdict unbalanced(Parsed& packet, const loom_vip& vip) const;
  static loom_verdict unknown_fragment(const loom_vip& vip);
  loom_verdict decide(Parsed& packet, Expected& out);
  loom_verdict for_vip(Parsed& packet, const loom_vip& vip, Expected& out);
  loom_verdict balance(const Parsed& packet, const Choice& choice, Expected& out);
  [[nodiscard]] loom_verdict next_hop(const loom_backend& backend, Expected& out) const;

  // ---- oracle_select.cpp: which backend
  [[nodiscard]] const loom_backend* backend_at(uint32_t id) const;
  [[nodiscard]] const loom_service* service_at(uint32_t id) const;
  [[nodiscard]] bool is_fresh(const loom_flow_entry& entry) const;
  static bool opens(const Parsed& packet);
  static bool answers_syn(const Parsed& packet, const loom_flow_entry& entry);
  static loom_flow_entry* find(FlowMemory& table, const loom_flow& key);
  [[nodiscard]] loom_flow_entry* live_entry(FlowMemory& table, const loom_flow& key) const;
  static bool names(const loom_flow_entry& entry, uint32_t id, const loom_backend& backend);
  [[nodiscard]] bool stays(const loom_flow_entry& entry, uint32_t service) const;
  bool choose_by_memory(const Parsed& packet, uint32_t service, Choice& choice);
  loom_verdict choose(const Parsed& packet, uint32_t service, Choice& choice);
  loom_verdict choose_by_ring(const Parsed& packet, uint32_t service, Choice& choice);
  [[nodiscard]] uint32_t slot_by_hash(const Parsed& packet, const loom_service& service) const;
  loom_verdict member_at(uint32_t slot, uint32_t service, Choice& choice) const;
  [[nodiscard]] loom_addr source_of(const Parsed& packet, const loom_backend& backend) const;

  // ---- oracle_flows.cpp: what is remembered
  static uint8_t next_state(uint8_t state, const Parsed& packet);
  [[nodiscard]] loom_flow_entry first_entry(const Parsed& packet, const Choice& choice) const;
  [[nodiscard]] bool confirms(const Parsed& packet, const Choice& choice) const;
  void account(loom_flow_entry& entry, const Parsed& packet) const;
  void touch(const Parsed& packet, const Choice& choice) const;
  void confirm(const loom_flow& key);
  bool remember(const Parsed& packet, const Choice& choice);

  // ---- oracle_nat.cpp: the two directions of a NAT flow
  bool holds_port(FlowMemory& table, const loom_flow& key, const loom_flow& owner);
  bool is_taken(const loom_flow& key, const loom_flow& owner);
  loom_verdict nat_open(const Parsed& packet, const Choice& choice, loom_flow& reply);
  loom_verdict nat_continue(const Parsed& packet, const Choice& choice);
  void rebuild_client(FlowMemory& table, const loom_flow_entry& reply, const Parsed& packet);
  loom_flow_entry* nat_reply_entry(FlowMemory& table, const Parsed& packet);
  loom_flow_entry* nat_reply_entry(const Parsed& packet);

  // ---- oracle_parts.cpp: fragments
  static loom_fragment_key part_key(const Parsed& packet);
  void remember_part(const Parsed& packet, uint32_t backend);
  loom_verdict remember_passed(const Parsed& packet, loom_verdict verdict);
  void remember_reply_part(const Parsed& packet, const loom_flow_entry& entry);
  loom_verdict follow(const Parsed& packet, const loom_vip& vip, Expected& out);

  // ---- oracle_icmp.cpp: ICMP to a VIP
  struct Quote {
    loom_flow flow{};
    size_t at = 0;      ///< Offset of the quoted packet in the frame,
    size_t header = 0;  ///< of its L4 header in the packet,
    size_t size = 0;    ///< and how much of it there is.
  };
  static bool has_sender(const Parsed& packet);
  static bool read_quote(const Parsed& packet, Quote& quote);
  loom_verdict icmp(const Parsed& packet, const loom_vip& vip, Expected& out);
  static loom_verdict echo(const Parsed& packet, const loom_vip& vip, Expected& out);
  loom_verdict icmp_error(const Parsed& packet, const loom_vip& vip, Expected& out);
  loom_verdict icmp_dsr(const Parsed& packet, const Quote& quote, const loom_vip& vip,
                        Expected& out);
  loom_verdict icmp_choose(const Parsed& packet, uint32_t service, Choice& choice);
  loom_flow_entry* nat_entry_of(FlowMemory& table, const loom_flow& key);
  loom_verdict icmp_nat(const Parsed& packet, const Quote& quote, const loom_flow_entry& entry,
                        Expected& out);
  static Bytes translated_error(const Parsed& packet, const Quote& quote, const loom_flow& inner);

  // ---- oracle_answers.cpp: what is answered on the spot
  loom_verdict answer(const Parsed& packet, loom_verdict verdict, Expected& out);
  loom_verdict due(const Parsed& packet, loom_verdict verdict, const Expected& out,
                   size_t& mtu) const;
  loom_verdict without_backend(const Parsed& packet) const;
  static void send_back(const Parsed& packet, uint8_t proto, const Bytes& payload, Expected& out);
  static Bytes error_about(const Parsed& packet, uint16_t type_and_code, size_t mtu);
  static Bytes reset_for(const Parsed& packet);

  // ---- oracle_send.cpp: the bytes
  static void leave(const Parsed& packet, const Hop& hop, const Bytes& ip, Expected& out);
  static Bytes counted_hop(const Parsed& packet);
  static Bytes translated(const Parsed& packet, const loom_flow& as);
  struct Tunnel {
    const loom_backend& backend;
    loom_addr source;
  };
  static Bytes gue_header(const Parsed& packet, const Tunnel& tunnel, const Bytes& inner);
  static Bytes outer_header(const Parsed& packet, const Tunnel& tunnel, size_t payload);
  static size_t overhead(const loom_backend& backend);
  static Bytes tunneled(const Parsed& packet, const Tunnel& tunnel);
  loom_verdict nat_forward(const Parsed& packet, const Choice& choice, Expected& out);
  loom_verdict nat_reply(const Parsed& packet, loom_flow_entry& entry, Expected& out);
  loom_verdict tunnel_forward(const Parsed& packet, const Choice& choice, Expected& out);
  loom_verdict forward(const Parsed& packet, const Choice& choice, Expected& out);

  const World& world_;
  const OracleRules rules_;
};

}  // namespace loom::test
