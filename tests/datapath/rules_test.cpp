// SPDX-License-Identifier: Apache-2.0
// Correctness rules of the datapath that have no test file of their own, by number.
#include <set>
#include <type_traits>

#include "nat_fixture.hpp"

namespace loom::test {
namespace {

const Tcp kSynTo80{.dport = 80, .syn = true};

// ---- rule 1: lengths come from IP headers, never from the frame

class Rule01 : public Nat {};

TEST_F(Rule01, PaddingIsNotPartOfThePacket) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  put_listener(kVip6, 80, IPPROTO_TCP);
  put_vip(kVip6);
  for (const Bytes& plain : {Bytes(kFromClient / Ip4{} / kSynTo80 / Payload{"1"}),
                             Bytes(kFromClient / Ip6{} / kSynTo80 / Payload{"1"})}) {
    const Bytes want = run(plain).packet;
    Bytes got = run(padded(plain, 200)).packet;
    EXPECT_EQ(PacketCheck::problem_of(got), "");
    ASSERT_EQ(got.size(), want.size() + 200 - plain.size());
    got.resize(want.size());
    EXPECT_EQ(got, want);
  }
}

TEST_F(Rule01, ALengthBeyondTheFrameIsDropped) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  put_listener(kVip6, 80, IPPROTO_TCP);
  put_vip(kVip6);
  for (const Bytes& plain : {Bytes(kFromClient / Ip4{} / kSynTo80 / Payload{"data"}),
                             Bytes(kFromClient / Ip6{} / kSynTo80 / Payload{"data"})})
    for (size_t by = 1; by <= 4; ++by)
      EXPECT_EQ(verdict(truncated(plain, by)), "DROP_BAD_LENGTH") << by;
}

// ---- rule 2: header lengths vary and are checked

class Rule02 : public Nat {};

TEST_F(Rule02, EveryLengthOfV4OptionsIsCrossed) {
  loom_backend nat = backend_of(LOOM_FORWARD_NAT, "10.0.0.2");
  for (const loom_backend& backend : {backend_of(LOOM_FORWARD_GUE, "fc00::2"), nat}) {
    serve(kVip4, 80, IPPROTO_TCP, backend);
    for (size_t length = 0; length <= 40; length += 4) {
      Ip4 client;
      client.options = Bytes(length, 1);
      Outcome got;
      EXPECT_EQ(verdict(kFromClient / client / kSynTo80 / Payload{"data"}, &got), "FORWARD_TX");
      EXPECT_EQ(PacketCheck::problem_of(got.packet), "") << length;
    }
  }
}

TEST_F(Rule02, TheTcpDataOffsetIsBoundByThePacket) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  const Bytes frame = kFromClient / Ip4{} / kSynTo80 / Payload{"8 bytes."};
  for (uint8_t words = 0; words < 16; ++words)
    EXPECT_EQ(verdict(padded(patched(frame, 46, static_cast<uint8_t>(words << 4)), 200)),
              words >= 5 && words <= 7 ? "FORWARD_TX" : "DROP_BAD_L4")
        << int{words};
}

TEST_F(Rule02, TheUdpLengthIsBoundByThePacket) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  const Bytes frame = kFromClient / Ip4{} / Udp{} / Payload{"8 bytes."};
  for (uint8_t length = 0; length < 32; ++length)
    EXPECT_EQ(verdict(padded(patched(frame, 39, length), 200)),
              length >= 8 && length <= 16 ? "FORWARD_TX" : "DROP_BAD_L4")
        << int{length};
}

// ---- rule 3: tags are read in-band; a third one is not ours to read

class Rule03 : public Nat {};

TEST_F(Rule03, UpToTwoTagsAreReadAndStayInNatBothWays) {
  serve_tcp4();
  for (const Packet& tags : {Packet({Vlan{.id = 7, .priority = 3}}),
                             Vlan{.id = 7, .tpid = ETH_P_8021AD} / Vlan{.id = 8}}) {
    EXPECT_EQ(
        run(Packet({kFromClient}) / tags / Ip4{} / kSyn).packet,
        shown(Packet({kToBackend}) / tags / Ip4{.src = kSource4, .dst = "10.0.0.2", .ttl = 63} /
              Tcp{.sport = nat_candidate(kFlow4), .dport = 8080, .syn = true}));
    const Tcp back{.sport = 8080, .dport = nat_candidate(kFlow4), .ack = true};
    EXPECT_EQ(
        run(Packet({kFromBackend}) / tags / Ip4{.src = "10.0.0.2", .dst = kSource4} / back).packet,
        shown(Packet({kToClient}) / tags / Ip4{.src = kVip4, .dst = "192.0.2.1", .ttl = 63} /
              Tcp{.sport = 80, .dport = 40000, .ack = true}));
  }
  EXPECT_EQ(verdict(kFromClient / Vlan{} / Vlan{} / Vlan{} / Ip4{} / kSyn), "PASS_NOT_IP");
}

