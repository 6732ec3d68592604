// SPDX-License-Identifier: Apache-2.0
// Every way to forward with DSR, in every mix of families, whole packets compared byte by byte.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "support/bpf_program.hpp"
#include "support/packet_check.hpp"

namespace loom::test {
namespace {

const Ether kFromClient{};
const Ether kToBackend{.dst = kBackendMac, .src = kEgressMac};

struct Forward : Datapath {
  /// The packet as it must leave, given what the datapath chose freely in `got`.
  static void expect_sent(const Outcome& got, const Bytes& want, int action = XDP_TX) {
    EXPECT_EQ(got.action, action);
    EXPECT_EQ(got.packet, want);
    EXPECT_EQ(PacketCheck::problem_of(got.packet), "");
  }
  static uint16_t gue_port(const loom_flow& flow) {
    return static_cast<uint16_t>(0x8000 | flow_hash(flow));
  }
};

const Tcp kSyn{.dport = 80, .syn = true};
const Ip4 kClient4{.ttl = 64, .tos = 0x2e};
const Ip4 kInner4{.ttl = 63, .tos = 0x2e};
const Ip6 kClient6{.hop_limit = 64, .traffic_class = 0xb9, .flow_label = 0x12345};
const Ip6 kInner6{.hop_limit = 63, .traffic_class = 0xb9, .flow_label = 0x12345};
const loom_flow kFlow4 = flow_of("192.0.2.1", 40000, kVip4, 80, IPPROTO_TCP);
const loom_flow kFlow6 = flow_of("2001:db8::1", 40000, kVip6, 80, IPPROTO_TCP);
const Ip4 kOuter4{.src = kSource4, .dst = "10.0.0.2", .ttl = 64, .tos = 0x2e};
const Ip4 kOuter4Of6{.src = kSource4, .dst = "10.0.0.2", .ttl = 64, .tos = 0xb9};

Ip6 outer6(uint8_t traffic_class, const loom_flow& flow) {
  return {.src = kSource6,
          .dst = "fc00::2",
          .hop_limit = 64,
          .traffic_class = traffic_class,
          .flow_label = flow_hash(flow) & 0xfffff};
}

// ---- L2

TEST_F(Forward, L2ChangesOnlyAddressesAndHop) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  expect_sent(run(kFromClient / kClient4 / kSyn), kToBackend / kInner4 / kSyn);
}

TEST_F(Forward, L2CountsTheHopOfIpv6) {
  serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "fc00::2"));
  expect_sent(run(kFromClient / kClient6 / kSyn), kToBackend / kInner6 / kSyn);
}

TEST_F(Forward, HeaderChecksumSurvivesEveryTtl) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  for (int ttl = 2; ttl <= 255; ++ttl) {
    const Outcome got = run(kFromClient / Ip4{.ttl = static_cast<uint8_t>(ttl)} / kSyn);
    ASSERT_EQ(PacketCheck::problem_of(got.packet), "") << ttl;
  }
}

// ---- IPIP

TEST_F(Forward, IpipPutsV4IntoV4) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  expect_sent(run(kFromClient / kClient4 / kSyn), kToBackend / kOuter4 / kInner4 / kSyn);
}

TEST_F(Forward, IpipPutsV4IntoV6) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "fc00::2"));
  expect_sent(run(kFromClient / kClient4 / kSyn),
              kToBackend / outer6(0x2e, kFlow4) / kInner4 / kSyn);
}

TEST_F(Forward, IpipPutsV6IntoV6) {
  serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "fc00::2"));
  expect_sent(run(kFromClient / kClient6 / kSyn),
              kToBackend / outer6(0xb9, kFlow6) / kInner6 / kSyn);
}

TEST_F(Forward, IpipPutsV6IntoV4) {
  serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  expect_sent(run(kFromClient / kClient6 / kSyn), kToBackend / kOuter4Of6 / kInner6 / kSyn);
}

// ---- GUE

TEST_F(Forward, GuePutsV4IntoV4WithoutChecksum) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_GUE, "10.0.0.2"));
  const Udp udp{.sport = gue_port(kFlow4), .dport = 6080, .has_checksum = false};
  expect_sent(run(kFromClient / kClient4 / kSyn),
              kToBackend / kOuter4 / udp / Gue{} / kInner4 / kSyn);
}

