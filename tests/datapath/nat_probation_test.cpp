// SPDX-License-Identifier: Apache-2.0
// NAT flows on probation: both directions wait, move and are found together.
#include "nat_fixture.hpp"

namespace loom::test {
namespace {

const Tcp kAnswer{.sport = 40000, .dport = 80, .ack = true, .seq = 5001};  ///< To kNextSyn's.

Bytes client(const Tcp& tcp) {
  return kFromClient / Ip4{} / tcp;
}

TEST_F(Nat, BothDirectionsWaitUntilTheClientAnswers) {
  serve_tcp4();
  const uint16_t port = open();
  EXPECT_EQ(flows_on_probation().size(), 2u);
  EXPECT_EQ(verdict(answer(port, {.syn = true, .ack = true})), "REPLY_TX");
  EXPECT_EQ(verdict(answer(port, {.ack = true})), "REPLY_TX");
  EXPECT_TRUE(confirmed_flows().empty()) << "a backend answers whoever asks";

  EXPECT_EQ(verdict(ack()), "FORWARD_TX");
  EXPECT_EQ(confirmed_flows().size(), 2u);
  EXPECT_TRUE(flows_on_probation().empty());
  EXPECT_EQ(verdict(answer(port, {.ack = true})), "REPLY_TX");
  EXPECT_EQ(flow(reply_key(port))->packets, 3u);
}

TEST_F(Nat, RepliesToDatagramsDoNotConfirmThem) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
  const loom_flow key = flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP);
  const Bytes query = kFromClient / Ip4{} / Udp{} / Payload{"query"};
  const Bytes reply = kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4} /
                      Udp{.sport = 53, .dport = nat_candidate(key)} / Payload{"answer"};
  run(query);
  EXPECT_EQ(verdict(reply), "REPLY_TX");
  EXPECT_TRUE(confirmed_flows().empty());
  run(query);
  EXPECT_EQ(confirmed_flows().size(), 2u);
}

TEST_F(Nat, Rule24AResetConfirmsNothing) {
  serve_tcp4();
  open();
  EXPECT_EQ(verdict(client({.rst = true})), "FORWARD_TX");
  EXPECT_TRUE(confirmed_flows().empty());
  EXPECT_EQ(state_of(kFlow4), LOOM_STATE_SYN_SENT);
}

TEST_F(Nat, Rule24AResetShortensBothDirections) {
  serve_tcp4();
  const uint16_t port = open();
  run(answer(port, {.syn = true, .ack = true}));
  run(ack());
  run(answer(port, {.ack = true}));
  run(client({.rst = true}));
  EXPECT_EQ(state_of(kFlow4), LOOM_STATE_TIME_WAIT);
  EXPECT_EQ(state_of(reply_key(port)), LOOM_STATE_TIME_WAIT);
}

TEST_F(Nat, ASynReplacesAnEstablishedPairOnlyWhenItsClientAnswers) {
  serve_tcp4();
  const uint16_t port = open();
  run(ack());
  loom_backend second = backend_of(LOOM_FORWARD_NAT, "10.0.0.3");
  put_backend(2, second);
  put_ring(kService, 2);

  run(client(kNextSyn));
  EXPECT_EQ(flows_on_probation().at(kFlow4).backend, 2u);
  run(ack());
  EXPECT_EQ(confirmed_flows().at(kFlow4).backend, 1u);
  EXPECT_EQ(verdict(answer(port, {.ack = true})), "REPLY_TX");

  run(client(kAnswer));
  EXPECT_EQ(confirmed_flows().at(kFlow4).backend, 2u);
  EXPECT_EQ(confirmed_flows().count(flow_of("10.0.0.3", 80, kSource4, port, IPPROTO_TCP)), 1u);
  EXPECT_TRUE(flows_on_probation().empty());
}

