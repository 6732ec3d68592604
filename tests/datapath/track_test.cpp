// SPDX-License-Identifier: Apache-2.0
// Random packets, backends and time against the model of connection tracking: every decision and
// every entry must agree.
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include "nat_fixture.hpp"
#include "track_model.hpp"

namespace loom::test {
namespace {

constexpr int kSteps = 100000;
constexpr int kCompareEvery = 500;
constexpr uint32_t kClients = 64;
constexpr uint32_t kUdpClients = 16;  // The last ones.
constexpr uint32_t kBackends = 4;

class Track : public Datapath {
 protected:
  using Fate = TrackModel::Fate;

  void begin(loom_forwarding forwarding, loom_algorithm algorithm) {
    stay_on_this_cpu();
    forwarding_ = forwarding;
    model_.is_nat = forwarding == LOOM_FORWARD_NAT;
    model_.in_turn = algorithm == LOOM_ALGORITHM_ROTOR;
    model_.turn = static_cast<uint32_t>(sched_getcpu());
    loom_service service{};
    service.forwarding = static_cast<uint8_t>(forwarding);
    service.algorithm = static_cast<uint8_t>(algorithm);
    put_service(kService, service);
    put_vip(kVip4, LOOM_VIP_F_SERVICE);
    put_vip(kSource4, LOOM_VIP_F_NAT);
    put_listener(kVip4, 80, IPPROTO_TCP);
    put_listener(kVip4, 80, IPPROTO_UDP);
    for (int state = LOOM_STATE_NONE; state < LOOM_STATE_MAX; ++state)
      model_.timeouts[static_cast<loom_state>(state)] =
          static_cast<int64_t>(timeout(static_cast<loom_state>(state)));
    // Ages are multiples of 22 s: never near a timeout, whatever the test itself takes.
    quantum_ = timeout(LOOM_STATE_SYN_SENT) / 30 * 22;
    for (uint32_t id = 1; id <= kBackends; ++id) {
      model_.servers[id].generation = 1;
      model_.servers[id].exists = true;
      publish(id);
    }
    publish_ring();
    make_clients();
  }

  /// Until the first difference.
  void play() {
    const char* fewer = std::getenv("LOOM_TRACK_STEPS");  // Where the CPU is emulated.
    const int steps = fewer ? std::atoi(fewer) : kSteps;
    for (int step = 0; step < steps && !HasFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      model_.now = static_cast<int64_t>(clock().jiffies) + skipped_;
      const uint32_t what = below(1000);
      if (what < 12)
        change_world();
      else if (model_.is_nat && what < 350)
        play_server();
      else
        play_client();
      if (step % kCompareEvery == 0 || step == steps - 1) compare_tables();
    }
    std::printf("%d steps, %llu forwarded, %llu replies, %llu dropped, %llu passed\n", steps,
                count_of("forwarded"), count_of("reply"), count_of("dropped"), count_of("passed"));
    EXPECT_GT(counts_["forwarded"], static_cast<uint64_t>(steps) / 5);
  }

 private:
  struct ClientOf {
    loom_flow key;
    uint16_t sport;
    uint32_t seq;  ///< Of its last SYN.
    uint16_t nat_port;
  };

  /// Each CPU counts its own turns.
  static void stay_on_this_cpu() {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &cpus);
    ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
  }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
  unsigned long long count_of(const std::string& what) { return counts_[what]; }
  static bool is_tcp(uint32_t client) { return client < kClients - kUdpClients; }

  /// Their ports are all different, so that a backend and a port tell whose answer it is.
  void make_clients() {
    std::set<uint16_t> taken;
    for (uint16_t sport = 40000; clients_.size() < kClients; ++sport) {
      const bool tcp = is_tcp(static_cast<uint32_t>(clients_.size()));
      const loom_flow key = flow_of("192.0.2.1", sport, kVip4, 80, tcp ? IPPROTO_TCP : IPPROTO_UDP);
      if (!taken.insert(nat_candidate(key)).second) continue;
      model_.slots[static_cast<uint32_t>(clients_.size())] = ring_slot(key);
      clients_.push_back({key, sport, below(0xffffffff), nat_candidate(key)});
    }
  }

  // ---- the world

