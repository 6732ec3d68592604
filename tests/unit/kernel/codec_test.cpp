// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/codec.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "support/values.hpp"

namespace loom {
namespace {

using test::ep;
using test::ip;

TEST(Codec, AddressesKeepTheirBytes) {
  EXPECT_EQ(to_abi(ip("192.0.2.1")).w[3], htonl(0xc0000201));
  EXPECT_EQ(to_abi(ip("192.0.2.1")).w[2], htonl(0xffff));
  for (const char* text : {"192.0.2.1", "2001:db8::1"})
    EXPECT_EQ(from_abi(to_abi(ip(text))), ip(text));
}

TEST(Codec, BackendsComeBackAsTheyWere) {
  for (const Forwarding forwarding :
       {Forwarding::kNat, Forwarding::kIpip, Forwarding::kGue, Forwarding::kL2}) {
    BackendState state;
    state.id = 7;
    state.api_id = 3;
    state.name = "a";
    state.weight = 50;
    state.admin = AdminState::kDrain;
    state.down = true;
    state.source = ip("10.0.0.1");
    state.next_hop = NextHop{2, {{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}, 1500, ip("10.0.0.1")};
    if (forwarding == Forwarding::kGue) {
      state.gue_port = 6080;
      state.udp6_zero_checksum = true;
    }
    state.sources = {16, 256};
    const PutBackend step{"web", 1, forwarding, ep("10.0.0.9:8080"), state, true};
    const BackendEntry out = to_abi(step, 42);
    EXPECT_EQ(out.entry.generation, 42u);
    EXPECT_EQ(from_abi(7, out.entry, out.info), state) << to_string(forwarding);
    EXPECT_EQ(endpoint_of(out.entry, out.info), ep("10.0.0.9:8080"));
  }
}

TEST(Codec, UnresolvedNextHopComesBackEmpty) {
  const PutBackend step{"web", 1, Forwarding::kIpip, ep("10.0.0.9"), {}, true};
  const BackendEntry out = to_abi(step, 1);
  EXPECT_FALSE(from_abi(0, out.entry, out.info).next_hop);
}

TEST(Codec, VipsAndListenersRoundTrip) {
  for (int bits = 0; bits < 16; ++bits)
    for (const EchoPolicy echo : {EchoPolicy::kReply, EchoPolicy::kPass, EchoPolicy::kDrop}) {
      const VipState vip{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0, echo};
      EXPECT_EQ(from_abi(to_abi(vip)), vip);
    }
  const Listener listener{ip("203.0.113.1"), {443, Protocol::kUdp}};
  EXPECT_EQ(from_abi(to_abi(listener)), listener);
}

TEST(Codec, BlocksOfPortsRoundTripAsPrefixes) {
  const PortSpec range{8000, Protocol::kUdp, 8099};
  for (const PortSpec& block : blocks_of(range)) {
    const Listener listener{ip("2001:db8::1"), block};
    EXPECT_EQ(from_abi(to_range_abi(listener)), listener) << block.to_string();
  }
  const Listener any{ip("203.0.113.1"), PortSpec::any(Protocol::kTcp)};
  EXPECT_EQ(to_range_abi(any).prefixlen, LOOM_RANGE_PREFIX);
  EXPECT_EQ(from_abi(to_range_abi(any)), any);
  const Listener one{ip("203.0.113.1"), {8000, Protocol::kTcp, 8000}};
  EXPECT_EQ(to_range_abi(one).prefixlen, LOOM_RANGE_PREFIX + 16);
  EXPECT_EQ(from_abi(to_range_abi(one)), one);
}

TEST(Codec, ServicesComeBackAsTheyWere) {
  for (const Affinity affinity : {Affinity::kFiveTuple, Affinity::kSourceIp, Affinity::kNone})
    for (const NoBackendPolicy policy :
         {NoBackendPolicy::kDrop, NoBackendPolicy::kReject, NoBackendPolicy::kPass}) {
      ServiceState service;
      service.forwarding = Forwarding::kGue;
      service.in_turn = policy == NoBackendPolicy::kReject;
      service.affinity = affinity;
      service.on_no_backend = policy;
      EXPECT_EQ(from_abi(to_abi(service)), service);
    }
}

TEST(Codec, SaysLocalBackendsToBe) {
  BackendState state;
  state.id = 7;
  state.local = true;
  const PutBackend step{"web", 1, Forwarding::kIpip, ep("10.0.0.1"), state, true};
  const BackendEntry out = to_abi(step, 1);
  EXPECT_EQ(out.entry.flags, LOOM_BACKEND_F_LOCAL);
  EXPECT_EQ(from_abi(7, out.entry, out.info), state);
}

TEST(Rule23, ExtraMacsOfAnInterfaceRoundTrip) {
  InterfaceState interface;
  interface.mac = {{2, 0, 0, 0, 0, 1}};
  interface.extra_macs = {{{0, 0, 0x5e, 0, 1, 1}}, {{0, 0, 0x5e, 0, 1, 2}}};
  InterfaceState back;
  copy_macs(to_abi(interface), back);
  EXPECT_EQ(back, interface);
}

TEST(Codec, PinNamesHaveNoDotAndComeBack) {
  for (const char* name : {"eth0", "eth0.100", "a%2eb", "web@v4", "%"}) {
    EXPECT_EQ(pin_name(name).find('.'), std::string::npos);
    EXPECT_EQ(name_from_pin(pin_name(name)), name);
  }
}

TEST(Codec, LongNamesAreCutAndTerminated) {
  char field[LOOM_NAME_SIZE];
  copy_name(field, std::string(200, 'x'));
  EXPECT_EQ(name_of(field).size(), LOOM_NAME_SIZE - 1);
}

}  // namespace
}  // namespace loom
