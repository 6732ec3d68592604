// SPDX-License-Identifier: Apache-2.0
// NAT flows: two entries that rebuild each other, their life, and the way back.
#include "nat_fixture.hpp"

namespace loom::test {
namespace {

// ---- two entries

TEST_F(Nat, AnEvictedForwardEntryIsRebuiltByTheReply) {
  serve_tcp4();
  const uint16_t port = open();
  const loom_flow_entry before = flow(kFlow4).value();
  delete_flow(kFlow4);

  run(answer(port, {.syn = true, .ack = true}));

  const std::optional<loom_flow_entry> after = flow(kFlow4);
  ASSERT_TRUE(after);
  EXPECT_EQ(bytes_of(after->other), bytes_of(before.other));
  EXPECT_EQ(after->backend, before.backend);
  EXPECT_EQ(after->flags, 0);
  EXPECT_EQ(verdict(ack()), "FORWARD_TX");
}

TEST_F(Nat, AnEvictedReplyEntryIsRebuiltByTheClient) {
  serve_tcp4();
  const uint16_t port = open();
  delete_flow(reply_key(port));

  run(ack());

  EXPECT_EQ(flow(reply_key(port))->flags, LOOM_FLOW_F_REPLY);
  EXPECT_EQ(bytes_of(flow(reply_key(port))->other), bytes_of(kFlow4));
  EXPECT_EQ(verdict(answer(port, {.ack = true})), "REPLY_TX");
}

TEST_F(Nat, AResetRebuildsNothing) {
  serve_tcp4();
  const uint16_t port = open();
  delete_flow(kFlow4);
  EXPECT_EQ(verdict(answer(port, {.rst = true})), "REPLY_TX");
  EXPECT_FALSE(flow(kFlow4));
}

TEST_F(Nat, AQuietClientLivesAsLongAsTheBackendTalks) {
  serve_tcp4();
  const uint16_t port = open();
  age_flow(kFlow4, timeout(LOOM_STATE_SYN_SENT) + 1);
  EXPECT_EQ(verdict(ack()), "FORWARD_TX");
  age_flow(reply_key(port), timeout(LOOM_STATE_SYN_SENT) + 1);
  EXPECT_EQ(verdict(answer(port, {.ack = true})), "REPLY_TX");
}

TEST_F(Nat, AFlowThatIsIdleOnBothSidesIsGone) {
  serve_tcp4();
  const uint16_t port = open();
  age_flow(kFlow4, timeout(LOOM_STATE_SYN_SENT) + 1);
  age_flow(reply_key(port), timeout(LOOM_STATE_SYN_SENT) + 1);
  EXPECT_EQ(verdict(answer(port, {.ack = true})), "PASS_NO_SERVICE");
  EXPECT_EQ(verdict(ack()), "REPLY_RST");
}

TEST_F(Nat, BothDirectionsKeepTheirOwnStateAndCounts) {
  serve_tcp4();
  const uint16_t port = open();
  EXPECT_EQ(state_of(kFlow4), LOOM_STATE_SYN_SENT);
  EXPECT_EQ(state_of(reply_key(port)), LOOM_STATE_SYN_SENT);
  run(answer(port, {.syn = true, .ack = true}));
  EXPECT_EQ(state_of(reply_key(port)), LOOM_STATE_SYN_RECV);
  run(ack());
  EXPECT_EQ(state_of(kFlow4), LOOM_STATE_ESTABLISHED);
  run(answer(port, {.ack = true}));
  EXPECT_EQ(state_of(reply_key(port)), LOOM_STATE_ESTABLISHED);
  run(answer(port, {.ack = true, .fin = true}));
  EXPECT_EQ(state_of(reply_key(port)), LOOM_STATE_FIN_WAIT);
  run(kFromClient / Ip4{} / Tcp{.rst = true});
  EXPECT_EQ(state_of(kFlow4), LOOM_STATE_TIME_WAIT);
  EXPECT_EQ(flow(kFlow4)->packets, 3u);
  EXPECT_EQ(flow(kFlow4)->bytes, 3u * 54);
  EXPECT_EQ(flow(reply_key(port))->packets, 3u);
}

// ---- which backend

TEST_F(Nat, ADownBackendsConnectionsAreNotMovedToAnother) {
  serve_tcp4();
  open();
  loom_backend down = backend_of(LOOM_FORWARD_NAT, "10.0.0.2");
  down.flags |= LOOM_BACKEND_F_DOWN;
  put_backend(1, down);
  EXPECT_EQ(verdict(ack()), "REPLY_RST");
}

TEST_F(Nat, AnOldGenerationsRepliesAreNotOurs) {
  serve_tcp4();
  const uint16_t port = open();
  loom_backend next = backend_of(LOOM_FORWARD_NAT, "10.0.0.2");
  next.generation = 2;
  put_backend(1, next);
  EXPECT_EQ(verdict(answer(port, {.ack = true})), "PASS_NO_SERVICE");
}

TEST_F(Nat, UdpOfADeletedBackendMovesOn) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
  const Bytes query = kFromClient / Ip4{} / Udp{} / Payload{"query"};
  run(query);
  put_backend(1, {});
  put_backend(2, backend_of(LOOM_FORWARD_NAT, "10.0.0.3"));
  put_ring(kService, 2);
  EXPECT_EQ(verdict(query), "FORWARD_TX");
  EXPECT_EQ(flow(flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP))->backend, 2u);
}

