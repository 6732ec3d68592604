// SPDX-License-Identifier: Apache-2.0
// DSR flows: which packets stay with their backend, which choose another, and what is remembered.
#include "support/bpf_program.hpp"

namespace loom::test {
namespace {

const loom_flow kFlow = flow_of("192.0.2.1", 40000, kVip4, 80, IPPROTO_TCP);

class Flow : public Datapath {
 protected:
  void SetUp() override {
    Datapath::SetUp();
    serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
    put_backend(2, backend_of(LOOM_FORWARD_L2, "10.0.0.3"));
  }
  /// Sends it; the id of the backend it was sent to, 0 if none.
  static uint32_t backend_for(const Tcp& tcp) {
    counted();
    run(Ether{} / Ip4{} / tcp);
    const Counted counts = counted();
    return counts.backends.empty() ? 0 : counts.backends.begin()->first;
  }
  static loom_state state() { return static_cast<loom_state>(flow(kFlow).value().state); }
};

const Tcp kSyn{.syn = true};
const Tcp kNextSyn{.syn = true, .seq = 5000};
const Tcp kAck{.ack = true};
const Tcp kFin{.ack = true, .fin = true};
const Tcp kRst{.rst = true};

// ---- who stays

TEST_F(Flow, StaysWithItsBackendWhenTheRingChanges) {
  EXPECT_EQ(backend_for(kSyn), 1u);
  put_ring(kService, 2);
  EXPECT_EQ(backend_for(kAck), 1u);
}

TEST_F(Flow, ASynAsksTheRingAgain) {
  EXPECT_EQ(backend_for(kSyn), 1u);
  put_ring(kService, 2);
  EXPECT_EQ(backend_for(kNextSyn), 2u);
  EXPECT_EQ(backend_for(kAck), 2u);
}

TEST_F(Flow, ReselectsAfterItsTimeout) {
  backend_for(kSyn);
  backend_for(kAck);
  put_ring(kService, 2);
  age_flow(kFlow, timeout(LOOM_STATE_ESTABLISHED) - 100);
  EXPECT_EQ(backend_for(kAck), 1u);
  age_flow(kFlow, timeout(LOOM_STATE_ESTABLISHED) + 1);
  EXPECT_EQ(backend_for(kAck), 2u);
}

TEST_F(Flow, EveryStateHasItsOwnTimeout) {
  backend_for(kSyn);
  put_ring(kService, 2);
  age_flow(kFlow, timeout(LOOM_STATE_SYN_SENT) + 1);
  EXPECT_EQ(backend_for(kAck), 2u);
}

TEST_F(Flow, Rule27OfAnOlderGenerationReselects) {
  backend_for(kSyn);
  loom_backend next = backend_of(LOOM_FORWARD_L2, "10.0.0.4");
  next.generation = 2;
  put_backend(1, next);
  put_ring(kService, 2);
  EXPECT_EQ(backend_for(kAck), 2u);
}

TEST_F(Flow, Rule25OfADownBackendReselects) {
  backend_for(kSyn);
  loom_backend down = backend_of(LOOM_FORWARD_L2, "10.0.0.2");
  down.flags |= LOOM_BACKEND_F_DOWN;
  put_backend(1, down);
  put_ring(kService, 2);
  EXPECT_EQ(backend_for(kAck), 2u);
}

TEST_F(Flow, Rule25OfADeletedBackendReselects) {
  backend_for(kSyn);
  put_backend(1, {});
  put_ring(kService, 2);
  EXPECT_EQ(backend_for(kAck), 2u);
}

TEST_F(Flow, DoesNotFollowItsListenerToAnotherService) {
  backend_for(kSyn);
  loom_backend other = backend_of(LOOM_FORWARD_L2, "10.0.0.3");
  other.service = 2;
  put_backend(2, other);
  put_service(2, LOOM_FORWARD_L2);
  put_ring(2, 2);
  put_listener(kVip4, 80, IPPROTO_TCP, {2, 0});
  EXPECT_EQ(backend_for(kAck), 2u);
}

TEST_F(Flow, OfADownBackendThatTheRingStillNamesGoesOnAsOneFlow) {
  backend_for(kSyn);
  loom_backend down = backend_of(LOOM_FORWARD_L2, "10.0.0.2");
  down.flags |= LOOM_BACKEND_F_DOWN;
  put_backend(1, down);
  counted();
  run(Ether{} / Ip4{} / kAck);
  EXPECT_EQ(counted().backends.at(1).flows, 0u);
  EXPECT_EQ(flow(kFlow)->packets, 2u);
}

// ---- what is remembered

TEST_F(Flow, OfAPacketWithoutFlagsHasAStateAndItsTime) {
  EXPECT_EQ(backend_for(Tcp{}), 1u);
  EXPECT_EQ(state(), LOOM_STATE_ESTABLISHED);
}

TEST_F(Flow, Rule24AResetReopensNothingEvenWithASyn) {
  backend_for(kSyn);
  backend_for(kFin);
  counted();
  run(Ether{} / Ip4{} / Tcp{.syn = true, .rst = true});
  EXPECT_EQ(counted().backends.at(1).flows, 0u);
  EXPECT_EQ(flow(kFlow)->packets, 3u);
}

TEST_F(Flow, OfAPacketThatCannotBeSentIsNotRemembered) {
  loom_backend backend = backend_of(LOOM_FORWARD_IPIP, "10.0.0.2");
  backend.source = addr(kSource6);
  put_backend(1, backend);
  EXPECT_EQ(verdict(Ether{} / Ip4{} / kSyn), "ABORT_BACKEND_INVALID");
  EXPECT_TRUE(flows().empty());

  backend.source = addr(kSource4);
  backend.source_first = 100;
  backend.source_count = 1;
  put_source(100, kSource6);
  put_backend(1, backend);
  EXPECT_EQ(verdict(Ether{} / Ip4{} / kSyn), "ABORT_BACKEND_INVALID");
  EXPECT_TRUE(flows().empty());
}

TEST_F(Flow, RemembersTheBackendItsGenerationAndTheTraffic) {
  const uint64_t before = clock().jiffies;
  backend_for(kSyn);
  backend_for(kAck);
  const uint64_t after = clock().jiffies;

  const loom_flow_entry entry = flow(kFlow).value();
  EXPECT_EQ(entry.backend, 1u);
  EXPECT_EQ(entry.generation, 1u);
  EXPECT_EQ(entry.packets, 2u);
  EXPECT_EQ(entry.bytes, 2u * 54);
  EXPECT_EQ(entry.flags, 0);
  EXPECT_EQ(bytes_of(entry.other), Bytes(sizeof(loom_flow)));
  EXPECT_GE(entry.created, before);
  EXPECT_GE(entry.seen, entry.created);
  EXPECT_LE(entry.seen, after);
}

TEST_F(Flow, StatesFollowTheClientsPackets) {
  backend_for(kSyn);
  EXPECT_EQ(state(), LOOM_STATE_SYN_SENT);
  backend_for(kAck);
  EXPECT_EQ(state(), LOOM_STATE_ESTABLISHED);
  backend_for(kFin);
  EXPECT_EQ(state(), LOOM_STATE_FIN_WAIT);
  backend_for(kFin);
  EXPECT_EQ(state(), LOOM_STATE_FIN_WAIT);
  backend_for(kAck);
  EXPECT_EQ(state(), LOOM_STATE_TIME_WAIT);
  backend_for(kNextSyn);
  EXPECT_EQ(state(), LOOM_STATE_TIME_WAIT);
  backend_for({.ack = true, .seq = 5001});
  EXPECT_EQ(state(), LOOM_STATE_ESTABLISHED);
  EXPECT_EQ(flow(kFlow)->packets, 2u);
}

TEST_F(Flow, Rule24AResetShortensAndDoesNotDelete) {
  backend_for(kSyn);
  backend_for(kAck);
  backend_for(kRst);
  EXPECT_EQ(state(), LOOM_STATE_TIME_WAIT);
  EXPECT_EQ(flow(kFlow)->packets, 3u);
}

TEST_F(Flow, Rule24AResetInTheHandshakeKeepsItsShortTimeout) {
  backend_for(kSyn);
  backend_for(kRst);
  EXPECT_EQ(state(), LOOM_STATE_SYN_SENT);
}

TEST_F(Flow, ASynDoesNotShortenAnEstablishedFlow) {
  backend_for(kSyn);
  backend_for(kAck);
  backend_for(kSyn);
  EXPECT_EQ(state(), LOOM_STATE_ESTABLISHED);
}

TEST_F(Flow, OfUdpHasOneState) {
  put_listener(kVip4, 53, IPPROTO_UDP);
  run(Ether{} / Ip4{} / Udp{} / Payload{"query"});
  EXPECT_EQ(flow(flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP))->state, LOOM_STATE_UDP);
}

TEST_F(Flow, Rule25UdpIdleExpiryIsEnforcedAtLookUp) {
  put_listener(kVip4, 53, IPPROTO_UDP);
  const loom_flow key = flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP);
  const Bytes query = Ether{} / Ip4{} / Udp{} / Payload{"query"};
  run(query);
  run(query);
  put_ring(kService, 2);
  age_flow(key, timeout(LOOM_STATE_UDP) - 100);
  run(query);
  age_flow(key, timeout(LOOM_STATE_UDP) + 1);
  counted();
  run(query);
  EXPECT_EQ(counted().backends.count(2), 1u);
}