TEST_F(Forward, GuePutsV6IntoV4WithoutChecksum) {
  serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_GUE, "10.0.0.2"));
  const Udp udp{.sport = gue_port(kFlow6), .dport = 6080, .has_checksum = false};
  expect_sent(run(kFromClient / kClient6 / kSyn),
              kToBackend / kOuter4Of6 / udp / Gue{} / kInner6 / kSyn);
}

TEST_F(Forward, GueOverV6HasAChecksum) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  const Udp udp{.sport = gue_port(kFlow4), .dport = 6080};
  expect_sent(run(kFromClient / kClient4 / kSyn),
              kToBackend / outer6(0x2e, kFlow4) / udp / Gue{} / kInner4 / kSyn);
}

TEST_F(Forward, GuePutsV6IntoV6) {
  serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  const Udp udp{.sport = gue_port(kFlow6), .dport = 6080};
  expect_sent(run(kFromClient / kClient6 / kSyn),
              kToBackend / outer6(0xb9, kFlow6) / udp / Gue{} / kInner6 / kSyn);
}

TEST_F(Forward, GueOverV6LeavesTheChecksumOutIfToldTo) {
  loom_backend backend = backend_of(LOOM_FORWARD_GUE, "fc00::2");
  backend.flags |= LOOM_BACKEND_F_UDP6_ZERO_CSUM;
  serve(kVip4, 80, IPPROTO_TCP, backend);
  const Udp udp{.sport = gue_port(kFlow4), .dport = 6080, .has_checksum = false};
  EXPECT_EQ(run(kFromClient / kClient4 / kSyn).packet,
            Bytes(kToBackend / outer6(0x2e, kFlow4) / udp / Gue{} / kInner4 / kSyn));
}

TEST_F(Forward, GueUsesTheBackendsPort) {
  loom_backend backend = backend_of(LOOM_FORWARD_GUE, "10.0.0.2");
  backend.port = htons(5555);
  serve(kVip4, 80, IPPROTO_TCP, backend);
  const Udp udp{.sport = gue_port(kFlow4), .dport = 5555, .has_checksum = false};
  EXPECT_EQ(run(kFromClient / kClient4 / kSyn).packet,
            Bytes(kToBackend / kOuter4 / udp / Gue{} / kInner4 / kSyn));
}

TEST_F(Forward, GueSourcePortsAreEphemeralAndSpread) {
  std::set<uint16_t> ports;
  for (uint16_t sport = 1; sport <= 1000; ++sport) {
    ports.insert(gue_port(flow_of("192.0.2.1", sport, kVip4, 80, IPPROTO_TCP)));
  }
  EXPECT_GE(*ports.begin(), 32768);
  EXPECT_GT(ports.size(), 950u);  // Of 32768 values; about 15 meet by chance.
}

// The checksum over v6 is derived from the inner one, or added up where there is none. Every length
// takes another way through the loops, and another sum of lengths.
TEST_F(Forward, GueChecksumIsRightForUdpWithoutChecksum) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  for (size_t length = 0; length <= 1400; ++length) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += static_cast<char>(i * 37 + length);
    const Outcome got = run(kFromClient / kClient4 / Udp{.has_checksum = false} / Payload{text});
    ASSERT_EQ(got.action, XDP_TX);
    ASSERT_EQ(PacketCheck::problem_of(got.packet), "") << length;
  }
}

TEST_F(Forward, GueChecksumIsRightForUdpAndTcpOfEveryLength) {
  serve(kVip6, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  put_listener(kVip6, 80, IPPROTO_TCP);
  for (size_t length = 0; length <= 300; ++length) {
    const Payload payload{std::string(length, 'x')};
    const Bytes udp = run(kFromClient / kClient6 / Udp{} / payload).packet;
    ASSERT_EQ(PacketCheck::problem_of(udp), "") << length;
    const Bytes tcp = run(kFromClient / kClient6 / kSyn / payload).packet;
    ASSERT_EQ(PacketCheck::problem_of(tcp), "") << length;
  }
}

TEST_F(Forward, GueChecksumCoversBytesBehindTheUdpLength) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  // 5 bytes that belong to the IP packet and not to the datagram.
  Bytes frame = kFromClient / Ip4{} / Udp{} / Payload{"query"};
  Bytes longer = kFromClient / Ip4{} / Udp{} / Payload{"query12345"};
  std::copy(frame.begin() + 34, frame.begin() + 42, longer.begin() + 34);
  EXPECT_EQ(PacketCheck::problem_of(run(longer).packet), "");
}

