// SPDX-License-Identifier: Apache-2.0
// Every way out of loom_xdp: a packet that takes it, the action, the one counter that moves, and
// for PASS and DROP the packet as it came.
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "support/bpf_program.hpp"

namespace loom::test {
namespace {

/// The world of the table: one IPIP service per family on TCP 80, one NAT service on TCP 81.
class Verdict : public Datapath {
 protected:
  void SetUp() override {
    Datapath::SetUp();
    serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
    put_listener(kVip6, 80, IPPROTO_TCP);
    put_vip(kVip6);
    loom_backend nat = backend_of(LOOM_FORWARD_NAT, "10.0.0.3");
    nat.service = 2;
    put_backend(2, nat);
    put_service(2, LOOM_FORWARD_NAT);
    put_ring(2, 2);
    put_listener(kVip4, 81, IPPROTO_TCP, {2, 0});
    put_listener(kVip4, 22, IPPROTO_TCP, {0, LOOM_LISTENER_F_PASS});
    put_vip(kSource4, LOOM_VIP_F_NAT);
  }
  static void change_backend(uint32_t id, const std::function<void(loom_backend&)>& change) {
    loom_backend backend = backend_of(LOOM_FORWARD_IPIP, "10.0.0.2");
    change(backend);
    put_backend(id, backend);
  }
  /// As the NAT backend answers a flow to port 81.
  static Bytes answer() {
    run(Ether{} / Ip4{} / Tcp{.dport = 81, .syn = true});
    const loom_flow key = flow_of("192.0.2.1", 40000, kVip4, 81, IPPROTO_TCP);
    return Ether{} / Ip4{.src = "10.0.0.3", .dst = kSource4} /
           Tcp{.sport = 81, .dport = ntohs(flow(key).value().other.dport), .ack = true};
  }
  static Bytes answer_to_egress() {
    Bytes frame = answer();
    for (auto [key, entry] : flows()) {
      entry.peer_ifindex = egress();
      put_flow(key, entry);
    }
    return frame;
  }
  /// The SYN of a flow all of whose candidates for a port have owners.
  static Bytes nat_syn_without_free_port() {
    const loom_flow key = flow_of("192.0.2.1", 40000, kVip4, 81, IPPROTO_TCP);
    loom_flow_entry taken{.other = flow_of("192.0.2.77", 1, kVip4, 81, IPPROTO_TCP)};
    taken.seen = clock().jiffies;
    taken.state = LOOM_STATE_ESTABLISHED;
    taken.flags = LOOM_FLOW_F_REPLY;
    for (uint32_t probe = 0; probe < 16; ++probe)
      put_flow(flow_of("10.0.0.3", 81, kSource4, nat_candidate(key, probe), IPPROTO_TCP), taken);
    return Ether{} / Ip4{} / Tcp{.dport = 81, .syn = true};
  }

