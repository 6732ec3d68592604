// SPDX-License-Identifier: Apache-2.0
// New flows: on probation until a second packet confirms them, chosen by the service's algorithm.
#include <sched.h>

#include <set>

#include "nat_fixture.hpp"

namespace loom::test {
namespace {

/// Backends 1 to 4 in turn around the ring, told apart by their MAC.
class Probation : public Datapath {
 protected:
  void SetUp() override {
    Datapath::SetUp();
    stay_on_this_cpu();
    set_service(LOOM_ALGORITHM_MAGLEV, LOOM_AFFINITY_FIVE_TUPLE);
    for (uint32_t id = 1; id <= kBackends; ++id) put_backend(id, backend(id));
    ring_of({1, 2, 3, 4});
    put_vip(kVip4);
    put_listener(kVip4, 80, IPPROTO_TCP);
    put_listener(kVip4, 53, IPPROTO_UDP);
  }
  static loom_backend backend(uint32_t id) {
    loom_backend out = backend_of(LOOM_FORWARD_L2, "10.0.0." + std::to_string(id));
    out.dmac[5] = static_cast<uint8_t>(id);
    return out;
  }
  static void set_service(loom_algorithm algorithm, loom_affinity affinity) {
    loom_service service{};
    service.forwarding = LOOM_FORWARD_L2;
    service.algorithm = static_cast<uint8_t>(algorithm);
    service.affinity = static_cast<uint8_t>(affinity);
    put_service(kService, service);
  }
  static void ring_of(const std::vector<loom_slot>& members) {
    std::vector<loom_slot> slots;
    for (uint32_t i = 0; i < kRingSize; ++i) slots.push_back(members[i % members.size()]);
    put_ring(kService, slots);
  }
  static uint32_t sent_to(const Bytes& frame) {
    const Outcome got = run(frame);
    return got.action == XDP_TX ? got.packet[5] : 0;
  }
  static uint32_t tcp(const Tcp& tcp) { return sent_to(Ether{} / Ip4{} / tcp); }
  static uint32_t udp(uint16_t sport) { return sent_to(Ether{} / Ip4{} / Udp{.sport = sport}); }
  static Bytes from_client(uint32_t client, const Tcp& tcp) {
    const std::string address =
        "100.64." + std::to_string(client / 256 % 256) + "." + std::to_string(client % 256);
    return Ether{} / Ip4{.src = address} / tcp;
  }
  /// By the client's number, which is also in its address.
  static std::map<uint32_t, uint32_t> open_connections(uint32_t count) {
    std::map<uint32_t, uint32_t> out;
    for (uint32_t client = 0; client < count; ++client) {
      out[client] = sent_to(from_client(client, {.syn = true}));
      sent_to(from_client(client, {.ack = true}));
    }
    return out;
  }
  static void expect_kept(const std::map<uint32_t, uint32_t>& connections) {
    size_t kept = 0;
    for (const auto& [client, owner] : connections)
      kept += sent_to(from_client(client, {.ack = true})) == owner;
    std::printf("%zu of %zu idle established flows kept their backend\n", kept, connections.size());
    EXPECT_EQ(kept, connections.size());
  }

  static constexpr uint32_t kBackends = 4;