TEST_F(Flow, FoundInTheMiddleIsEstablished) {
  EXPECT_EQ(backend_for(kAck), 1u);
  EXPECT_EQ(state(), LOOM_STATE_ESTABLISHED);
}

TEST_F(Flow, Rule24AResetIsForwardedAndNotRemembered) {
  EXPECT_EQ(backend_for(kRst), 1u);
  EXPECT_TRUE(flows().empty());
}

TEST_F(Flow, IsCountedOnceHoweverManyPacketsItHas) {
  counted();
  for (const Tcp& tcp : {kSyn, kSyn, kAck, kAck, kFin, kRst}) run(Ether{} / Ip4{} / tcp);
  const loom_counter counter = counted().backends.at(1);
  EXPECT_EQ(counter.packets, 6u);
  EXPECT_EQ(counter.flows, 1u);
}

TEST_F(Flow, IsNotRememberedWhenItsPacketCannotBeSent) {
  loom_backend backend = backend_of(LOOM_FORWARD_L2, "10.0.0.2");
  backend.flags = 0;
  backend.source = {};
  put_backend(1, backend);
  EXPECT_EQ(verdict(Ether{} / Ip4{} / kSyn), "DROP_NO_NEXT_HOP");
  EXPECT_TRUE(flows().empty());
}

TEST_F(Flow, TheClockTellsBothClocks) {
  const loom_clock first = clock();
  const loom_clock second = clock();
  EXPECT_GT(first.jiffies, 0u);
  EXPECT_GE(second.jiffies, first.jiffies);
  EXPECT_GT(second.ktime_ns, first.ktime_ns);
}

}  // namespace
}  // namespace loom::test
