// SPDX-License-Identifier: Apache-2.0
// IPv6 extension headers: what the bounded walk crosses, and where it stops.
#include "nat_fixture.hpp"

namespace loom::test {
namespace {

Bytes padding(size_t length) {
  Bytes rest(length - 1);
  rest[0] = static_cast<uint8_t>(length / 8 - 1);
  return rest;
}
const Extension kHopByHop{IPPROTO_HOPOPTS};
const Extension kOptions{IPPROTO_DSTOPTS};
const Extension kRouting{IPPROTO_ROUTING, {0, 4, 0, 0, 0, 0, 0}};
const Extension kLongOptions{IPPROTO_DSTOPTS, padding(128)};
/// 24 bytes: RFC 4302 counts in units of 4 and leaves out two.
const Extension kAuthentication{IPPROTO_AH, Bytes{4} + Bytes(22)};
const Ip6 kClient{.hop_limit = 64};
const Ip6 kInner{.hop_limit = 63};

class Rule04 : public Nat {
 protected:
  static void serve_tcp6(loom_forwarding forwarding, const std::string& backend) {
    serve(kVip6, 80, IPPROTO_TCP, backend_of(forwarding, backend));
  }
};

std::vector<std::vector<Layer>> chains() {
  return {{kHopByHop},
          {kOptions},
          {kRouting},
          {kAuthentication},
          {kLongOptions},
          {kHopByHop, kOptions, kRouting, kAuthentication},
          {kHopByHop, kHopByHop, kHopByHop, kHopByHop}};
}
Packet chained(Packet packet, const std::vector<Layer>& chain) {
  for (const Layer& layer : chain) packet = packet / layer;
  return packet;
}

TEST_F(Rule04, KnownHeadersAreCrossedInEveryMode) {
  const std::pair<loom_forwarding, const char*> modes[] = {{LOOM_FORWARD_L2, "fc00::2"},
                                                           {LOOM_FORWARD_IPIP, "10.0.0.2"},
                                                           {LOOM_FORWARD_GUE, "10.0.0.2"},
                                                           {LOOM_FORWARD_GUE, "fc00::2"},
                                                           {LOOM_FORWARD_NAT, "fc00::2"}};
  for (const auto& [forwarding, backend] : modes) {
    serve_tcp6(forwarding, backend);
    for (const std::vector<Layer>& chain : chains()) {
      SCOPED_TRACE(std::to_string(forwarding) + ", headers: " + std::to_string(chain.size()));
      Outcome got;
      EXPECT_EQ(verdict(chained(kFromClient / kClient, chain) / kSyn, &got), "FORWARD_TX");
      EXPECT_EQ(PacketCheck::problem_of(got.packet), "");
    }
  }
}

TEST_F(Rule04, TheHeadersStayInThePacket) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  EXPECT_EQ(run(kFromClient / kClient / kHopByHop / kOptions / kSyn).packet,
            Bytes(kToBackend / kInner / kHopByHop / kOptions / kSyn));
}

TEST_F(Rule04, NatRewritesWhatIsBehindThem) {
  serve_tcp6(LOOM_FORWARD_NAT, "fc00::2");
  const uint16_t port = nat_candidate(kFlow6);
  EXPECT_EQ(run(kFromClient / kClient / kHopByHop / kSyn).packet,
            Bytes(kToBackend / Ip6{.src = kSource6, .dst = "fc00::2", .hop_limit = 63} / kHopByHop /
                  Tcp{.sport = port, .dport = 80, .syn = true}));
}

TEST_F(Rule04, APacketWithThemBelongsToTheSameFlow) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  run(kFromClient / kClient / kSyn);
  run(kFromClient / kClient / kOptions / kAck);
  EXPECT_EQ(flows().size(), 1u);
  EXPECT_EQ(flow(kFlow6)->packets, 2u);
}

TEST_F(Rule04, TheWalkEndsAfterFourHeadersOr128Bytes) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  EXPECT_EQ(verdict(chained(kFromClient / kClient, {kHopByHop, kOptions, kOptions, kOptions}) /
                    kOptions / kSyn),
            "PASS_EXTENSION_HEADER");
  EXPECT_EQ(verdict(chained(kFromClient / kClient, {kHopByHop, kOptions, kOptions, kOptions}) /
                    Extension{IPPROTO_FRAGMENT} / kSyn),
            "PASS_EXTENSION_HEADER");
  EXPECT_EQ(verdict(kFromClient / kClient / kLongOptions / kSyn), "FORWARD_TX");
  EXPECT_EQ(verdict(kFromClient / kClient / kHopByHop / kLongOptions / kSyn),
            "PASS_EXTENSION_HEADER");
}