  struct Row {
    const char* name;
    loom_verdict verdict;
    std::function<Bytes()> arrange;
  };
  static std::vector<Row> rows();
  static std::vector<Row> parse_rows();
  static std::vector<Row> vip_rows();
  static std::vector<Row> balance_rows();
};

const Tcp kSyn{.dport = 80, .syn = true};
Bytes syn4() {
  return Ether{} / Ip4{} / kSyn;
}
Bytes syn6() {
  return Ether{} / Ip6{} / kSyn;
}
loom_service no_backend(loom_no_backend policy) {
  loom_service service{};
  service.forwarding = LOOM_FORWARD_IPIP;
  service.on_no_backend = static_cast<uint8_t>(policy);
  return service;
}
constexpr size_t kIp = 14;
constexpr size_t kTcp4 = kIp + 20;

std::vector<Verdict::Row> Verdict::parse_rows() {
  return {
      {"Arp", LOOM_PASS_NOT_IP, [] { return padded(Ether{.type = ETH_P_ARP} / Payload{"arp"}); }},
      {"ThreeTags", LOOM_PASS_NOT_IP,
       [] { return Bytes(Ether{} / Vlan{} / Vlan{} / Vlan{} / Ip4{} / kSyn); }},
      {"TruncatedTag", LOOM_PASS_MALFORMED,
       [] { return Bytes(Ether{.type = ETH_P_8021Q} / Payload{"\1"}); }},
      {"ShortIp4", LOOM_PASS_MALFORMED, [] { return truncated(syn4(), 30); }},
      {"ShortIp6", LOOM_PASS_MALFORMED, [] { return truncated(syn6(), 30); }},
      {"Ip4WithVersion6", LOOM_PASS_MALFORMED, [] { return patched(syn4(), kIp, 0x65); }},
      {"Ip6WithVersion4", LOOM_PASS_MALFORMED, [] { return patched(syn6(), kIp, 0x40); }},
      {"HeaderShorterThanAHeader", LOOM_PASS_MALFORMED, [] { return patched(syn4(), kIp, 0x44); }},
      {"LengthShorterThanTheHeader", LOOM_PASS_MALFORMED,
       [] { return patched(syn4(), kIp + 3, 19); }},
      {"OptionsBeyondTheFrame", LOOM_PASS_MALFORMED,
       [] { return truncated(patched(syn4(), kIp, 0x4f), 4); }},
      {"ForAnotherHost", LOOM_PASS_NOT_OUR_MAC,
       [] {
         return Bytes(Ether{.dst = {2, 0, 0, 0, 0, 9}} / Ip4{} / kSyn);
       }},
      {"Broadcast", LOOM_PASS_NOT_OUR_MAC,
       [] {
         return Bytes(Ether{.dst = {255, 255, 255, 255, 255, 255}} / Ip4{} / kSyn);
       }},
      {"FromAnInterfaceThatIsNotOurs", LOOM_PASS_NOT_OUR_MAC,
       [] {
         put_interface(kIngress + LOOM_INTERFACE_SLOTS, kOurMac);
         return syn4();
       }},
      {"OtherAddress4", LOOM_PASS_NOT_VIP,
       [] { return Bytes(Ether{} / Ip4{.dst = "198.51.100.9"} / kSyn); }},
      {"OtherAddress6", LOOM_PASS_NOT_VIP,
       [] { return Bytes(Ether{} / Ip6{.dst = "2001:db8:1::9"} / kSyn); }},
      {"FragmentForOthers", LOOM_PASS_NOT_VIP,
       [] { return Bytes(Ether{} / Ip4{.dst = "198.51.100.9", .frag = 0x2000} / kSyn); }},
      {"LengthLiesForOthers", LOOM_PASS_NOT_VIP,
       [] { return truncated(Ether{} / Ip4{.dst = "198.51.100.9"} / kSyn, 4); }},
  };
}

std::vector<Verdict::Row> Verdict::vip_rows() {
  return {
      {"LengthLies4", LOOM_DROP_BAD_LENGTH, [] { return truncated(syn4(), 1); }},
      {"LengthLies6", LOOM_DROP_BAD_LENGTH, [] { return truncated(syn6(), 1); }},
      {"LastFragment", LOOM_DROP_FRAGMENT_UNKNOWN,
       [] { return Bytes(Ether{} / Ip4{.frag = 0x0010} / kSyn); }},
      {"Fragment6", LOOM_DROP_FRAGMENT_UNKNOWN,
       [] { return Bytes(Ether{} / Ip6{.next = IPPROTO_FRAGMENT} / Payload{"fragment"}); }},
      {"Icmp", LOOM_PASS_ICMP,
       [] { return Bytes(Ether{} / Ip4{.proto = IPPROTO_ICMP} / Payload{"echo"}); }},
      {"Icmp6", LOOM_PASS_ICMP,
       [] { return Bytes(Ether{} / Ip6{.next = IPPROTO_ICMPV6} / Payload{"echo"}); }},
      {"EchoLeftToTheStack", LOOM_PASS_ICMP, [] { return Bytes(Ether{} / Ip4{} / Icmp{}); }},
      {"Echo", LOOM_REPLY_ECHO,
       [] {
         put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
         return Bytes(Ether{} / Ip4{} / Icmp{});
       }},
      {"EchoNotWanted", LOOM_DROP_ECHO,
       [] {
         put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_DROP);
         return Bytes(Ether{} / Ip4{} / Icmp{});
       }},
      {"ErrorAboutNothingOfOurs", LOOM_DROP_ICMP_UNKNOWN,
       [] { return Bytes(Ether{} / Ip4{} / Icmp{.type = 3} / Ip4{} / kSyn); }},
      {"Encrypted", LOOM_PASS_EXTENSION_HEADER,
       [] { return Bytes(Ether{} / Ip6{} / Extension{IPPROTO_ESP} / kSyn); }},
      {"ShortTcp", LOOM_DROP_SHORT_L4,
       [] { return Bytes(Ether{} / Ip4{.proto = IPPROTO_TCP} / Payload{"19 bytes, not a TCP"}); }},
      {"ShortTcpInAPaddedFrame", LOOM_DROP_SHORT_L4,
       [] { return padded(Ether{} / Ip4{.proto = IPPROTO_TCP} / Payload{"short"}); }},
      {"ShortUdp", LOOM_DROP_SHORT_L4,
       [] { return Bytes(Ether{} / Ip6{.next = IPPROTO_UDP} / Payload{"7 bytes"}); }},
      {"TcpOffsetTooSmall", LOOM_DROP_BAD_L4, [] { return patched(syn4(), kTcp4 + 12, 0x40); }},
      {"TcpOffsetBeyondThePacket", LOOM_DROP_BAD_L4,
       [] { return patched(syn4(), kTcp4 + 12, 0x60); }},
      {"TcpOffsetIntoThePadding", LOOM_DROP_BAD_L4,
       [] { return padded(patched(syn4(), kTcp4 + 12, 0x60)); }},
      {"UdpLengthTooSmall", LOOM_DROP_BAD_L4,
       [] { return patched(Ether{} / Ip4{} / Udp{}, kTcp4 + 5, 7); }},
      {"UdpLengthBeyondThePacket", LOOM_DROP_BAD_L4,
       [] { return patched(Ether{} / Ip4{} / Udp{}, kTcp4 + 5, 9); }},
  };
}

std::vector<Verdict::Row> Verdict::balance_rows() {
  return {
      {"OtherPort", LOOM_DROP_NO_SERVICE, [] { return Bytes(Ether{} / Ip4{} / Tcp{.dport = 8}); }},
      {"OtherProtocol", LOOM_DROP_NO_SERVICE,
       [] { return Bytes(Ether{} / Ip4{} / Udp{.dport = 80}); }},
      {"NeitherTcpNorUdp", LOOM_DROP_NO_SERVICE,
       [] { return Bytes(Ether{} / Ip4{.proto = IPPROTO_GRE} / Payload{"gre"}); }},
      {"OtherPortOfTheHostsAddress", LOOM_PASS_NO_SERVICE,
       [] {
         put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_PASS_UNSERVED);
         return Bytes(Ether{} / Ip4{} / Tcp{.dport = 8});
       }},
      {"FragmentToTheHostsAddress", LOOM_PASS_NO_SERVICE,
       [] {
         put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_PASS_UNSERVED);
         return Bytes(Ether{} / Ip4{.frag = 0x0010} / kSyn);
       }},
      {"NatAddress", LOOM_PASS_NO_SERVICE,
       [] { return Bytes(Ether{} / Ip4{.dst = kSource4} / Tcp{.dport = 22}); }},
      {"PassthroughPort", LOOM_PASS_PASSTHROUGH,
       [] { return Bytes(Ether{} / Ip4{.ttl = 1} / Tcp{.dport = 22}); }},
      {"LastHop4", LOOM_REPLY_TIME_EXCEEDED, [] { return Bytes(Ether{} / Ip4{.ttl = 1} / kSyn); }},
      {"LastHopTooOften", LOOM_DROP_TTL_EXCEEDED,
       [] {
         put_answers_left(0);
         return Bytes(Ether{} / Ip4{.ttl = 1} / kSyn);
       }},
      {"NoHopAtAll6", LOOM_REPLY_TIME_EXCEEDED,
       [] { return Bytes(Ether{} / Ip6{.hop_limit = 0} / kSyn); }},
      {"EmptyRing", LOOM_DROP_NO_BACKEND,
       [] {
         put_ring(kService, 0);
         return syn4();
       }},
      {"NoRing", LOOM_DROP_NO_BACKEND,
       [] {
         put_service(3, LOOM_FORWARD_L2);
         put_listener(kVip4, 80, IPPROTO_TCP, {3, 0});
         return syn4();
       }},
      {"NoSuchService", LOOM_DROP_NO_BACKEND,
       [] {
         put_listener(kVip4, 80, IPPROTO_TCP, {LOOM_MAX_SERVICES, 0});
         return syn4();
       }},
      {"BackendIsThisHost", LOOM_PASS_LOCAL_BACKEND,
       [] {
         change_backend(1, [](loom_backend& b) { b.flags |= LOOM_BACKEND_F_LOCAL; });
         return syn4();
       }},
      {"FreeBackend", LOOM_DROP_NO_BACKEND,
       [] {
         put_backend(1, {});
         return syn4();
       }},
      {"OneFlowTooMany", LOOM_PASS_CONNECTION_LIMIT,
       [] {
         put_settings(LOOM_SETTING_CONNECTION_LIMIT);
         return syn4();
       }},
      {"NoBackendIsTheStacksBusiness", LOOM_PASS_NO_BACKEND,
       [] {
         put_ring(kService, 0);
         put_service(kService, no_backend(LOOM_NO_BACKEND_PASS));
         return syn4();
       }},
      {"NoBackendForTcp", LOOM_REPLY_RST,
       [] {
         put_ring(kService, 0);
         put_service(kService, no_backend(LOOM_NO_BACKEND_REJECT));
         return syn4();
       }},
      {"NoBackendForUdp", LOOM_REPLY_UNREACHABLE,
       [] {
         put_ring(kService, 0);
         put_service(kService, no_backend(LOOM_NO_BACKEND_REJECT));
         put_listener(kVip4, 53, IPPROTO_UDP);
         return Bytes(Ether{} / Ip4{} / Udp{.dport = 53});
       }},
      {"NoBackendTooOften", LOOM_DROP_RATE_LIMITED,
       [] {
         put_ring(kService, 0);
         put_service(kService, no_backend(LOOM_NO_BACKEND_REJECT));
         put_answers_left(0);
         return syn4();
       }},
      {"NoNextHop", LOOM_DROP_NO_NEXT_HOP,
       [] {
         change_backend(1, [](loom_backend& b) {
           b.flags = 0;
           b.source = {};
         });
         return syn4();
       }},
      {"NatWithoutFlow", LOOM_REPLY_RST,
       [] { return Bytes(Ether{} / Ip4{} / Tcp{.dport = 81, .ack = true}); }},
      {"NatResetWithoutFlow", LOOM_DROP_NO_FLOW,
       [] { return Bytes(Ether{} / Ip4{} / Tcp{.dport = 81, .rst = true}); }},
      {"LargerThanTheMtu", LOOM_REPLY_TOO_BIG,
       [] { return Bytes(Ether{} / Ip4{} / kSyn / Payload{std::string(1441, 'x')}); }},
      {"LargerThanTheMtuAndFragmentable", LOOM_DROP_TOO_BIG,
       [] { return Bytes(Ether{} / Ip4{.frag = 0} / kSyn / Payload{std::string(1441, 'x')}); }},
      {"RingNamesNobody", LOOM_ABORT_BACKEND_INVALID,
       [] {
         put_ring(kService, kMaxBackends);
         return syn4();
       }},
      {"UnknownForwarding", LOOM_ABORT_BACKEND_INVALID,
       [] {
         change_backend(1, [](loom_backend& b) { b.forwarding = 9; });
         return syn4();
       }},
      {"NatToAnotherFamily", LOOM_ABORT_BACKEND_INVALID,
       [] {
         put_backend(1, backend_of(LOOM_FORWARD_NAT, "fc00::2"));
         return syn4();
       }},
      {"TunnelFromAnotherFamily", LOOM_ABORT_BACKEND_INVALID,
       [] {
         change_backend(1, [](loom_backend& b) { b.source = addr(kSource6); });
         return syn4();
       }},
      {"ToAnInterfaceWithoutRedirect", LOOM_ABORT_REDIRECT_FAILED,
       [] {
         change_backend(1, [](loom_backend& b) { b.ifindex = 999; });
         return syn4();
       }},
      {"ReplyToAnInterfaceThatIsGone", LOOM_ABORT_REDIRECT_FAILED,
       [] {
         const Bytes frame = answer_to_egress();
         remove_interface(egress());
         return frame;
       }},
      {"AllPortsTaken", LOOM_DROP_NO_NAT_PORT, [] { return nat_syn_without_free_port(); }},
      {"ReplyOnItsLastHop", LOOM_REPLY_TIME_EXCEEDED, [] { return patched(answer(), kIp + 8, 1); }},
      {"Forwarded", LOOM_FORWARD_TX, [] { return syn4(); }},
      {"FirstFragment", LOOM_FORWARD_TX,
       [] { return Bytes(Ether{} / Ip4{.frag = 0x2000} / kSyn); }},
      {"ForwardedElsewhere", LOOM_FORWARD_REDIRECT,
       [] {
         change_backend(1, [](loom_backend& b) { b.ifindex = egress(); });
         return syn4();
       }},
      {"Reply", LOOM_REPLY_TX, [] { return answer(); }},
      {"ReplyElsewhere", LOOM_REPLY_REDIRECT, [] { return answer_to_egress(); }},
  };
}