TEST_F(Forward, ADamagedPacketDoesNotBecomeAValidOne) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  const Bytes good = kFromClient / kClient4 / kSyn / Payload{"data"};
  const Outcome got = run(patched(good, good.size() - 1, 'X'));
  EXPECT_EQ(got.action, XDP_TX);
  EXPECT_EQ(PacketCheck::problem_of(got.packet), "UDP checksum");
}

// ---- fragmentation

TEST_F(Forward, AFragmentableInnerMakesAFragmentableOuterWithIds) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  std::set<int> ids;
  for (int i = 0; i < 100; ++i) {
    const Bytes got = run(kFromClient / Ip4{.frag = 0} / kSyn).packet;
    EXPECT_EQ(PacketCheck::problem_of(got), "");
    EXPECT_EQ(got[20], 0) << "flags";
    ids.insert(got[18] << 8 | got[19]);
  }
  EXPECT_GT(ids.size(), 90u);
}

TEST_F(Forward, Ipv6IsNeverFragmentedOnTheWay) {
  serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  EXPECT_EQ(run(kFromClient / kClient6 / kSyn).packet[20], 0x40);
}

// ---- what comes along with the packet

TEST_F(Forward, OptionsTravelInside) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  const Udp udp{.sport = gue_port(kFlow4), .dport = 6080};
  Ip4 client = kClient4;
  Ip4 inner = kInner4;
  client.options = inner.options = Bytes{7, 7, 4, 0, 0, 0, 0, 0};
  expect_sent(run(kFromClient / client / kSyn),
              kToBackend / outer6(0x2e, kFlow4) / udp / Gue{} / inner / kSyn);
}

TEST_F(Forward, PaddingDoesNotBecomePartOfTheOuterPacket) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  const Bytes frame = kFromClient / kClient4 / kSyn;
  ASSERT_LT(frame.size(), 60u);
  Bytes want = kToBackend / kOuter4 / kInner4 / kSyn;
  want.resize(want.size() + 60 - frame.size());
  expect_sent(run(padded(frame)), want);
}

class ForwardVlan : public Forward, public ::testing::WithParamInterface<loom_forwarding> {
 protected:
  /// The frame without its tags, by way of an untagged twin.
  static Bytes untagged_result() { return run(kFromClient / kClient4 / kSyn).packet; }
};

TEST_P(ForwardVlan, TagsStayOnTheSameInterface) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(GetParam(), "10.0.0.2"));
  const Bytes plain = untagged_result();
  const Bytes tags{0x88, 0xa8, 0x00, 0x64, 0x81, 0x00, 0xa0, 0xc8};

  const Outcome one = run(kFromClient / Vlan{.id = 200, .priority = 5} / kClient4 / kSyn);
  const Outcome two = run(kFromClient / Vlan{.id = 100, .tpid = ETH_P_8021AD} /
                          Vlan{.id = 200, .priority = 5} / kClient4 / kSyn);

  const Bytes head(plain.begin(), plain.begin() + 12);
  const Bytes rest(plain.begin() + 12, plain.end());
  EXPECT_EQ(one.packet, shown(head + Bytes(tags.begin() + 4, tags.end()) + rest));
  EXPECT_EQ(two.packet, shown(head + tags + rest));
}

TEST_P(ForwardVlan, TagsAreLeftBehindOnTheWayToAnotherInterface) {
  loom_backend backend = backend_of(GetParam(), "10.0.0.2");
  backend.ifindex = egress();
  serve(kVip4, 80, IPPROTO_TCP, backend);
  const Bytes plain = untagged_result();

  const Outcome got =
      run(kFromClient / Vlan{.id = 100, .tpid = ETH_P_8021AD} / Vlan{.id = 200} / kClient4 / kSyn);

  EXPECT_EQ(got.action, XDP_REDIRECT);
  EXPECT_EQ(got.packet, plain);
}

INSTANTIATE_TEST_SUITE_P(Modes, ForwardVlan,
                         ::testing::Values(LOOM_FORWARD_L2, LOOM_FORWARD_IPIP, LOOM_FORWARD_GUE,
                                           LOOM_FORWARD_NAT));

// ---- next hop