// The forward entry comes back by a reply, and must not hide the SYN that came meanwhile.
TEST_F(Nat, ASynThatCameWhileTheOldEntryWasEvictedIsNotForgotten) {
  serve_tcp4();
  const uint16_t port = open();
  run(ack());
  delete_confirmed_flow(kFlow4);
  put_backend(2, backend_of(LOOM_FORWARD_NAT, "10.0.0.3"));
  put_ring(kService, 2);
  run(client(kNextSyn));
  run(answer(port, {.ack = true}));
  ASSERT_EQ(confirmed_flows().at(kFlow4).backend, 1u);

  run(client(kAnswer));
  EXPECT_EQ(confirmed_flows().at(kFlow4).backend, 2u);
}

// After a reselection the first backend's reply entry is left over.
TEST_F(Nat, AnAbandonedReplyEntryDoesNotBringItsFlowBack) {
  serve_tcp4();
  const uint16_t port = open();
  put_backend(2, backend_of(LOOM_FORWARD_NAT, "10.0.0.3"));
  put_ring(kService, 2);
  run(client(kNextSyn));
  run(client(kAnswer));
  EXPECT_EQ(verdict(answer(port, {.syn = true, .ack = true})), "REPLY_TX");
  EXPECT_EQ(flows_on_probation().count(kFlow4), 0u);
  EXPECT_EQ(flow(kFlow4)->backend, 2u);
}

TEST_F(Nat, EvictedEntriesOnProbationAreRebuiltThere) {
  serve_tcp4();
  const uint16_t port = open();
  delete_flow(reply_key(port));
  run(kFromClient / Ip4{} / kSyn);
  EXPECT_EQ(flows_on_probation().count(reply_key(port)), 1u);

  delete_flow(kFlow4);
  run(answer(port, {.syn = true, .ack = true}));
  EXPECT_EQ(state_of(kFlow4), LOOM_STATE_SYN_SENT);
  run(ack());
  EXPECT_EQ(confirmed_flows().size(), 2u);
}

// ---- ports

TEST_F(Nat, APortOnProbationIsLeftToItsOwner) {
  serve_tcp4();
  loom_flow_entry taken{.other = flow_of("192.0.2.77", 1, kVip4, 80, IPPROTO_TCP)};
  taken.seen = clock().jiffies;
  taken.state = LOOM_STATE_SYN_SENT;
  taken.flags = LOOM_FLOW_F_REPLY;
  put_flow_on_probation(reply_key(nat_candidate(kFlow4)), taken);
  run(kFromClient / Ip4{} / kSyn);
  EXPECT_EQ(flow(kFlow4)->other.dport, htons(nat_candidate(kFlow4, 1)));
}

TEST_F(Nat, APortTakenMeanwhileIsNotRebuilt) {
  serve_tcp4();
  const uint16_t port = open();
  run(ack());
  loom_flow_entry thief = flow(reply_key(port)).value();
  thief.other = flow_of("192.0.2.77", 1, kVip4, 80, IPPROTO_TCP);
  delete_flow(reply_key(port));
  put_flow_on_probation(reply_key(port), thief);
  EXPECT_EQ(verdict(ack()), "REPLY_RST");
}

TEST_F(Nat, EstablishedFlowsKeepTheirBackendUnderASynFlood) {
  serve_tcp4();
  constexpr uint16_t kConnections = kMaxFlows / 4;
  const auto segment = [](uint16_t sport, Tcp tcp) {
    tcp.sport = sport;
    return Bytes(kFromClient / Ip4{} / tcp);
  };
  for (uint16_t sport = 1; sport <= kConnections; ++sport) {
    run(segment(sport, {.syn = true}));
    run(segment(sport, {.ack = true}));
  }
  put_backend(2, backend_of(LOOM_FORWARD_NAT, "10.0.0.3"));
  put_ring(kService, 2);
  for (uint32_t i = 0; i < 10 * kMaxFlows; ++i)
    run(kFromClient / Ip4{.src = "100.64." + std::to_string(i >> 16) + ".1"} /
        Tcp{.sport = static_cast<uint16_t>(i), .syn = true});
  counted();
  for (uint16_t sport = 1; sport <= kConnections; ++sport) run(segment(sport, {.ack = true}));
  EXPECT_EQ(counted().backends.at(1).packets, uint64_t{kConnections});
}

}  // namespace
}  // namespace loom::test
