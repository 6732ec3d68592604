// SPDX-License-Identifier: Apache-2.0
// NAT with source masquerade: whole packets in both directions, and which port a flow gets.
#include "nat_fixture.hpp"

namespace loom::test {
namespace {

// ---- whole packets

TEST_F(Nat, TcpOverV4ComesAndGoes) {
  serve_tcp4();
  const uint16_t port = nat_candidate(kFlow4);

  const Outcome there = run(kFromClient / Ip4{.tos = 0x2e} / kSyn / Payload{"odd"});
  EXPECT_EQ(there.packet,
            Bytes(kToBackend / Ip4{.src = kSource4, .dst = "10.0.0.2", .ttl = 63, .tos = 0x2e} /
                  Tcp{.sport = port, .dport = 8080, .syn = true} / Payload{"odd"}));

  const Outcome back = run(answer(port, {.syn = true, .ack = true}));
  EXPECT_EQ(back.action, XDP_TX);
  EXPECT_EQ(back.packet, Bytes(kToClient / Ip4{.src = kVip4, .dst = "192.0.2.1", .ttl = 63} /
                               Tcp{.sport = 80, .dport = 40000, .syn = true, .ack = true}));
}

TEST_F(Nat, TcpOverV6ComesAndGoes) {
  serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_NAT, "fc00::2"));
  const uint16_t port = nat_candidate(kFlow6);
  const Ip6 client{.traffic_class = 0xb9, .flow_label = 0x12345};

  const Outcome there = run(kFromClient / client / kSyn);
  EXPECT_EQ(there.packet, Bytes(kToBackend /
                                Ip6{.src = kSource6,
                                    .dst = "fc00::2",
                                    .hop_limit = 63,
                                    .traffic_class = 0xb9,
                                    .flow_label = 0x12345} /
                                Tcp{.sport = port, .dport = 80, .syn = true}));

  const Outcome back = run(kFromBackend / Ip6{.src = "fc00::2", .dst = kSource6} /
                           Tcp{.sport = 80, .dport = port, .ack = true} / Payload{"hello"});
  EXPECT_EQ(back.packet,
            Bytes(kToClient / Ip6{.src = kVip6, .dst = "2001:db8::1", .hop_limit = 63} /
                  Tcp{.sport = 80, .dport = 40000, .ack = true} / Payload{"hello"}));
}

TEST_F(Nat, UdpComesAndGoes) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
  const uint16_t port = nat_candidate(flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP));

  const Outcome there = run(kFromClient / Ip4{} / Udp{} / Payload{"query"});
  EXPECT_EQ(there.packet, Bytes(kToBackend / Ip4{.src = kSource4, .dst = "10.0.0.2", .ttl = 63} /
                                Udp{.sport = port, .dport = 53} / Payload{"query"}));

  const Outcome back = run(kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4} /
                           Udp{.sport = 53, .dport = port} / Payload{"answer"});
  EXPECT_EQ(back.packet, Bytes(kToClient / Ip4{.src = kVip4, .dst = "192.0.2.1", .ttl = 63} /
                               Udp{.sport = 53, .dport = 40000} / Payload{"answer"}));
}

TEST_F(Nat, UdpWithoutChecksumStaysWithout) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
  const uint16_t port = nat_candidate(flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP));
  EXPECT_EQ(run(kFromClient / Ip4{} / Udp{.has_checksum = false} / Payload{"query"}).packet,
            Bytes(kToBackend / Ip4{.src = kSource4, .dst = "10.0.0.2", .ttl = 63} /
                  Udp{.sport = port, .dport = 53, .has_checksum = false} / Payload{"query"}));
}

TEST_F(Nat, AUdpChecksumThatComesOutAsZeroIsSentAsOnes) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
  const uint16_t port = nat_candidate(flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP));
  const auto sent = [&](const std::string& text) {
    return Bytes(kToBackend / Ip4{.src = kSource4, .dst = "10.0.0.2", .ttl = 63} /
                 Udp{.sport = port, .dport = 53} / Payload{text});
  };
  // What the checksum lacks to zero is what it is with two zero bytes of payload.
  const Bytes probe = sent(std::string(2, '\0'));
  const std::string text(probe.begin() + 40, probe.begin() + 42);
  const Bytes want = sent(text);
  ASSERT_EQ(want[40] << 8 | want[41], 0xffff);

  EXPECT_EQ(run(kFromClient / Ip4{} / Udp{} / Payload{text}).packet, want);
}

TEST_F(Nat, HeaderOptionsStayBetweenTheRewrittenHeaders) {
  serve_tcp4();
  const Bytes options{7, 7, 4, 0, 0, 0, 0, 0};
  Ip4 client;
  client.options = options;
  Ip4 inner{.src = kSource4, .dst = "10.0.0.2", .ttl = 63};
  inner.options = options;
  EXPECT_EQ(
      run(kFromClient / client / kSyn).packet,
      Bytes(kToBackend / inner / Tcp{.sport = nat_candidate(kFlow4), .dport = 8080, .syn = true}));
}

TEST_F(Nat, ABackendWithoutPortKeepsThePacketsPort) {
  serve_tcp4(0);
  EXPECT_EQ(run(kFromClient / Ip4{} / kSyn).packet,
            Bytes(kToBackend / Ip4{.src = kSource4, .dst = "10.0.0.2", .ttl = 63} /
                  Tcp{.sport = nat_candidate(kFlow4), .dport = 80, .syn = true}));
}