 private:
  /// Each CPU counts its own turns.
  static void stay_on_this_cpu() {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &cpus);
    ASSERT_EQ(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
  }
};

const loom_flow kFlow = flow_of("192.0.2.1", 40000, kVip4, 80, IPPROTO_TCP);

// ---- who is confirmed

TEST_F(Probation, ASynIsOnProbationUntilItsClientAnswers) {
  tcp({.syn = true, .seq = 77});
  EXPECT_TRUE(confirmed_flows().empty());
  EXPECT_EQ(flows_on_probation().at(kFlow).syn_seq, htonl(77));
  tcp({.ack = true, .seq = 78});
  EXPECT_EQ(confirmed_flows().count(kFlow), 1u);
  EXPECT_TRUE(flows_on_probation().empty());
  EXPECT_EQ(flow(kFlow)->packets, 2u);
  EXPECT_EQ(flow(kFlow)->state, LOOM_STATE_ESTABLISHED);
}

TEST_F(Probation, TheAnswerToTheLastSequenceNumberIsZero) {
  tcp({.syn = true, .seq = 0xffffffff});
  tcp({.ack = true, .seq = 0});
  EXPECT_EQ(confirmed_flows().count(kFlow), 1u);
}

TEST_F(Probation, AnotherSequenceNumberConfirmsNothing) {
  const uint32_t owner = tcp({.syn = true, .seq = 77});
  for (const uint32_t seq : {77u, 79u, 0u, 0x80000000u}) {
    EXPECT_EQ(tcp({.ack = true, .seq = seq}), owner);
    EXPECT_EQ(tcp({.ack = true, .fin = true, .seq = seq}), owner);
  }
  EXPECT_TRUE(confirmed_flows().empty());
  EXPECT_EQ(flow(kFlow)->state, LOOM_STATE_SYN_SENT);
}

TEST_F(Probation, NeitherASynNorAResetConfirms) {
  tcp({.syn = true, .seq = 77});
  tcp({.syn = true, .ack = true, .seq = 78});
  tcp({.rst = true, .seq = 78});
  EXPECT_TRUE(confirmed_flows().empty());
}

TEST_F(Probation, TheSecondPacketConfirmsAFlowFoundInTheMiddle) {
  tcp({.ack = true});
  EXPECT_TRUE(confirmed_flows().empty());
  tcp({.rst = true});
  EXPECT_TRUE(confirmed_flows().empty());
  tcp({.ack = true});
  EXPECT_EQ(confirmed_flows().count(kFlow), 1u);
}

TEST_F(Probation, TheSecondDatagramConfirmsAUdpFlow) {
  udp(40000);
  EXPECT_TRUE(confirmed_flows().empty());
  udp(40000);
  EXPECT_EQ(confirmed_flows().size(), 1u);
  EXPECT_TRUE(flows_on_probation().empty());
}

// ---- a SYN reselects

TEST_F(Probation, ARetransmittedSynKeepsItsBackendWhenTheRingChanges) {
  const uint32_t owner = tcp({.syn = true});
  ring_of({owner % kBackends + 1});
  EXPECT_EQ(tcp({.syn = true}), owner);
  EXPECT_EQ(tcp({.ack = true}), owner);
}

TEST_F(Probation, ARetransmittedSynOfADeadBackendDoesNot) {
  const uint32_t owner = tcp({.syn = true});
  loom_backend down = backend(owner);
  down.flags |= LOOM_BACKEND_F_DOWN;
  put_backend(owner, down);
  ring_of({owner % kBackends + 1});
  EXPECT_EQ(tcp({.syn = true}), owner % kBackends + 1);
}

TEST_F(Probation, ASynReplacesAnEstablishedFlowOnlyWhenItsClientAnswers) {
  ring_of({1});
  tcp({.syn = true, .seq = 77});
  tcp({.ack = true, .seq = 78});
  ring_of({2});
  EXPECT_EQ(tcp({.syn = true, .seq = 5000}), 2u);
  EXPECT_EQ(tcp({.ack = true, .seq = 79}), 1u) << "the old connection lives";
  EXPECT_EQ(confirmed_flows().at(kFlow).backend, 1u);

  EXPECT_EQ(tcp({.rst = true, .seq = 5001}), 2u) << "the new one is refused by its client";
  EXPECT_EQ(confirmed_flows().at(kFlow).backend, 1u);
  EXPECT_EQ(tcp({.ack = true, .seq = 5001}), 2u);
  EXPECT_EQ(confirmed_flows().at(kFlow).backend, 2u);
  EXPECT_EQ(tcp({.ack = true, .seq = 79}), 2u);
}

TEST_F(Probation, AForgedSynDoesNotMoveAnEstablishedFlow) {
  ring_of({1});
  tcp({.syn = true, .seq = 77});
  tcp({.ack = true, .seq = 78});
  ring_of({2});
  for (uint32_t seq = 0; seq < 1000; ++seq) tcp({.syn = true, .seq = seq * 0x01000193});
  EXPECT_EQ(tcp({.ack = true, .seq = 78}), 1u);
}

// ---- floods

TEST_F(Probation, EstablishedFlowsKeepTheirBackendUnderASynFlood) {
  const auto connections = open_connections(kMaxFlows / 2);
  ring_of({4, 3, 2, 1});
  for (uint32_t i = 0; i < 10 * kMaxFlows; ++i)
    run(from_client(0xa000 + i % 8192,
                    {.sport = static_cast<uint16_t>(i), .syn = true, .seq = i * 7}));
  expect_kept(connections);
}

TEST_F(Probation, EstablishedFlowsKeepTheirBackendUnderAnAckFlood) {
  const auto connections = open_connections(kMaxFlows / 2);
  ring_of({4, 3, 2, 1});
  for (uint32_t i = 0; i < 10 * kMaxFlows; ++i)
    run(from_client(0xa000 + i % 8192, {.sport = static_cast<uint16_t>(i), .ack = true, .seq = i}));
  expect_kept(connections);
}

TEST_F(Probation, EstablishedFlowsKeepTheirBackendUnderAUdpFlood) {
  const auto connections = open_connections(kMaxFlows / 2);
  ring_of({4, 3, 2, 1});
  for (uint32_t i = 0; i < 10 * kMaxFlows; ++i)
    run(Ether{} / Ip4{.src = "100.70.0." + std::to_string(i >> 16)} /
        Udp{.sport = static_cast<uint16_t>(i)});
  expect_kept(connections);
}

// ---- algorithms and affinity

TEST_F(Probation, InTurnEveryWindowOfNewFlowsHasEachBackendOnce) {
  set_service(LOOM_ALGORITHM_ROTOR, LOOM_AFFINITY_FIVE_TUPLE);
  std::vector<uint32_t> owners;
  for (uint16_t sport = 1; sport <= 100; ++sport)
    owners.push_back(sport % 2 ? tcp({.sport = sport, .syn = true}) : udp(sport));
  for (size_t i = 0; i + kBackends <= owners.size(); ++i) {
    const auto window = owners.begin() + static_cast<long>(i);
    EXPECT_EQ(std::set<uint32_t>(window, window + kBackends).size(), size_t{kBackends}) << i;
  }
}

TEST_F(Probation, TheFirstTurnIsTheCpusNumber) {
  set_service(LOOM_ALGORITHM_ROTOR, LOOM_AFFINITY_FIVE_TUPLE);
  const auto cpu = static_cast<uint32_t>(sched_getcpu());
  EXPECT_EQ(tcp({.syn = true}), cpu % kRingSize % kBackends + 1);
}

TEST_F(Probation, InTurnAFlowStaysWithItsBackend) {
  set_service(LOOM_ALGORITHM_ROTOR, LOOM_AFFINITY_FIVE_TUPLE);
  const uint32_t owner = tcp({.syn = true});
  EXPECT_EQ(tcp({.syn = true}), owner) << "a retransmission takes no turn";
  EXPECT_EQ(tcp({.ack = true}), owner);
  EXPECT_EQ(tcp({.ack = true}), owner);
  const uint32_t next = udp(1);
  EXPECT_EQ(next, owner % kBackends + 1);
  EXPECT_EQ(udp(1), next);
}

TEST_F(Probation, InTurnAFlowFoundInTheMiddleGoesByHash) {
  set_service(LOOM_ALGORITHM_ROTOR, LOOM_AFFINITY_FIVE_TUPLE);
  for (uint16_t sport = 1; sport < 50; ++sport) {
    const loom_flow key = flow_of("192.0.2.1", sport, kVip4, 80, IPPROTO_TCP);
    EXPECT_EQ(tcp({.sport = sport, .ack = true}), ring_slot(key) % kBackends + 1);
  }
}

TEST_F(Probation, WithSourceAffinityAClientKeepsItsBackend) {
  for (const loom_algorithm algorithm : {LOOM_ALGORITHM_MAGLEV, LOOM_ALGORITHM_ROTOR}) {
    set_service(algorithm, LOOM_AFFINITY_SOURCE_IP);
    std::set<uint32_t> all;
    for (uint32_t client = 0; client < 100; ++client) {
      std::set<uint32_t> owners;
      for (uint16_t sport = 1; sport <= 8; ++sport)
        owners.insert(sent_to(from_client(client, {.sport = sport, .syn = true})));
      EXPECT_EQ(owners.size(), 1u) << client;
      all.insert(owners.begin(), owners.end());
    }
    EXPECT_EQ(all.size(), size_t{kBackends});
  }
}

TEST_F(Probation, WithoutAffinityNothingIsRemembered) {
  for (const loom_algorithm algorithm : {LOOM_ALGORITHM_MAGLEV, LOOM_ALGORITHM_ROTOR}) {
    set_service(algorithm, LOOM_AFFINITY_NONE);
    ring_of({1, 2, 3, 4});
    const uint32_t owner = ring_slot(kFlow) % kBackends + 1;
    EXPECT_EQ(tcp({.syn = true}), owner);
    EXPECT_EQ(tcp({.ack = true}), owner);
    ring_of({owner % kBackends + 1});
    EXPECT_EQ(tcp({.ack = true}), owner % kBackends + 1);
    EXPECT_TRUE(flows().empty());
  }
}

// ---- limit

TEST_F(Probation, BeyondTheLimitNewFlowsGoToTheStackAndOldOnesOn) {
  const uint32_t owner = tcp({.syn = true});
  tcp({.ack = true});
  const uint32_t opening = tcp({.sport = 2, .syn = true});
  put_settings(LOOM_SETTING_CONNECTION_LIMIT);

  EXPECT_EQ(tcp({.ack = true}), owner);
  EXPECT_EQ(tcp({.sport = 2, .syn = true}), opening) << "a retransmission is not new";
  EXPECT_EQ(tcp({.sport = 2, .ack = true}), opening);
  EXPECT_EQ(verdict(Ether{} / Ip4{} / Tcp{.sport = 3, .syn = true}), "PASS_CONNECTION_LIMIT");
  EXPECT_EQ(verdict(Ether{} / Ip4{} / Udp{}), "PASS_CONNECTION_LIMIT");
  EXPECT_NE(tcp({.sport = 4, .ack = true}), 0u) << "an old flow that was forgotten";
  set_service(LOOM_ALGORITHM_MAGLEV, LOOM_AFFINITY_NONE);
  EXPECT_NE(tcp({.sport = 3, .syn = true}), 0u) << "nothing is counted there";
}

}  // namespace
}  // namespace loom::test
