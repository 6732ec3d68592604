// SPDX-License-Identifier: Apache-2.0
// Fragments: cut, sent through the datapath piece by piece, joined again and compared with what the
// whole packet would have become.
#include <algorithm>

#include "nat_fixture.hpp"
#include "support/fragments.hpp"

namespace loom::test {
namespace {

const std::string kText = [] {
  std::string text;
  for (size_t i = 0; i < 3000; ++i) text += static_cast<char>(i * 7 + i / 256);
  return text;
}();
const Payload kPayload{kText};
constexpr size_t kSize = 1200;
constexpr uint16_t kId = 77;
const Udp kUdp{.sport = 40000, .dport = 53};

struct Mode {
  loom_forwarding forwarding;
  const char* backend;
  size_t room;  ///< Bytes of tunnel.
};
const Mode kModes[] = {
    {LOOM_FORWARD_L2, "10.0.0.2", 0},        {LOOM_FORWARD_L2, "fc00::2", 0},
    {LOOM_FORWARD_IPIP, "10.0.0.2", 20},     {LOOM_FORWARD_IPIP, "fc00::2", 40},
    {LOOM_FORWARD_GUE, "10.0.0.2", 20 + 12}, {LOOM_FORWARD_GUE, "fc00::2", 40 + 12},
};

Bytes whole4(uint8_t ttl, const Ether& ether = kFromClient) {
  return ether / Ip4{.ttl = ttl, .id = kId, .frag = 0} / kUdp / kPayload;
}
Bytes whole6(uint8_t hops, const Ether& ether = kFromClient) {
  return ether / Ip6{.hop_limit = hops} / kUdp / kPayload;
}

class Fragments : public Nat {
 protected:
  static void serve_udp(const loom_backend& backend) {
    serve(kVip4, 53, IPPROTO_UDP, backend);
    put_listener(kVip6, 53, IPPROTO_UDP);
    put_listener(kVip4, 80, IPPROTO_TCP);
    put_vip(kVip6);
  }
  /// What comes out, without tunnels. Every piece must be sent.
  static std::vector<Bytes> sent(const std::vector<Bytes>& pieces, size_t room = 0) {
    std::vector<Bytes> out;
    for (const Bytes& piece : pieces) {
      const Outcome got = run(piece);
      EXPECT_EQ(got.action, XDP_TX);
      EXPECT_EQ(PacketCheck::problem_of(got.packet), "");
      out.push_back(unwrapped(got.packet, room));
    }
    return out;
  }
};

// ---- rule 7: the first fragment says where the others go

class Rule07 : public Fragments {};

TEST_F(Rule07, EveryModeSendsAllFragmentsWhereTheFirstWent) {
  for (const Mode& mode : kModes) {
    SCOPED_TRACE(std::to_string(mode.forwarding) + " to " + mode.backend);
    SetUp();
    serve_udp(backend_of(mode.forwarding, mode.backend));
    EXPECT_EQ(joined(sent(cut(whole4(64), kSize), mode.room)), whole4(63, kToBackend));
    EXPECT_EQ(joined(sent(cut(whole6(64), kSize), mode.room)), whole6(63, kToBackend));
    EXPECT_EQ(fragments(), 2u);
  }
}

TEST_F(Rule07, TcpSegmentsInFragmentsToo) {
  serve_udp(backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  const auto whole = [](uint8_t ttl, const Ether& ether) {
    return Bytes(ether / Ip4{.ttl = ttl, .id = kId, .frag = 0} / kAck / kPayload);
  };
  EXPECT_EQ(joined(sent(cut(whole(64, kFromClient), 24), 52)), whole(63, kToBackend));
}

TEST_F(Rule07, UdpWithoutChecksumInFragments) {
  serve_udp(backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  const Udp udp{.sport = 40000, .dport = 53, .has_checksum = false};
  const Bytes whole = kFromClient / Ip4{.id = kId, .frag = 0} / udp / kPayload;
  sent(cut(whole, kSize), 52);
}

TEST_F(Rule07, TheOrderOfLaterFragmentsDoesNotMatter) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  std::vector<Bytes> pieces = cut(whole4(64), 200);
  std::reverse(pieces.begin() + 1, pieces.end());
  EXPECT_EQ(joined(sent(pieces, 20)), whole4(63, kToBackend));
}

TEST_F(Rule07, AFragmentBeforeTheFirstIsACountedDrop) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  for (const Bytes& whole : {whole4(64), whole6(64)}) {
    const std::vector<Bytes> pieces = cut(whole, kSize);
    EXPECT_EQ(verdict(pieces[1]), "DROP_FRAGMENT_UNKNOWN");
    EXPECT_EQ(verdict(pieces[0]), "FORWARD_TX");
    EXPECT_EQ(verdict(pieces[1]), "FORWARD_TX");
  }
}

TEST_F(Rule07, OnlyTheSamePacketsFragmentsFollow) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  run(cut(whole4(64), kSize)[0]);
  const auto later = [](const std::string& src, uint16_t id, uint8_t proto) {
    return Bytes(kFromClient / Ip4{.src = src, .id = id, .frag = 150, .proto = proto} /
                 Payload{"rest"});
  };
  EXPECT_EQ(verdict(later("192.0.2.1", kId, IPPROTO_UDP)), "FORWARD_TX");
  EXPECT_EQ(verdict(later("192.0.2.2", kId, IPPROTO_UDP)), "DROP_FRAGMENT_UNKNOWN");
  EXPECT_EQ(verdict(later("192.0.2.1", kId + 1, IPPROTO_UDP)), "DROP_FRAGMENT_UNKNOWN");
  EXPECT_EQ(verdict(later("192.0.2.1", kId, IPPROTO_TCP)), "DROP_FRAGMENT_UNKNOWN");
}

TEST_F(Rule07, TheFirstFragmentIsForgottenAfterItsTimeout) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  const std::vector<Bytes> pieces = cut(whole4(64), kSize);
  run(pieces[0]);
  age_fragments(fragment_timeout() - 100);
  EXPECT_EQ(verdict(pieces[1]), "FORWARD_TX");
  age_fragments(101);
  EXPECT_EQ(verdict(pieces[1]), "DROP_FRAGMENT_UNKNOWN");
}