TEST_F(Nat, ChecksumsAreRightForManyFlows) {
  serve_tcp4();
  for (uint16_t sport = 1; sport <= 2000; ++sport) {
    const Outcome got = run(kFromClient / Ip4{.id = sport} / Tcp{.sport = sport, .syn = true} /
                            Payload{std::to_string(sport)});
    ASSERT_EQ(PacketCheck::problem_of(got.packet), "") << sport;
  }
}

// ---- ports

TEST_F(Nat, ASynSentTwiceKeepsItsPort) {
  serve_tcp4();
  const Outcome first = run(kFromClient / Ip4{} / kSyn);
  counted();
  const Outcome second = run(kFromClient / Ip4{} / kSyn);
  EXPECT_EQ(first.packet, second.packet);
  EXPECT_EQ(counted().backends.at(1).flows, 0u);
  EXPECT_EQ(flows().size(), 2u);
}

TEST_F(Nat, APortUsedAgainAfterTheCloseKeepsItsNatPort) {
  serve_tcp4();
  const uint16_t port = open();
  run(answer(port, {.ack = true, .fin = true}));
  run(kFromClient / Ip4{} / Tcp{.ack = true, .fin = true});
  counted();

  EXPECT_EQ(run(kFromClient / Ip4{} / kNextSyn).action, XDP_TX);
  EXPECT_EQ(flows_on_probation().at(kFlow4).other.dport, htons(port));
  EXPECT_EQ(counted().backends.at(1).flows, 1u);
  EXPECT_EQ(verdict(answer(port, {.syn = true, .ack = true})), "REPLY_TX");

  run(kFromClient / Ip4{} / Tcp{.ack = true, .seq = 5001});
  EXPECT_EQ(state_of(kFlow4), LOOM_STATE_ESTABLISHED);
  EXPECT_EQ(flow(kFlow4)->packets, 2u);
  EXPECT_TRUE(flows_on_probation().empty());
}

TEST_F(Nat, ATakenPortIsLeftToItsOwner) {
  serve_tcp4();
  const uint64_t now = clock().jiffies;
  const loom_flow owner = flow_of("192.0.2.77", 1, kVip4, 80, IPPROTO_TCP);
  loom_flow_entry taken{.other = owner, .created = now, .seen = now, .backend = 1, .generation = 1};
  taken.state = LOOM_STATE_ESTABLISHED;
  taken.flags = LOOM_FLOW_F_REPLY;
  put_flow(reply_key(nat_candidate(kFlow4, 0)), taken);

  run(kFromClient / Ip4{} / kSyn);

  EXPECT_EQ(flow(kFlow4)->other.dport, htons(nat_candidate(kFlow4, 1)));
  EXPECT_EQ(bytes_of(flow(reply_key(nat_candidate(kFlow4, 0)))->other), bytes_of(owner));
}

TEST_F(Nat, APortWhoseFlowHasExpiredIsTakenOver) {
  serve_tcp4();
  loom_flow_entry old{.other = flow_of("192.0.2.77", 1, kVip4, 80, IPPROTO_TCP)};
  old.seen = clock().jiffies - timeout(LOOM_STATE_ESTABLISHED) - 1;
  old.state = LOOM_STATE_ESTABLISHED;
  old.flags = LOOM_FLOW_F_REPLY;
  put_flow(reply_key(nat_candidate(kFlow4)), old);

  run(kFromClient / Ip4{} / kSyn);

  EXPECT_EQ(flow(kFlow4)->other.dport, htons(nat_candidate(kFlow4)));
  EXPECT_EQ(bytes_of(flows_on_probation().at(reply_key(nat_candidate(kFlow4))).other),
            bytes_of(kFlow4));
}

TEST_F(Nat, TheSamePortServesDifferentBackends) {
  serve_tcp4();
  run(kFromClient / Ip4{} / kSyn);
  loom_backend second = backend_of(LOOM_FORWARD_NAT, "10.0.0.3");
  put_backend(2, second);
  put_ring(kService, 2);
  run(kFromClient / Ip4{} / kNextSyn);
  EXPECT_EQ(flow(kFlow4)->other.dport, htons(nat_candidate(kFlow4)));
  EXPECT_EQ(flow(kFlow4)->backend, 2u);
  EXPECT_TRUE(flow(reply_key(nat_candidate(kFlow4)))) << "the old backend may still answer";
}

TEST_F(Nat, Rule24AResetOpensNothingEvenWithASyn) {
  serve_tcp4();
  EXPECT_EQ(verdict(kFromClient / Ip4{} / Tcp{.syn = true, .rst = true}), "DROP_NO_FLOW");
  EXPECT_TRUE(flows().empty());
}

TEST_F(Nat, AFlowThatLostItsPortToAnotherIsNotServedUnderIt) {
  serve_tcp4();
  const uint16_t port = open();
  loom_flow_entry thief = flow(reply_key(port)).value();
  thief.other = flow_of("192.0.2.77", 1, kVip4, 80, IPPROTO_TCP);
  put_flow(reply_key(port), thief);
  EXPECT_EQ(verdict(ack()), "REPLY_RST");
}

}  // namespace
}  // namespace loom::test
