// SPDX-License-Identifier: Apache-2.0
// Rule 9: ICMP errors go where the flow of the packet that they quote goes.
#include "nat_fixture.hpp"

namespace loom::test {
namespace {

constexpr const char* kRouter4 = "203.0.113.9";
constexpr const char* kRouter6 = "2001:db8:9::9";

/// The first `length` bytes of the IP packet in an untagged frame.
Payload quote_of(const Bytes& frame, size_t length = 65535) {
  const size_t end = std::min(frame.size(), 14 + length);
  return {std::string(frame.begin() + 14, frame.begin() + static_cast<long>(end))};
}

class Rule09 : public Datapath {
 protected:
  /// What a backend of the VIP sent to the client.
  static Bytes backend_sent4(Bytes options = {}) {
    Ip4 ip{.src = kVip4, .dst = "192.0.2.1", .ttl = 7};
    ip.options = std::move(options);
    return Ether{} / ip / Tcp{.sport = 80, .dport = 40000, .ack = true} / Payload{"data"};
  }
  static Bytes backend_sent6() {
    return Ether{} / Ip6{.src = kVip6, .dst = "2001:db8::1"} /
           Tcp{.sport = 80, .dport = 40000, .ack = true} / Payload{"data"};
  }
  static Packet from_router4() { return kFromClient / Ip4{.src = kRouter4}; }
  static Packet from_router6() { return kFromClient / Ip6{.src = kRouter6}; }
};

// ---- DSR

TEST_F(Rule09, AnErrorIsSentThroughTheTunnelOfItsFlow) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  const Icmp error{.type = 3, .code = 4, .rest = 1400};
  const Outcome got = run(from_router4() / error / quote_of(backend_sent4()));
  EXPECT_EQ(got.action, XDP_TX);
  EXPECT_EQ(got.packet, Bytes(kToBackend / Ip4{.src = kSource4, .dst = "10.0.0.2"} /
                              Ip4{.src = kRouter4, .ttl = 63} / error / quote_of(backend_sent4())));
}

TEST_F(Rule09, AnErrorOfV6IsSentThroughTheTunnelOfItsFlow) {
  serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "fc00::2"));
  const Icmp error{.type = 2, .rest = 1400};
  const Ip6 outer{.src = kSource6, .dst = "fc00::2", .flow_label = flow_hash(kFlow6) & 0xfffff};
  EXPECT_EQ(run(from_router6() / error / quote_of(backend_sent6())).packet,
            Bytes(kToBackend / outer / Ip6{.src = kRouter6, .hop_limit = 63} / error /
                  quote_of(backend_sent6())));
}

TEST_F(Rule09, AnErrorInGueHasTheFlowsPortAndARightChecksum) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  const Bytes flow_packet = run(kFromClient / Ip4{} / kAck).packet;
  const Bytes got = run(from_router4() / Icmp{.type = 11} / quote_of(backend_sent4())).packet;
  EXPECT_EQ(PacketCheck::problem_of(got), "");
  constexpr size_t kPort = 14 + 40;
  EXPECT_EQ(Bytes(got.begin() + kPort, got.begin() + kPort + 2),
            Bytes(flow_packet.begin() + kPort, flow_packet.begin() + kPort + 2));
}

TEST_F(Rule09, AnErrorIsSentOnOverL2) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  const Icmp error{.type = 12};
  EXPECT_EQ(
      run(from_router4() / error / quote_of(backend_sent4())).packet,
      Bytes(kToBackend / Ip4{.src = kRouter4, .ttl = 63} / error / quote_of(backend_sent4())));
}

TEST_F(Rule09, EightBytesOfL4AndOptionsAreEnough) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  const Icmp error{.type = 3, .code = 1};
  EXPECT_EQ(verdict(from_router4() / error / quote_of(backend_sent4(), 28)), "FORWARD_TX");
  EXPECT_EQ(verdict(from_router4() / error / quote_of(backend_sent4(Bytes(40, 1)), 68)),
            "FORWARD_TX");
  EXPECT_EQ(verdict(from_router4() / error / quote_of(backend_sent4(), 27)), "DROP_ICMP_UNKNOWN");
  EXPECT_EQ(verdict(padded(from_router4() / error / quote_of(backend_sent4(), 27), 100)),
            "DROP_ICMP_UNKNOWN");
}