  loom_backend backend(uint32_t id) const {
    loom_backend out = backend_of(forwarding_, "10.0.0." + std::to_string(id));
    out.dmac[5] = static_cast<uint8_t>(0x10 + id);
    out.generation = model_.servers.at(id).generation;
    if (model_.servers.at(id).down) out.flags |= LOOM_BACKEND_F_DOWN;
    return out;
  }
  void publish(uint32_t id) {
    put_backend(id, model_.servers.at(id).exists ? backend(id) : loom_backend{});
  }
  /// Of any of the backends, also of some that are down or gone; rarely of nobody.
  void publish_ring() {
    std::vector<uint32_t> members;
    for (uint32_t id = 1; id <= kBackends; ++id)
      if (below(3) != 0) members.push_back(id);
    if (members.empty()) members.push_back(below(4) ? 1 + below(kBackends) : 0);
    model_.ring.clear();
    for (uint32_t slot = 0; slot < kRingSize; ++slot)
      model_.ring.push_back(members[below(static_cast<uint32_t>(members.size()))]);
    put_ring(kService, model_.ring);
  }
  void change_world() {
    const uint32_t id = 1 + below(kBackends);
    TrackModel::Server& server = model_.servers.at(id);
    switch (below(12)) {
      case 0:
      case 9:
        server.down = !server.down && below(2) == 0;
        return publish(id);
      case 1:
      case 10:
        server.exists = !server.exists || below(2) == 0;
        if (server.exists) server.generation++;
        server.down = false;
        return publish(id);
      case 2:
        model_.limited = !model_.limited && below(3) == 0;
        return put_settings(model_.limited ? LOOM_SETTING_CONNECTION_LIMIT : 0);
      case 3:
      case 6:
      case 7:
        return evict();
      case 4:
      case 5:
        return skip_time(below(10) == 0 ? 15 : 1 + below(3));
      default:
        return publish_ring();
    }
  }
  void skip_time(uint32_t quanta) {
    const uint64_t jiffies = quanta * quantum_;
    skipped_ += static_cast<int64_t>(jiffies);
    for (auto [key, entry] : confirmed_flows()) {
      entry.seen -= jiffies;
      put_confirmed_flow(key, entry);
    }
    for (auto [key, entry] : flows_on_probation()) {
      entry.seen -= jiffies;
      put_flow_on_probation(key, entry);
    }
  }
  /// One direction's entries, as a full table does it; mostly of a flow that is opened again.
  void evict() {
    uint32_t client = below(kClients);
    for (uint32_t i = 0; i < 8 && model_.waiting.clients.count(client) == 0; ++i)
      client = below(kClients);
    const auto known = model_.confirmed.clients.find(client);
    const uint32_t id =
        known != model_.confirmed.clients.end() ? known->second.backend : 1 + below(kBackends);
    const bool server = below(3) == 0;
    const loom_flow key = server ? answer_key(client, id) : clients_[client].key;
    const auto erase_from = [&](TrackModel::Table& table) {
      return server ? table.servers.erase({client, id}) : table.clients.erase(client);
    };
    if (erase_from(model_.confirmed) != 0)
      delete_confirmed_flow(key);
    else if (erase_from(model_.waiting) != 0)
      delete_flow(key);
  }

  // ---- packets

  loom_flow answer_key(uint32_t client, uint32_t id) const {
    return flow_of("10.0.0." + std::to_string(id), 80, kSource4, clients_[client].nat_port,
                   is_tcp(client) ? IPPROTO_TCP : IPPROTO_UDP);
  }
  Segment random_segment(uint32_t client) {
    uint32_t& last = clients_[client].seq;
    if (!is_tcp(client)) return {.is_tcp = false};
    Segment out{.seq = below(4) ? last + 1 : below(2) ? last : last + below(5000)};
    const uint32_t kind = below(100);
    if (kind < 25) {
      if (below(3)) last = below(0xffffffff);
      out.seq = last;
      out.syn = true;
      out.fin = below(20) == 0;
    } else {
      out.ack = below(20) != 0;
      out.fin = kind < 40;
      out.rst = kind >= 40 && kind < 48;
      out.syn = kind >= 48 && kind < 52;
    }
    return out;
  }
  static Bytes frame(const Ip4& ip, uint16_t sport, uint16_t dport, const Segment& segment) {
    if (!segment.is_tcp) return Ether{} / ip / Udp{.sport = sport, .dport = dport};
    return Ether{} / ip /
           Tcp{.sport = sport,
               .dport = dport,
               .syn = segment.syn,
               .ack = segment.ack,
               .fin = segment.fin,
               .rst = segment.rst,
               .seq = segment.seq};
  }
  static uint16_t port_at(const Bytes& frame, size_t offset) {
    return static_cast<uint16_t>(frame.at(offset) << 8 | frame.at(offset + 1));
  }