// ---- rule 5: what is not for a VIP leaves byte-identical

class Rule05 : public Nat {};

TEST_F(Rule05, WhatTheHostAndItsNeighboursNeedIsPassedAsItCame) {
  serve_tcp4();
  put_vip("198.51.100.2", LOOM_VIP_F_SERVICE | LOOM_VIP_F_PASS_UNSERVED);
  constexpr uint8_t kVrrp = 112;
  const Ether to_all{.dst = {0x33, 0x33, 0, 0, 0, 1}};
  const std::vector<std::pair<const char*, Bytes>> all = {
      {"ARP", Ether{.dst = {255, 255, 255, 255, 255, 255}, .type = ETH_P_ARP} /
                  Payload{"who has 198.51.100.1? Tell.."}},
      {"ND", to_all / Ip6{.dst = "ff02::1:ff00:1", .hop_limit = 255} / Icmp{.type = 135} /
                 Payload{"sixteen bytes..."}},
      {"BGP", kFromClient / Ip4{.dst = "192.0.2.254", .ttl = 1} / Tcp{.dport = 179, .syn = true}},
      {"VRRP", to_all / Ip4{.dst = "224.0.0.18", .ttl = 255, .proto = kVrrp} / Payload{"12345678"}},
      {"SSH", kFromClient / Ip4{.dst = "198.51.100.2"} / Tcp{.dport = 22, .syn = true}},
      {"the admin port", kFromClient / Ip4{.dst = "198.51.100.2"} / Tcp{.dport = 9091}},
      {"others", kFromClient / Vlan{} / Ip6{.dst = "2001:db8:9::1"} / Udp{} / Payload{"query"}},
      {"no IP", Ether{.type = ETH_P_LLDP} / Payload{"hello"}}};
  for (const auto& [what, frame] : all) {
    const Outcome got = run(frame);
    EXPECT_EQ(got.action, XDP_PASS) << what;
    EXPECT_EQ(got.packet, frame) << what;
  }
}

// ---- rule 6: map keys have no implicit padding; abi.h asserts their sizes for the BPF side

TEST(Rule06, MapKeysHaveNoImplicitPadding) {
  static_assert(std::has_unique_object_representations_v<loom_addr>);
  static_assert(std::has_unique_object_representations_v<loom_listener_key>);
  static_assert(std::has_unique_object_representations_v<loom_range_key>);
  static_assert(std::has_unique_object_representations_v<loom_flow>);
  static_assert(std::has_unique_object_representations_v<loom_fragment_key>);
}

// ---- rule 12: an outer source per flow

class Rule12 : public Nat {
 protected:
  static loom_backend pooled(loom_forwarding forwarding, const std::string& address) {
    loom_backend backend = backend_of(forwarding, address);
    backend.source_first = 100;
    backend.source_count = 4;
    for (uint16_t i = 0; i < 4; ++i)
      put_source(100 + i, (address.find(':') == std::string::npos ? "10.0.1." : "fc00:1::") +
                              std::to_string(i));
    return backend;
  }
  /// Outer source addresses of many flows, given where the outer header has them.
  static std::set<std::string> sources(size_t at, size_t length) {
    std::set<std::string> out;
    for (uint16_t sport = 1; sport <= 200; ++sport) {
      const Outcome first = run(kFromClient / Ip4{} / Tcp{.sport = sport, .syn = true});
      const Outcome second = run(kFromClient / Ip4{} / Tcp{.sport = sport, .syn = true});
      EXPECT_EQ(first.packet, second.packet) << "one source per flow";
      EXPECT_EQ(PacketCheck::problem_of(first.packet), "");
      out.insert(std::string(first.packet.begin(), first.packet.end()).substr(at, length));
    }
    return out;
  }
};