TEST_F(Rule09, AQuoteWithV6FragmentHeaderIsFoundWhereItIsTheFirst) {
  serve(kVip6, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  const Ip6 ip{.src = kVip6, .dst = "2001:db8::1", .next = IPPROTO_FRAGMENT};
  const auto error = [&](char offset) -> Bytes {
    const std::string fragment{IPPROTO_UDP, 0, 0, offset, 0, 0, 0, 9};
    const Bytes udp = bytes_of(htons(53)) + bytes_of(htons(40000)) + Bytes{0, 16, 1, 2};
    return from_router6() / Icmp{.type = 1} / ip /
           Payload{fragment + std::string(udp.begin(), udp.end())};
  };
  EXPECT_EQ(verdict(error(1)), "FORWARD_TX");
  EXPECT_EQ(verdict(error(9)), "DROP_ICMP_UNKNOWN");
}

TEST_F(Rule09, AnErrorGoesToTheBackendOfTheFlowAndNotOfTheRing) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  run(kFromClient / Ip4{} / kSyn);
  run(kFromClient / Ip4{} / kAck);
  put_backend(2, backend_of(LOOM_FORWARD_IPIP, "10.0.0.3"));
  put_ring(kService, 2);
  counted();
  run(from_router4() / Icmp{.type = 3} / quote_of(backend_sent4()));
  EXPECT_EQ(counted().backends.count(1), 1u);

  loom_backend down = backend_of(LOOM_FORWARD_IPIP, "10.0.0.2");
  down.flags |= LOOM_BACKEND_F_DOWN;
  put_backend(1, down);
  run(from_router4() / Icmp{.type = 3} / quote_of(backend_sent4()));
  EXPECT_EQ(counted().backends.count(2), 1u);
}

TEST_F(Rule09, AnErrorNeitherMakesNorTouchesNorEndsAFlow) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  run(from_router4() / Icmp{.type = 3} / quote_of(backend_sent4()));
  EXPECT_TRUE(flows().empty());

  run(kFromClient / Ip4{} / kSyn);
  run(kFromClient / Ip4{} / kAck);
  age_flow(kFlow4, 10);
  const Bytes before = bytes_of(flow(kFlow4).value());
  for (const bool syn : {true, false}) {
    const Tcp flags{.sport = 80, .dport = 40000, .syn = syn, .fin = true, .rst = true};
    run(from_router4() / Icmp{.type = 3} / Ip4{.src = kVip4, .dst = "192.0.2.1"} / flags);
  }
  EXPECT_EQ(bytes_of(flow(kFlow4).value()), before);
  EXPECT_EQ(flows().size(), 1u);
}

TEST_F(Rule09, AnErrorAboutNothingOfOursIsDroppedOrLeftToTheHost) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  put_listener(kVip4, 22, IPPROTO_TCP, {0, LOOM_LISTENER_F_PASS});
  const Icmp error{.type = 3};
  const Ip4 from_vip{.src = kVip4, .dst = "192.0.2.1"};
  const std::vector<Bytes> unknown = {
      from_router4() / error / from_vip / Tcp{.sport = 81},
      from_router4() / error / from_vip / Udp{.sport = 80},
      from_router4() / error / from_vip / Icmp{},
      from_router4() / error / Ip4{.src = "192.0.2.1", .dst = kVip4} / Tcp{.sport = 80},
      from_router4() / error / Ip4{.src = kVip4, .frag = 1} / Tcp{.sport = 80},
      from_router4() / error / Ip6{.src = kVip6} / Tcp{.sport = 80},
      from_router4() / error,
  };
  for (const Bytes& frame : unknown) EXPECT_EQ(verdict(frame), "DROP_ICMP_UNKNOWN");
  put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_PASS_UNSERVED);
  for (const Bytes& frame : unknown) EXPECT_EQ(verdict(frame), "PASS_ICMP");
  EXPECT_EQ(verdict(from_router4() / error / from_vip / Tcp{.sport = 22}), "PASS_PASSTHROUGH");
}

TEST_F(Rule09, OtherIcmpIsLeftToTheStack) {
  put_vip(kVip4);
  put_vip(kVip6);
  for (const uint8_t type : Bytes{0, 4, 5, 9, 13})
    EXPECT_EQ(verdict(from_router4() / Icmp{.type = type}), "PASS_ICMP") << int{type};
  for (const uint8_t type : Bytes{129, 133, 134, 135, 136, 137})
    EXPECT_EQ(verdict(from_router6() / Icmp{.type = type}), "PASS_ICMP") << int{type};
}

TEST_F(Rule09, AnErrorOnItsLastHopIsDropped) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  EXPECT_EQ(verdict(kFromClient / Ip4{.ttl = 1} / Icmp{.type = 3} / quote_of(backend_sent4())),
            "DROP_TTL_EXCEEDED");
}

// ---- NAT