  void play_client() {
    const uint32_t client = below(kClients);
    const Segment segment = random_segment(client);
    const TrackModel::Decision want = model_.from_client(client, segment);
    const Outcome got = run(frame({}, clients_[client].sport, 80, segment));

    // A packet of no flow may be answered instead of dropped.
    const bool to_backend = got.action == XDP_TX && got.packet[5] > 0x10;
    const Fate fate = to_backend               ? Fate::kForwarded
                      : got.action == XDP_PASS ? Fate::kPassed
                                               : Fate::kDropped;
    ASSERT_EQ(static_cast<int>(fate), static_cast<int>(want.fate)) << describe(client, segment);
    counts_[to_backend ? "forwarded" : got.action == XDP_PASS ? "passed" : "dropped"]++;
    if (!to_backend) return;
    ASSERT_EQ(got.packet[5] - 0x10u, want.backend) << describe(client, segment);
    ASSERT_EQ(port_at(got.packet, 34),
              model_.is_nat ? clients_[client].nat_port : clients_[client].sport);
  }
  void play_server() {
    const uint32_t client = below(kClients);
    // Mostly the backend that has the flow.
    const auto known = model_.waiting.clients.find(client);
    const bool is_known = known != model_.waiting.clients.end() && below(4) != 0;
    const uint32_t id = is_known ? known->second.backend : 1 + below(kBackends);
    Segment segment = random_segment(client);
    segment.ack = segment.is_tcp;
    const bool want = model_.from_server(client, id, segment);
    const Ip4 ip{.src = "10.0.0." + std::to_string(id), .dst = kSource4};
    const Outcome got = run(frame(ip, 80, clients_[client].nat_port, segment));
    ASSERT_EQ(got.action, want ? XDP_TX : XDP_PASS) << describe(client, segment) << " from " << id;
    counts_[want ? "reply" : "passed"]++;
    if (!want) return;
    ASSERT_EQ(port_at(got.packet, 34), 80);
    ASSERT_EQ(port_at(got.packet, 36), clients_[client].sport);
  }

  // ---- comparing

  static std::string describe(uint32_t client, const Segment& segment) {
    return "client " + std::to_string(client) + (segment.syn ? " SYN" : "") +
           (segment.ack ? " ACK" : "") + (segment.fin ? " FIN" : "") + (segment.rst ? " RST" : "") +
           " seq " + std::to_string(segment.seq);
  }
  static std::string line(const loom_flow& key, const TrackModel::Half& half) {
    return std::to_string(ntohs(key.sport)) + "-" + std::to_string(ntohs(key.dport)) + "-" +
           std::to_string(ntohl(key.src.w[3]) & 0xff) + " state " + std::to_string(half.state) +
           " packets " + std::to_string(half.packets) + " backend " + std::to_string(half.backend) +
           " generation " + std::to_string(half.generation);
  }
  std::vector<std::string> lines_of(const TrackModel::Table& table) const {
    std::vector<std::string> out;
    for (const auto& [client, half] : table.clients)
      out.push_back(line(clients_[client].key, half));
    for (const auto& [key, half] : table.servers)
      out.push_back(line(answer_key(key.first, key.second), half));
    std::sort(out.begin(), out.end());
    return out;
  }
  static std::vector<std::string> lines_of(const FlowTable& table) {
    std::vector<std::string> out;
    for (const auto& [key, entry] : table)
      out.push_back(line(key, {static_cast<loom_state>(entry.state), 0, entry.packets,
                               entry.backend, entry.generation, 0}));
    std::sort(out.begin(), out.end());
    return out;
  }
  void compare_tables() {
    ASSERT_EQ(lines_of(confirmed_flows()), lines_of(model_.confirmed)) << "confirmed";
    ASSERT_EQ(lines_of(flows_on_probation()), lines_of(model_.waiting)) << "on probation";
  }

  std::mt19937 random_{20260229};  // The same story every time.
  loom_forwarding forwarding_ = LOOM_FORWARD_NONE;
  TrackModel model_;
  uint64_t quantum_ = 0;
  int64_t skipped_ = 0;
  std::vector<ClientOf> clients_;
  std::map<std::string, uint64_t> counts_;
};

TEST_F(Track, DsrByHashAgreesWithTheModel) {
  begin(LOOM_FORWARD_L2, LOOM_ALGORITHM_MAGLEV);
  play();
}

TEST_F(Track, DsrInTurnAgreesWithTheModel) {
  begin(LOOM_FORWARD_L2, LOOM_ALGORITHM_ROTOR);
  play();
}

TEST_F(Track, NatByHashAgreesWithTheModel) {
  begin(LOOM_FORWARD_NAT, LOOM_ALGORITHM_MAGLEV);
  play();
}

TEST_F(Track, NatInTurnAgreesWithTheModel) {
  begin(LOOM_FORWARD_NAT, LOOM_ALGORITHM_ROTOR);
  play();
}

}  // namespace
}  // namespace loom::test