TEST_F(Rule07, AnotherBackendUnderTheSameIdGetsNoFragments) {
  loom_backend backend = backend_of(LOOM_FORWARD_IPIP, "10.0.0.2");
  serve_udp(backend);
  const std::vector<Bytes> pieces = cut(whole4(64), kSize);
  run(pieces[0]);
  backend.generation++;
  put_backend(1, backend);
  EXPECT_EQ(verdict(pieces[1]), "DROP_FRAGMENT_UNKNOWN");
}

TEST_F(Rule07, ADropOfTheFirstLeavesNothingBehind) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  put_ring(kService, 0);
  EXPECT_EQ(verdict(cut(whole4(64), kSize)[0]), "DROP_NO_BACKEND");
  EXPECT_EQ(fragments(), 0u);
}

TEST_F(Rule07, FragmentsFollowToThePassthroughPort) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  put_listener(kVip4, 53, IPPROTO_UDP, {0, LOOM_LISTENER_F_PASS});
  for (const Bytes& piece : cut(whole4(64), kSize)) EXPECT_EQ(verdict(piece), "PASS_PASSTHROUGH");
}

TEST_F(Rule07, LaterFragmentsHaveATtlAndAnMtuToo) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  const std::vector<Bytes> pieces = cut(whole4(64), 1488);
  EXPECT_EQ(verdict(pieces[0]), "DROP_TOO_BIG");
  run(cut(whole4(64), kSize)[0]);
  EXPECT_EQ(verdict(pieces[1]), "DROP_TOO_BIG");
  EXPECT_EQ(verdict(cut(whole4(1), kSize)[1]), "DROP_TTL_EXCEEDED");
}

TEST_F(Rule07, TheyAreCountedForTheBackendAndOneFlow) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  counted();
  sent(cut(whole4(64), kSize), 20);
  const Counted counts = counted();
  EXPECT_EQ(counts.backends.at(1).packets, 3u);
  EXPECT_EQ(counts.backends.at(1).flows, 1u);
}

TEST_F(Rule07, AnAnswerIsForTheFirstFragmentOnly) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  for (const Bytes& whole : {whole4(1), whole6(1)}) {
    const std::vector<Bytes> pieces = cut(whole, kSize);
    EXPECT_EQ(verdict(pieces[0]), "REPLY_TIME_EXCEEDED");
    EXPECT_EQ(verdict(pieces[1]), "DROP_FRAGMENT_UNKNOWN") << "it was not sent";
  }
  run(cut(whole6(64), kSize)[0]);
  EXPECT_EQ(verdict(cut(whole6(1), kSize)[1]), "DROP_TTL_EXCEEDED");
}

