// SPDX-License-Identifier: Apache-2.0
// What loom_xdp leaves to loom_tc beside it, and that only one of the two counts it.
#include <arpa/inet.h>

#include <algorithm>
#include <cstdlib>

#include "support/bpf_program.hpp"

namespace loom::test {
namespace {

constexpr size_t kL4 = 14 + 20;
constexpr size_t kTcpCheck = 16;
constexpr size_t kUdpCheck = 6;

class HandUp : public Datapath {
 protected:
  void SetUp() override {
    Datapath::SetUp();
    serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
    put_listener(kVip4, 53, IPPROTO_UDP);
    put_listener(kVip6, 80, IPPROTO_TCP);
    put_vip(kVip6);
  }
  /// The frame as a stack sends it that leaves its checksum to the device: the sum of the
  /// pseudo-header is in the place of it.
  static Bytes partial(Bytes frame, size_t l4, size_t check, uint8_t proto) {
    const size_t addresses = l4 == kL4 ? 8 : 32;
    uint32_t sum = proto + static_cast<uint32_t>(frame.size() - l4);
    for (size_t i = l4 - addresses; i < l4; i += 2)
      sum += static_cast<uint32_t>(frame[i] << 8 | frame[i + 1]);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    frame[l4 + check] = static_cast<uint8_t>(sum >> 8);
    frame[l4 + check + 1] = static_cast<uint8_t>(sum);
    return frame;
  }
  static Bytes partial_tcp() {
    return partial(Ether{} / Ip4{} / Tcp{.dport = 80, .syn = true} / Payload{"odd"}, kL4, kTcpCheck,
                   IPPROTO_TCP);
  }
};
using Rule17 = HandUp;
using Rule32 = HandUp;

/// A backend behind a neighbour that nobody has asked for yet.
class Rule20 : public HandUp {
 protected:
  void SetUp() override {
    HandUp::SetUp();
    if (std::system("ip address replace 10.0.0.1/24 dev egress0 && "
                    "sysctl -qw net.ipv4.conf.all.forwarding=1 && "
                    "ip neighbour flush dev egress0") != 0)
      GTEST_SKIP() << "cannot make a route";
    loom_backend backend = backend_of(LOOM_FORWARD_IPIP, "10.0.0.2");
    backend.flags = 0;
    backend.ifindex = 0;
    serve(kVip4, 80, IPPROTO_TCP, backend);
  }
  static Bytes syn() { return Ether{} / Ip4{} / Tcp{.dport = 80, .syn = true}; }
};

TEST_F(Rule20, TheKernelResolvesTheNextHopOfAPacketAtTc) {
  if (!is_tc()) GTEST_SKIP() << "of TC";
  EXPECT_EQ(verdict(syn()), "FORWARD_REDIRECT");
}

TEST_F(Rule20, WithAnUnresolvedNextHopXdpLeavesThePacketToTcAsItCame) {
  if (is_tc()) GTEST_SKIP() << "TC hands nothing up";
  put_interface(kIngress, kOurMac, {}, LOOM_INTERFACE_F_XDP | LOOM_INTERFACE_F_TC);
  counted();
  const Outcome got = run(syn());
  EXPECT_EQ(got.action, XDP_PASS);
  EXPECT_EQ(counted().packets(), 0u);
  EXPECT_TRUE(flows().empty());
  const Bytes frame = syn();
  EXPECT_TRUE(std::equal(frame.rbegin(), frame.rend(), got.packet.rbegin()));
}

TEST_F(Rule20, WithoutTcItIsDroppedAndCounted) {
  if (is_tc()) GTEST_SKIP() << "of XDP";
  EXPECT_EQ(verdict(syn()), "DROP_NO_NEXT_HOP");
}

TEST_F(Rule17, APacketWithAPartialChecksumIsNotTouchedByXdp) {
  if (is_tc()) GTEST_SKIP() << "TC forwards it";
  put_interface(kIngress, kOurMac, {}, LOOM_INTERFACE_F_XDP | LOOM_INTERFACE_F_PARTIAL);
  const std::vector<Bytes> frames = {
      partial_tcp(),
      partial(Ether{} / Ip4{} / Udp{} / Payload{"query"}, kL4, kUdpCheck, IPPROTO_UDP),
      partial(Ether{} / Ip6{} / Tcp{.dport = 80, .syn = true}, kL4 + 20, kTcpCheck, IPPROTO_TCP)};
  for (const Bytes& frame : frames) {
    Outcome got;
    EXPECT_EQ(verdict(frame, &got), "PASS_HANDED_UP");
    EXPECT_EQ(got.packet, frame);
  }
}

TEST_F(Rule17, CompleteChecksumsAreForwardedAlsoWherePartialOnesOccur) {
  put_interface(kIngress, kOurMac, {}, LOOM_INTERFACE_F_PARTIAL);
  EXPECT_EQ(verdict(Ether{} / Ip4{} / Tcp{.dport = 80, .syn = true}), "FORWARD_TX");
  EXPECT_EQ(verdict(Ether{} / Ip4{} / Udp{}), "FORWARD_TX");
  EXPECT_EQ(verdict(Ether{} / Ip4{} / Udp{.has_checksum = false}), "FORWARD_TX");
}

TEST_F(Rule17, WherePartialChecksumsDoNotOccurNoneIsLookedFor) {
  EXPECT_EQ(verdict(partial_tcp()), "FORWARD_TX");
}

TEST_F(Rule32, WhatIsHandedUpIsMarkedAndNotCountedByXdp) {
  if (is_tc()) GTEST_SKIP() << "TC hands nothing up";
  put_interface(kIngress, kOurMac, {},
                LOOM_INTERFACE_F_XDP | LOOM_INTERFACE_F_TC | LOOM_INTERFACE_F_PARTIAL);
  counted();
  const Bytes frame = partial_tcp();
  const Outcome got = run(frame);
  EXPECT_EQ(got.action, XDP_PASS);
  EXPECT_EQ(counted().packets(), 0u);
  ASSERT_GE(got.packet.size(), frame.size());
  EXPECT_TRUE(std::equal(frame.rbegin(), frame.rend(), got.packet.rbegin()));
}

TEST_F(Rule32, BesideXdpTcNeitherActsOnNorCountsWhatIsNotMarked) {
  if (!is_tc()) GTEST_SKIP() << "of TC";
  put_interface(kIngress, kOurMac, {}, LOOM_INTERFACE_F_XDP | LOOM_INTERFACE_F_TC);
  counted();
  const Bytes frame = Ether{} / Ip4{} / Tcp{.dport = 80, .syn = true};
  const Outcome got = run(frame);
  EXPECT_EQ(got.action, XDP_PASS);
  EXPECT_EQ(got.packet, frame);
  EXPECT_EQ(counted().packets(), 0u);
}

}  // namespace
}  // namespace loom::test