TEST_F(Rule12, FlowsAreSpreadOverThePool) {
  for (const loom_forwarding forwarding : {LOOM_FORWARD_IPIP, LOOM_FORWARD_GUE}) {
    serve(kVip4, 80, IPPROTO_TCP, pooled(forwarding, "10.0.0.2"));
    EXPECT_EQ(sources(26, 4),
              (std::set<std::string>{{10, 0, 1, 0}, {10, 0, 1, 1}, {10, 0, 1, 2}, {10, 0, 1, 3}}));
    serve(kVip4, 80, IPPROTO_TCP, pooled(forwarding, "fc00::2"));
    EXPECT_EQ(sources(22, 16).size(), 4u);
  }
}

TEST_F(Rule12, WithoutAPoolTheBackendsSourceIsUsed) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  EXPECT_EQ(sources(26, 4), (std::set<std::string>{{10, 0, 0, 1}}));
}

TEST_F(Rule12, APoolOfTheOtherFamilyIsAnError) {
  loom_backend backend = pooled(LOOM_FORWARD_IPIP, "10.0.0.2");
  for (uint32_t i = 100; i < 104; ++i) put_source(i, "fc00:1::1");
  serve(kVip4, 80, IPPROTO_TCP, backend);
  EXPECT_EQ(verdict(kFromClient / Ip4{} / kSynTo80), "ABORT_BACKEND_INVALID");
}

// ---- rule 19: back out of the ingress interface, else a redirect

class Rule19 : public Nat {};

TEST_F(Rule19, TheEgressInterfaceDecides) {
  for (const loom_forwarding forwarding :
       {LOOM_FORWARD_L2, LOOM_FORWARD_IPIP, LOOM_FORWARD_GUE, LOOM_FORWARD_NAT}) {
    loom_backend backend = backend_of(forwarding, "10.0.0.2");
    serve(kVip4, 80, IPPROTO_TCP, backend);
    EXPECT_EQ(verdict(kFromClient / Ip4{} / kSynTo80), "FORWARD_TX");
    backend.ifindex = egress();
    put_backend(1, backend);
    EXPECT_EQ(verdict(kFromClient / Ip4{} / kSynTo80), "FORWARD_REDIRECT");
    backend.ifindex = 999;
    put_backend(1, backend);
    EXPECT_EQ(verdict(kFromClient / Ip4{} / kSynTo80), "ABORT_REDIRECT_FAILED");
  }
}

// ---- rule 22: hairpins

class Rule22 : public Nat {};

TEST_F(Rule22, APacketForABackendOnThisHostIsLeftToTheStackUntouched) {
  for (const loom_forwarding forwarding :
       {LOOM_FORWARD_L2, LOOM_FORWARD_IPIP, LOOM_FORWARD_GUE, LOOM_FORWARD_NAT}) {
    SetUp();
    loom_backend backend = backend_of(forwarding, "10.0.0.2");
    backend.flags = LOOM_BACKEND_F_LOCAL;
    serve(kVip4, 80, IPPROTO_TCP, backend);
    for (const Tcp& tcp : {kSynTo80, kAck}) {
      const Bytes frame = kFromClient / Ip4{.ttl = 1} / tcp;
      Outcome got;
      EXPECT_EQ(verdict(frame, &got), "PASS_LOCAL_BACKEND") << forwarding;
      EXPECT_EQ(got.action, XDP_PASS);
      EXPECT_EQ(got.packet, frame);
    }
  }
}

// Where flows are given out in turn, the next packet would go by hash without a memory.
TEST_F(Rule22, AFlowOfABackendOnThisHostStaysThere) {
  for (const loom_forwarding forwarding : {LOOM_FORWARD_L2, LOOM_FORWARD_NAT}) {
    SetUp();
    loom_backend here = backend_of(forwarding, "10.0.0.2");
    here.flags |= LOOM_BACKEND_F_LOCAL;
    serve(kVip4, 80, IPPROTO_TCP, here);
    put_backend(2, backend_of(forwarding, "10.0.0.3"));
    std::vector<loom_slot> in_turn;
    for (uint32_t slot = 0; slot < kRingSize; ++slot) in_turn.push_back(1 + slot % 2);
    put_ring(kService, in_turn);
    loom_service service{};
    service.forwarding = static_cast<uint8_t>(forwarding);
    service.algorithm = LOOM_ALGORITHM_ROTOR;
    put_service(kService, service);
    for (uint16_t sport = 40000; sport < 40016; ++sport) {
      const std::string first = verdict(kFromClient / Ip4{} / Tcp{.sport = sport, .syn = true});
      EXPECT_EQ(verdict(kFromClient / Ip4{} / Tcp{.sport = sport, .ack = true}), first) << sport;
    }
  }
}