// Rule 22 for fragments.
TEST_F(Rule07, FragmentsForThisHostFollowToTheStack) {
  loom_backend backend = backend_of(LOOM_FORWARD_IPIP, "10.0.0.2");
  backend.flags |= LOOM_BACKEND_F_LOCAL;
  serve_udp(backend);
  for (const Bytes& piece : cut(whole4(64), kSize)) EXPECT_EQ(verdict(piece), "PASS_LOCAL_BACKEND");
}

TEST_F(Rule07, FragmentsBeyondTheConnectionLimitFollowToTheStack) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  put_settings(LOOM_SETTING_CONNECTION_LIMIT);
  for (const Bytes& piece : cut(whole4(64), kSize))
    EXPECT_EQ(verdict(piece), "PASS_CONNECTION_LIMIT");
}

TEST_F(Rule07, FragmentsWithoutABackendFollowToTheStack) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  loom_service service{};
  service.forwarding = LOOM_FORWARD_IPIP;
  service.on_no_backend = LOOM_NO_BACKEND_PASS;
  put_service(kService, service);
  put_ring(kService, 0);
  for (const Bytes& piece : cut(whole4(64), kSize)) EXPECT_EQ(verdict(piece), "PASS_NO_BACKEND");
}

TEST_F(Rule07, OfIcmpInPiecesNoneIsBalanced) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
  const Bytes echo = kFromClient / Ip4{.id = kId, .frag = 0} / Icmp{} / kPayload;
  for (const Bytes& piece : cut(echo, kSize)) EXPECT_EQ(verdict(piece), "DROP_FRAGMENT_UNKNOWN");
}

TEST_F(Rule07, BehindOtherExtensionHeadersToo) {
  serve_udp(backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  const Bytes first = kFromClient / Ip6{} / Extension{IPPROTO_HOPOPTS} /
                      Extension{IPPROTO_FRAGMENT, {0, 0, 1, 0, 0, 0, 9}} / kUdp /
                      Payload{"12345678"};
  const Bytes later = kFromClient / Ip6{} / Extension{IPPROTO_HOPOPTS} /
                      Extension{IPPROTO_FRAGMENT, {0, 0, 16, 0, 0, 0, 9}} / Payload{"the rest"};
  sent({first, later}, 52);
}

// RFC 6946: a fragment header on a whole packet.
TEST_F(Rule07, AnAtomicFragmentIsAWholePacket) {
  serve_udp(backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  const auto whole = [](uint8_t hops, const Ether& ether) {
    return Bytes(ether / Ip6{.hop_limit = hops} / kUdp / Payload{"query"});
  };
  const std::vector<Bytes> pieces = cut(whole(64, kFromClient), kSize);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(joined(sent(pieces, 52)), whole(63, kToBackend));
  EXPECT_EQ(fragments(), 0u);
}

// RFC 8200 4.5: only the first fragment's next header counts.
TEST_F(Rule07, FragmentsOfIpv6NeedNotAgreeOnTheProtocol) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  const std::vector<Bytes> pieces = cut(whole6(64), kSize);
  run(pieces[0]);
  EXPECT_EQ(verdict(patched(pieces[1], kEther + 40, IPPROTO_TCP)), "FORWARD_TX");
}

TEST_F(Rule07, TwoFragmentHeadersAreNotFollowed) {
  serve_udp(backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  const Extension fragment{IPPROTO_FRAGMENT, {0, 0, 1, 0, 0, 0, 1}};
  EXPECT_EQ(verdict(kFromClient / Ip6{} / fragment / fragment / kUdp), "PASS_EXTENSION_HEADER");
}

// ---- rule 7 under NAT

class Rule07Nat : public Fragments {
 protected:
  static void serve_nat() {
    serve_udp(backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
    put_backend(2, backend_of(LOOM_FORWARD_NAT, "fc00::2"));
    put_service(2, LOOM_FORWARD_NAT);
    put_ring(2, 2);
    put_listener(kVip6, 53, IPPROTO_UDP, {2, 0});
  }
};

TEST_F(Rule07Nat, BothDirectionsAreTranslatedOverV4) {
  serve_nat();
  const uint16_t port = nat_candidate(flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP));
  const Bytes there = kToBackend /
                      Ip4{.src = kSource4, .dst = "10.0.0.2", .ttl = 63, .id = kId, .frag = 0} /
                      Udp{.sport = port, .dport = 53} / kPayload;
  EXPECT_EQ(joined(sent(cut(whole4(64), kSize))), there);

  const Bytes answer = kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4, .id = 5, .frag = 0} /
                       Udp{.sport = 53, .dport = port} / kPayload;
  const Bytes back = kToClient /
                     Ip4{.src = kVip4, .dst = "192.0.2.1", .ttl = 63, .id = 5, .frag = 0} /
                     Udp{.sport = 53, .dport = 40000} / kPayload;
  counted();
  EXPECT_EQ(joined(sent(cut(answer, kSize))), back);
  EXPECT_EQ(counted().verdicts.at(LOOM_REPLY_TX).packets, 3u);
}

TEST_F(Rule07Nat, BothDirectionsAreTranslatedOverV6) {
  serve_nat();
  const uint16_t port = nat_candidate(flow_of("2001:db8::1", 40000, kVip6, 53, IPPROTO_UDP));
  const Bytes there = kToBackend / Ip6{.src = kSource6, .dst = "fc00::2", .hop_limit = 63} /
                      Udp{.sport = port, .dport = 53} / kPayload;
  EXPECT_EQ(joined(sent(cut(whole6(64), kSize))), there);

  const Bytes answer = kFromBackend / Ip6{.src = "fc00::2", .dst = kSource6} /
                       Udp{.sport = 53, .dport = port} / kPayload;
  const Bytes back = kToClient / Ip6{.src = kVip6, .dst = "2001:db8::1", .hop_limit = 63} /
                     Udp{.sport = 53, .dport = 40000} / kPayload;
  EXPECT_EQ(joined(sent(cut(answer, kSize))), back);
}

TEST_F(Rule07Nat, RepliesOfAnUnknownPacketGoToTheStack) {
  serve_nat();
  const Bytes answer = kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4, .id = 5, .frag = 0} /
                       Udp{.sport = 53, .dport = 1024} / kPayload;
  EXPECT_EQ(verdict(cut(answer, kSize)[1]), "PASS_NO_SERVICE");
}