// ---- the way back

TEST_F(Nat, RepliesFollowAClientWhoseRouterChanged) {
  serve_tcp4();
  const uint16_t port = open();
  const MacBytes other_router{2, 0, 0, 0, 0, 0x77};
  run(Ether{.src = other_router} / Ip4{} / kAck);
  const Bytes got = run(answer(port, {.ack = true})).packet;
  EXPECT_EQ(Bytes(got.begin(), got.begin() + 6), bytes_of(other_router));
}

TEST_F(Nat, RepliesLeaveByTheInterfaceTheClientCameFrom) {
  serve_tcp4();
  const uint16_t port = open();
  loom_flow_entry entry = flow(reply_key(port)).value();
  entry.peer_ifindex = egress();
  put_flow(reply_key(port), entry);

  const Bytes frame = answer(port, {.ack = true});
  const Outcome got = run(frame);

  EXPECT_EQ(got.action, XDP_REDIRECT);
  EXPECT_EQ(Bytes(got.packet.begin() + 6, got.packet.begin() + 12), bytes_of(kEgressMac));
  EXPECT_EQ(counted().verdicts.at(LOOM_REPLY_REDIRECT).tx_bytes, frame.size());
}

TEST_F(Nat, TheInterfaceOfALaterPacketIsRememberedInBothEntries) {
  serve_tcp4();
  const uint16_t port = open();
  if (!can_choose_ingress()) GTEST_SKIP() << "no ingress interface in test runs before 5.15";
  run(Ether{.dst = kEgressMac} / Ip4{} / kAck, egress());
  EXPECT_EQ(flow(kFlow4)->peer_ifindex, egress());
  EXPECT_EQ(flow(reply_key(port))->peer_ifindex, egress());
}

// ---- not ours

TEST_F(Nat, APacketToANatPortWithoutFlowBelongsToTheHost) {
  serve_tcp4();
  EXPECT_EQ(verdict(answer(2000, {.ack = true})), "PASS_NO_SERVICE");
}

TEST_F(Nat, DuringAHandoverItWaits) {
  serve_tcp4();
  put_settings(LOOM_SETTING_HANDOVER);
  EXPECT_EQ(verdict(answer(2000, {.ack = true})), "DROP_NO_FLOW");
  EXPECT_EQ(verdict(answer(kNatPortMax + 1, {.ack = true})), "PASS_NO_SERVICE");
}

TEST_F(Nat, AFragmentToTheHostsOwnAddressIsTheHosts) {
  serve_tcp4();
  const Bytes fragment =
      kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4, .frag = 0x2000} / kAck;
  EXPECT_EQ(verdict(fragment), "PASS_NO_SERVICE");
}

}  // namespace
}  // namespace loom::test