std::vector<Verdict::Row> Verdict::rows() {
  std::vector<Row> all = parse_rows();
  for (const Row& row : vip_rows()) all.push_back(row);
  for (const Row& row : balance_rows()) all.push_back(row);
  return all;
}

TEST_F(Verdict, EachRowTakesItsWayOutAndIsCountedThereOnce) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.name);
    SetUp();
    const Bytes frame = row.arrange();
    if (!can_run(frame)) continue;
    Outcome got;
    EXPECT_EQ(verdict(frame, &got), name_of(row.verdict));
    EXPECT_EQ(got.action, action_seen(row.verdict));
    const int meant = action_of(row.verdict);
    if (meant == XDP_PASS || meant == XDP_DROP) {
      EXPECT_EQ(got.packet, frame);
    }
  }
}

TEST_F(Verdict, BytesAreCountedAsReceivedAndAsSent) {
  const Bytes dropped = Ether{} / Ip4{} / Tcp{.dport = 8};
  counted();
  run(dropped);
  const Counted counts = counted();
  EXPECT_EQ(counts.verdicts.at(LOOM_DROP_NO_SERVICE).rx_bytes, dropped.size());
  EXPECT_EQ(counts.verdicts.at(LOOM_DROP_NO_SERVICE).tx_bytes, 0u);

  const Bytes reply = answer();
  counted();
  run(reply);
  EXPECT_EQ(counted().verdicts.at(LOOM_REPLY_TX).tx_bytes, reply.size());
}