TEST_F(Rule07Nat, RepliesToAnotherInterfaceAreRedirected) {
  serve_nat();
  const uint16_t port = nat_candidate(flow_of("192.0.2.1", 40000, kVip4, 53, IPPROTO_UDP));
  run(kFromClient / Ip4{} / kUdp);
  for (auto [key, entry] : flows()) {
    entry.peer_ifindex = egress();
    put_flow(key, entry);
  }
  const Bytes answer = kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4, .id = 5, .frag = 0} /
                       Udp{.sport = 53, .dport = port} / kPayload;
  for (const Bytes& piece : cut(answer, kSize)) EXPECT_EQ(verdict(piece), "REPLY_REDIRECT");
  EXPECT_EQ(verdict(patched(cut(answer, kSize)[1], kEther + 8, 1)), "DROP_TTL_EXCEEDED");
  remove_interface(egress());
  EXPECT_EQ(verdict(cut(answer, kSize)[1]), "ABORT_REDIRECT_FAILED");
}

// ---- rule 8

class Rule08 : public Fragments {};

TEST_F(Rule08, FragmentedAndWholePacketsOfAFlowReachTheSameBackend) {
  serve_udp(backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  put_backend(2, backend_of(LOOM_FORWARD_L2, "10.0.0.3"));
  std::vector<loom_slot> slots(kRingSize);
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = 1 + i % 2;
  put_ring(kService, slots);

  for (uint16_t sport = 1; sport <= 200; ++sport) {
    const Udp udp{.sport = sport, .dport = 53};
    std::vector<Bytes> frames = {kFromClient / Ip4{} / udp};
    for (const Bytes& piece :
         cut(kFromClient / Ip4{.id = sport, .frag = 0} / udp / kPayload, kSize))
      frames.push_back(piece);
    if (sport % 2) std::rotate(frames.begin(), frames.begin() + 1, frames.end());
    counted();
    for (const Bytes& frame : frames) run(frame);
    const Counted counts = counted();
    ASSERT_EQ(counts.backends.size(), 1u) << sport;
    ASSERT_EQ(counts.backends.begin()->second.packets, 4u) << sport;
  }
}

}  // namespace
}  // namespace loom::test