TEST_F(Rule04, WhatTheWalkDoesNotKnowIsLeftToTheStack) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  for (const uint8_t type : Bytes{50, 135, 139, 140}) {
    Outcome got;
    const Bytes frame = kFromClient / kClient / Extension{type} / kSyn;
    EXPECT_EQ(verdict(frame, &got), "PASS_EXTENSION_HEADER") << int{type};
    EXPECT_EQ(got.packet, frame);
    EXPECT_EQ(verdict(kFromClient / kClient / kHopByHop / Extension{type} / kSyn),
              "PASS_EXTENSION_HEADER");
  }
}

TEST_F(Rule04, APacketOnItsWayElsewhereIsNotBalanced) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  const Extension routing{IPPROTO_ROUTING, {0, 4, 1, 0, 0, 0, 0}};
  EXPECT_EQ(verdict(kFromClient / kClient / routing / kSyn), "PASS_EXTENSION_HEADER");
}

TEST_F(Rule04, IcmpBehindHeadersIsIcmp) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  Bytes frame = kFromClient / kClient / kHopByHop / Payload{"echo"};
  frame[14 + 40] = IPPROTO_ICMPV6;
  EXPECT_EQ(verdict(frame), "PASS_ICMP");
}

TEST_F(Rule04, LengthsComeFromTheIpHeader) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  // The options header says 16 bytes of a payload of 8; what follows in the frame is padding.
  Bytes frame = kFromClient / kClient / Extension{IPPROTO_DSTOPTS, Bytes{1} + Bytes(6)};
  EXPECT_EQ(verdict(padded(frame, 120)), "DROP_SHORT_L4");
  EXPECT_EQ(verdict(frame), "DROP_SHORT_L4");
}

// What is behind the packet is not the packet's: a routing header there says nothing.
TEST_F(Rule04, AHeaderBehindThePacketIsNotRead) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  const Extension routing{IPPROTO_ROUTING, {0, 4, 1, 0, 0, 0, 0}};
  Bytes frame = kFromClient / kClient / kHopByHop / routing / kSyn;
  frame[14 + 4] = 0;
  for (const uint8_t length : Bytes{0, 4, 8, 12}) {
    frame[14 + 5] = length;
    EXPECT_EQ(verdict(frame), "DROP_SHORT_L4") << int{length};
  }
}

TEST_F(Rule04, AnEchoBehindHeadersIsAnswered) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  put_vip(kVip6, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
  Outcome got;
  EXPECT_EQ(verdict(kFromClient / kClient / kOptions / Icmp{.type = 128}, &got), "REPLY_ECHO");
  EXPECT_EQ(got.packet, Bytes(kToClient / Ip6{.src = kVip6, .dst = "2001:db8::1"} / kOptions /
                              Icmp{.type = 129}));
}

TEST_F(Rule04, AnErrorBehindHeadersFollowsItsFlow) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  const Tcp answer{.sport = 80, .dport = 40000, .ack = true};
  Outcome got;
  EXPECT_EQ(verdict(kFromClient / kClient / kOptions / Icmp{.type = 2, .rest = 1400} /
                        Ip6{.src = kVip6, .dst = "2001:db8::1"} / answer,
                    &got),
            "FORWARD_TX");
  EXPECT_EQ(PacketCheck::problem_of(got.packet), "");
}

TEST_F(Rule04, AnswersQuoteThePacketAsItCame) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  const Bytes frame = kFromClient / Ip6{.hop_limit = 1} / kOptions / kSyn;
  Outcome got;
  EXPECT_EQ(verdict(frame, &got), "REPLY_TIME_EXCEEDED");
  EXPECT_EQ(PacketCheck::problem_of(got.packet), "");
  EXPECT_EQ(Bytes(got.packet.begin() + 14 + 40 + 8, got.packet.end()),
            Bytes(frame.begin() + 14, frame.end()));
}

TEST_F(Rule04, OtherHostsPacketsAreNotWalked) {
  serve_tcp6(LOOM_FORWARD_L2, "fc00::2");
  EXPECT_EQ(verdict(kFromClient / Ip6{.dst = "2001:db8:1::9"} / Extension{50} / kSyn),
            "PASS_NOT_VIP");
}

}  // namespace
}  // namespace loom::test