TEST_F(Rule22, AnErrorAboutAFlowOfABackendOnThisHostIsLeftToTheStack) {
  for (const loom_forwarding forwarding : {LOOM_FORWARD_L2, LOOM_FORWARD_NAT}) {
    SetUp();
    loom_backend backend = backend_of(forwarding, "10.0.0.2");
    backend.flags |= LOOM_BACKEND_F_LOCAL;
    serve(kVip4, 80, IPPROTO_TCP, backend);
    run(kFromClient / Ip4{} / kSynTo80);
    EXPECT_EQ(verdict(kFromClient / Ip4{} / Icmp{.type = 3, .code = 4, .rest = 1400} /
                      Ip4{.src = kVip4, .dst = "192.0.2.1"} / Tcp{.sport = 80, .dport = 40000}),
              "PASS_LOCAL_BACKEND");
  }
}

TEST_F(Rule22, ABackendMayBeItsOwnClient) {
  for (const loom_forwarding forwarding : {LOOM_FORWARD_L2, LOOM_FORWARD_IPIP, LOOM_FORWARD_GUE}) {
    serve(kVip4, 80, IPPROTO_TCP, backend_of(forwarding, "10.0.0.2"));
    Outcome got;
    EXPECT_EQ(verdict(kFromBackend / Ip4{.src = "10.0.0.2"} / kSynTo80, &got), "FORWARD_TX");
    EXPECT_EQ(PacketCheck::problem_of(got.packet), "");
  }
  serve_tcp4();
  const uint16_t port = nat_candidate(flow_of("10.0.0.2", 40000, kVip4, 80, IPPROTO_TCP));
  EXPECT_EQ(run(kFromBackend / Ip4{.src = "10.0.0.2"} / kSynTo80).packet,
            Bytes(kToBackend / Ip4{.src = kSource4, .dst = "10.0.0.2", .ttl = 63} /
                  Tcp{.sport = port, .dport = 8080, .syn = true}));
  EXPECT_EQ(run(answer(port, {.syn = true, .ack = true})).packet,
            Bytes(Ether{.dst = kBackendMac, .src = kOurMac} /
                  Ip4{.src = kVip4, .dst = "10.0.0.2", .ttl = 63} /
                  Tcp{.sport = 80, .dport = 40000, .syn = true, .ack = true}));
}

// ---- rule 23: only frames for our own MAC, and the extra ones

class Rule23 : public Nat {};

TEST_F(Rule23, ExtraMacsAreOursToo) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  const MacBytes vrrp{0, 0, 0x5e, 0, 1, 7};
  const Bytes frame = Ether{.dst = vrrp} / Ip4{} / kSynTo80;
  EXPECT_EQ(verdict(frame), "PASS_NOT_OUR_MAC");

  std::vector<MacBytes> extra = {
      {2, 9, 9, 9, 9, 1}, {2, 9, 9, 9, 9, 2}, {2, 9, 9, 9, 9, 3}, {2, 9, 9, 9, 9, 4}};
  for (size_t i = 0; i < extra.size(); ++i) {
    std::vector<MacBytes> list = extra;
    list[i] = vrrp;
    put_interface(kIngress, kOurMac, list);
    EXPECT_EQ(verdict(frame), "FORWARD_TX") << i;
    list.resize(i);
    put_interface(kIngress, kOurMac, list);
    EXPECT_EQ(verdict(frame), "PASS_NOT_OUR_MAC") << i;
  }
  EXPECT_EQ(verdict(Ether{} / Ip4{} / kSynTo80), "FORWARD_TX");
  EXPECT_EQ(verdict(Ether{.dst = {0, 0, 0, 0, 0, 0}} / Ip4{} / kSynTo80), "PASS_NOT_OUR_MAC");
}

// ---- rule 30: one address in several services