TEST_F(Forward, AnUnknownNextHopIsAskedOfTheKernel) {
  ASSERT_EQ(std::system("echo 1 > /proc/sys/net/ipv4/ip_forward;"
                        "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding;"
                        "ip addr add 10.9.0.1/24 dev egress0;"
                        "ip -6 addr add fd09::1/64 dev egress0 nodad;"
                        "ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:0b dev egress0;"
                        "ip -6 neigh replace fd09::2 lladdr 02:00:00:00:00:0b dev egress0"),
            0);
  for (const char* address : {"10.9.0.2", "fd09::2"}) {
    loom_backend backend = backend_of(LOOM_FORWARD_IPIP, address);
    backend.flags = 0;
    backend.ifindex = 0;
    serve(kVip4, 80, IPPROTO_TCP, backend);
    const Outcome got = run(kFromClient / kClient4 / kSyn);
    EXPECT_EQ(got.action, XDP_REDIRECT) << address;
    EXPECT_EQ(Bytes(got.packet.begin(), got.packet.begin() + 6), bytes_of(kBackendMac));
  }
}

TEST_F(Forward, AFailedLookUpIsCountedAsAnError) {
  loom_backend backend = backend_of(LOOM_FORWARD_IPIP, "203.0.113.99");
  backend.flags = 0;
  serve(kVip4, 80, IPPROTO_TCP, backend);
  run(kFromClient / kClient4 / kSyn);
  EXPECT_EQ(counted().errors, (std::map<loom_error, uint64_t>{{LOOM_ERROR_fib_lookup, 1}}));
}

// ---- counters

TEST_F(Forward, CountsPacketsBytesAndFlowsPerBackend) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  counted();
  const Bytes syn = kFromClient / kClient4 / kSyn;
  const Bytes ack = kFromClient / kClient4 / Tcp{.ack = true};
  run(syn);
  run(ack);

  const Counted got = counted();
  ASSERT_EQ(got.backends.size(), 1u);
  const loom_counter& counter = got.backends.at(1);
  EXPECT_EQ(counter.packets, 2u);
  EXPECT_EQ(counter.rx_bytes, syn.size() + ack.size());
  EXPECT_EQ(counter.tx_bytes, syn.size() + ack.size() + 2 * 20);
  EXPECT_EQ(counter.flows, 1u);
  EXPECT_TRUE(got.verdicts.empty());
}

TEST_F(Forward, APacketOfExactlyTheMtuIsSent) {
  loom_backend backend = backend_of(LOOM_FORWARD_IPIP, "10.0.0.2");
  const Bytes frame = kFromClient / kClient4 / kSyn / Payload{"0123456789"};
  backend.mtu = static_cast<uint16_t>(frame.size() - 14 + 20);
  serve(kVip4, 80, IPPROTO_TCP, backend);
  EXPECT_EQ(verdict(frame), "FORWARD_TX");
  backend.mtu--;
  put_backend(1, backend);
  EXPECT_EQ(verdict(frame), "REPLY_TOO_BIG");
}

TEST_F(Forward, TheRingSlotFollowsTheDocumentedHash) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  put_backend(2, backend_of(LOOM_FORWARD_L2, "10.0.0.3"));
  for (uint16_t sport = 1000; sport < 1020; ++sport) {
    std::vector<loom_slot> slots(kRingSize, 1);
    slots[ring_slot(flow_of("192.0.2.1", sport, kVip4, 80, IPPROTO_TCP))] = 2;
    put_ring(kService, slots);
    counted();
    run(kFromClient / Ip4{} / Tcp{.sport = sport, .syn = true});
    EXPECT_EQ(counted().backends.count(2), 1u) << sport;
  }
}

TEST_F(Forward, TheHashSpreadsNeighboursEvenly) {
  std::vector<int> slots(kRingSize);
  const int flows = 100 * static_cast<int>(kRingSize);
  for (int i = 0; i < flows; ++i) {
    const std::string client = "192.0.2." + std::to_string(i % 50);
    slots[ring_slot(
        flow_of(client, static_cast<uint16_t>(1024 + i / 50), kVip4, 80, IPPROTO_TCP))]++;
  }
  double chi_square = 0;
  for (const int count : slots) chi_square += (count - 100.0) * (count - 100.0) / 100.0;
  // 250 degrees of freedom: mean 250, standard deviation 22.4.
  EXPECT_LT(chi_square, 250 + 5 * 22.4);
}

}  // namespace
}  // namespace loom::test