// A frame whose room in front is taken by metadata, which older kernels limit too much.
TEST_F(Verdict, WithoutHeadroomThePacketIsDroppedAsItCame) {
  const Bytes frame = syn4();
  counted();
  const std::optional<Outcome> got = run_without_headroom(frame);
  if (!got) GTEST_SKIP() << "this kernel allows too little metadata";
  EXPECT_EQ(got->action, XDP_DROP);
  EXPECT_EQ(got->packet, frame);
  EXPECT_EQ(counted().verdicts.at(LOOM_DROP_NO_HEADROOM).packets, 1u);
}

// No row for these, because:
const std::map<loom_verdict, const char*> kWithoutRow = {
    {LOOM_DROP_NO_HEADROOM, "needs a frame with metadata: the test above"},
    {LOOM_ABORT_NO_PROGRAM, "needs programs taken away: later_test.cpp"},
    {LOOM_DROP_EXTENSION_HEADER, "needs another configuration: extension_drop_test.cpp"},
    {LOOM_PASS_HANDED_UP, "never at TC: hand_up_test.cpp"},
};

TEST_F(Verdict, EveryVerdictHasARowOrAReason) {
  std::set<loom_verdict> covered;
  for (const Row& row : rows()) covered.insert(row.verdict);
#define V(name, action, help)                                                   \
  EXPECT_TRUE(covered.count(LOOM_##name) + kWithoutRow.count(LOOM_##name) == 1) \
      << #name << " has no row in this file, or a row and a reason for having none";
  LOOM_VERDICT_LIST(V)
#undef V
}

}  // namespace
}  // namespace loom::test