class Rule30 : public Nat {};

TEST_F(Rule30, ABackendOfTwoServicesIsCountedInEach) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  loom_backend again = backend_of(LOOM_FORWARD_IPIP, "10.0.0.2");
  again.service = 2;
  put_backend(2, again);
  put_ring(2, 2);
  put_service(2, LOOM_FORWARD_IPIP);
  put_listener(kVip4, 53, IPPROTO_UDP, {2, 0});
  counted();
  run(kFromClient / Ip4{} / kSynTo80);
  run(kFromClient / Ip4{} / Udp{});
  run(kFromClient / Ip4{} / Udp{});
  const Counted counts = counted();
  EXPECT_EQ(counts.backends.at(1).packets, 1u);
  EXPECT_EQ(counts.backends.at(2).packets, 2u);
}

// ---- rule 31: exact before range before wildcard

class Rule31 : public Nat {
 protected:
  void SetUp() override {
    Nat::SetUp();
    // Services 1 to 4, each with a backend of its own.
    for (uint32_t id = 1; id <= 4; ++id) {
      loom_backend backend = backend_of(LOOM_FORWARD_L2, "10.0.0." + std::to_string(id));
      backend.service = id;
      put_backend(id, backend);
      put_service(id, LOOM_FORWARD_L2);
      put_ring(id, id);
    }
    put_listener(kVip4, 8005, IPPROTO_TCP, {1, 0});
    put_range(kVip4, 8000, 13, IPPROTO_TCP, {2, 0});  // 8000-8007
    put_range(kVip4, 8008, 14, IPPROTO_TCP, {2, 0});  // 8008-8011
    put_range(kVip4, 0, 0, IPPROTO_TCP, {3, 0});
    put_range(kVip4, 9000, 16, IPPROTO_UDP, {4, 0});
    put_range("198.51.100.2", 0, 0, IPPROTO_TCP, {4, 0});
    put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_RANGES);
  }
  static uint32_t service_of(const Bytes& frame) {
    counted();
    run(frame);
    const Counted counts = counted();
    return counts.backends.empty() ? 0 : counts.backends.begin()->first;
  }
  static uint32_t service_of(uint16_t port) {
    return service_of(kFromClient / Ip4{} / Tcp{.dport = port, .syn = true});
  }
};

TEST_F(Rule31, TheMostSpecificListenerTakesThePacket) {
  EXPECT_EQ(service_of(8005), 1u);
  for (const uint16_t port : std::vector<uint16_t>{8000, 8004, 8006, 8011})
    EXPECT_EQ(service_of(port), 2u) << port;
  for (const uint16_t port : std::vector<uint16_t>{1, 7999, 8012, 65535})
    EXPECT_EQ(service_of(port), 3u) << port;
}

TEST_F(Rule31, ProtocolAndAddressMustMatch) {
  EXPECT_EQ(service_of(kFromClient / Ip4{} / Udp{.dport = 9000}), 4u);
  EXPECT_EQ(verdict(kFromClient / Ip4{} / Udp{.dport = 9001}), "DROP_NO_SERVICE");
  put_vip("198.51.100.3", LOOM_VIP_F_SERVICE | LOOM_VIP_F_RANGES);
  EXPECT_EQ(verdict(kFromClient / Ip4{.dst = "198.51.100.3"} / kSynTo80), "DROP_NO_SERVICE");
  put_vip("198.51.100.2", LOOM_VIP_F_SERVICE | LOOM_VIP_F_RANGES);
  EXPECT_EQ(service_of(kFromClient / Ip4{.dst = "198.51.100.2"} / kSynTo80), 4u);
}

TEST_F(Rule31, WithoutItsFlagAVipHasNoRanges) {
  put_vip(kVip4);
  EXPECT_EQ(verdict(kFromClient / Ip4{} / Tcp{.dport = 8000, .syn = true}), "DROP_NO_SERVICE");
}

TEST_F(Rule31, AnExactPassthroughPortIsExcludedFromARange) {
  put_listener(kVip4, 8001, IPPROTO_TCP, {0, LOOM_LISTENER_F_PASS});
  EXPECT_EQ(verdict(kFromClient / Ip4{} / Tcp{.dport = 8001, .syn = true}), "PASS_PASSTHROUGH");
}

}  // namespace
}  // namespace loom::test