class Rule09Nat : public Nat {
 protected:
  void SetUp() override {
    Nat::SetUp();
    serve_tcp4();
  }
  /// A packet of the flow between backend and NAT address, in either direction.
  static Bytes backend_view(uint16_t port, bool from_backend) {
    if (from_backend)
      return Ether{} / Ip4{.src = "10.0.0.2", .dst = kSource4} /
             Tcp{.sport = 8080, .dport = port, .ack = true} / Payload{"data"};
    return Ether{} / Ip4{.src = kSource4, .dst = "10.0.0.2"} /
           Tcp{.sport = port, .dport = 8080, .ack = true} / Payload{"data"};
  }
  /// The same packet between client and VIP.
  static Bytes client_view(bool from_vip) {
    const Tcp tcp{.sport = 40000, .dport = 80, .ack = true};
    if (!from_vip) return Ether{} / Ip4{} / tcp / Payload{"data"};
    return Ether{} / Ip4{.src = kVip4, .dst = "192.0.2.1"} /
           Tcp{.sport = 80, .dport = 40000, .ack = true} / Payload{"data"};
  }
  static Packet to_backend(const char* source) {
    return kToBackend / Ip4{.src = source, .dst = "10.0.0.2", .ttl = 63};
  }
  static Packet to_client(const char* source) {
    return kToClient / Ip4{.src = source, .dst = "192.0.2.1", .ttl = 63};
  }
  static void expect_sent(const Bytes& frame, const Bytes& want) {
    const Outcome got = run(frame);
    EXPECT_EQ(got.action, XDP_TX);
    EXPECT_EQ(got.packet, shown(want));
    EXPECT_EQ(PacketCheck::problem_of(got.packet), "");
  }
};

TEST_F(Rule09Nat, AnErrorForTheVipReachesTheBackendInItsOwnTerms) {
  const uint16_t port = open();
  const Icmp error{.type = 3, .code = 4, .rest = 1400};
  expect_sent(kFromClient / Ip4{.src = kRouter4} / error / quote_of(client_view(true)),
              to_backend(kRouter4) / error / quote_of(backend_view(port, true)));
  // From the client itself, whom the backend knows by the NAT address.
  expect_sent(kFromClient / Ip4{} / error / quote_of(client_view(true)),
              to_backend(kSource4) / error / quote_of(backend_view(port, true)));
}

TEST_F(Rule09Nat, AnErrorForTheNatAddressReachesTheClientInItsOwnTerms) {
  const uint16_t port = open();
  const Icmp error{.type = 11};
  expect_sent(kFromBackend / Ip4{.src = kRouter4, .dst = kSource4} / error /
                  quote_of(backend_view(port, false)),
              to_client(kRouter4) / error / quote_of(client_view(false)));
  // From the backend itself, whom the client knows as the VIP.
  expect_sent(kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4} / error /
                  quote_of(backend_view(port, false)),
              to_client(kVip4) / error / quote_of(client_view(false)));
}

// A quote that ends before TCP's checksum needs none; 38 bytes are the first that have it. Half a
// checksum, at 37, is left as it is: nobody can use it.
TEST_F(Rule09Nat, EveryLengthOfAQuoteIsTranslated) {
  const uint16_t port = open();
  const Icmp error{.type = 3};
  for (size_t length = 28; length <= 44; ++length) {
    if (length == 37) continue;
    SCOPED_TRACE(length);
    expect_sent(kFromClient / Ip4{.src = kRouter4} / error / quote_of(client_view(true), length),
                to_backend(kRouter4) / error / quote_of(backend_view(port, true), length));
  }
}

TEST_F(Rule09Nat, HalfAQuotedChecksumLeavesTheErrorsOwnRight) {
  open();
  const Bytes got =
      run(kFromClient / Ip4{} / Icmp{.type = 3} / quote_of(client_view(true), 37)).packet;
  EXPECT_EQ(PacketCheck::problem_of(got), "");
}

TEST_F(Rule09Nat, QuotedOptionsStayWhereTheyAre) {
  const uint16_t port = open();
  const Icmp error{.type = 12};
  Ip4 quoted{.src = kVip4, .dst = "192.0.2.1"};
  quoted.options = Bytes(8, 1);
  Ip4 translated{.src = "10.0.0.2", .dst = kSource4};
  translated.options = quoted.options;
  Ip4 router{.src = kRouter4};
  router.options = Bytes(4, 1);
  Ip4 outer{.src = kRouter4, .dst = "10.0.0.2", .ttl = 63};
  outer.options = router.options;
  expect_sent(kFromClient / Vlan{} / router / error / quoted / Tcp{.sport = 80, .dport = 40000},
              kToBackend / Vlan{} / outer / error / translated / Tcp{.sport = 8080, .dport = port});
}

TEST_F(Rule09Nat, UdpWithAndWithoutChecksumIsTranslated) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
  const uint16_t port = nat_candidate(flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP));
  run(kFromClient / Ip4{} / Udp{} / Payload{"query"});
  const Icmp error{.type = 3, .code = 3};
  for (const bool summed : {true, false}) {
    const Udp quoted{.sport = 53, .dport = 40000, .has_checksum = summed};
    const Udp translated{.sport = 53, .dport = port, .has_checksum = summed};
    expect_sent(kFromClient / Ip4{} / error / Ip4{.src = kVip4, .dst = "192.0.2.1"} / quoted /
                    Payload{"answer"},
                to_backend(kSource4) / error / Ip4{.src = "10.0.0.2", .dst = kSource4} /
                    translated / Payload{"answer"});
  }
}

// The entry of a backend that is gone may outlive it.
TEST_F(Rule09Nat, AnErrorAboutAFlowThatMovedOnReachesItsNewBackend) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
  const Bytes query = kFromClient / Ip4{} / Udp{} / Payload{"query"};
  run(query);
  run(query);
  put_backend(1, {});
  put_backend(2, backend_of(LOOM_FORWARD_NAT, "10.0.0.3"));
  put_ring(kService, 2);
  run(query);
  const Outcome got = run(kFromClient / Ip4{} / Icmp{.type = 3, .code = 3} /
                          Ip4{.src = kVip4, .dst = "192.0.2.1"} / Udp{.sport = 53, .dport = 40000});
  const uint16_t port = nat_candidate(flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP));
  EXPECT_EQ(got.packet, Bytes(kToBackend / Ip4{.src = kSource4, .dst = "10.0.0.3", .ttl = 63} /
                              Icmp{.type = 3, .code = 3} / Ip4{.src = "10.0.0.3", .dst = kSource4} /
                              Udp{.sport = 53, .dport = port}));
}

TEST_F(Rule09Nat, V6IsTranslatedBothWays) {
  serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_NAT, "fc00::2"));
  run(kFromClient / Ip6{} / kSyn);
  const uint16_t port = nat_candidate(kFlow6);
  const Icmp error{.type = 2, .rest = 1400};
  const Packet there = Ip6{.src = kVip6, .dst = "2001:db8::1"} /
                       Tcp{.sport = 80, .dport = 40000, .ack = true} / Payload{"odd"};
  const Packet there_translated = Ip6{.src = "fc00::2", .dst = kSource6} /
                                  Tcp{.sport = 80, .dport = port, .ack = true} / Payload{"odd"};
  expect_sent(kFromClient / Ip6{.src = kRouter6} / error / there,
              kToBackend / Ip6{.src = kRouter6, .dst = "fc00::2", .hop_limit = 63} / error /
                  there_translated);

  const Packet back = Ip6{.src = kSource6, .dst = "fc00::2"} / Tcp{.sport = port, .dport = 80};
  const Packet back_translated =
      Ip6{.src = "2001:db8::1", .dst = kVip6} / Tcp{.sport = 40000, .dport = 80};
  expect_sent(kFromBackend / Ip6{.src = "fc00::2", .dst = kSource6} / error / back,
              kToClient / Ip6{.src = kVip6, .dst = "2001:db8::1", .hop_limit = 63} / error /
                  back_translated);
}

TEST_F(Rule09Nat, AnErrorAboutAFlowThatIsNotThereIsNotTranslated) {
  const Icmp error{.type = 3};
  EXPECT_EQ(verdict(kFromClient / Ip4{} / error / quote_of(client_view(true))),
            "DROP_ICMP_UNKNOWN");
  EXPECT_EQ(verdict(kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4} / error /
                    quote_of(backend_view(2000, false))),
            "PASS_ICMP")
      << "the NAT address is an address of this host";

  const uint16_t port = open();
  age_flow(kFlow4, timeout(LOOM_STATE_SYN_SENT) + 1);
  age_flow(reply_key(port), timeout(LOOM_STATE_SYN_SENT) + 1);
  EXPECT_EQ(verdict(kFromClient / Ip4{} / error / quote_of(client_view(true))),
            "DROP_ICMP_UNKNOWN");
}

TEST_F(Rule09Nat, AnErrorLeavesThePairAsItIs) {
  const uint16_t port = open();
  const FlowTable before = flows();
  run(kFromClient / Ip4{} / Icmp{.type = 3} / quote_of(client_view(true)));
  run(kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4} / Icmp{.type = 3} /
      quote_of(backend_view(port, false)));
  const FlowTable after = flows();
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [key, entry] : before) EXPECT_EQ(bytes_of(after.at(key)), bytes_of(entry));
}

}  // namespace
}  // namespace loom::test
