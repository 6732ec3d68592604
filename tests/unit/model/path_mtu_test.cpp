// SPDX-License-Identifier: Apache-2.0
#include "lb/model/path_mtu.hpp"

#include <gtest/gtest.h>

#include "lb/model/desired.hpp"
#include "support/values.hpp"

namespace loom {
namespace {

using namespace std::chrono_literals;
using test::backend;
using test::ep;
using test::ip;
using test::links_to;
using test::service;

constexpr uint8_t kIpip = 4, kTcp = 6, kUdp = 17, kIpv6InIp = 41;

/// An IPIP service and a GUE service, each with a backend of both families.
Spec spec() {
  Spec out;
  out.interfaces = {"eth0"};
  out.services = {service("ipip", "203.0.113.1", Forwarding::kIpip,
                          {backend("10.0.0.9"), backend("2001:db8::9")}),
                  service("gue", "203.0.113.2", Forwarding::kGue,
                          {backend("10.0.0.8"), backend("2001:db8::8")})};
  return out;
}

State state_of(const Spec& spec, const std::map<IpAddr, PathMtu>& learned = {}) {
  Links links = links_to(spec);
  links.path_mtus = learned;
  return desired(spec, links, {}).state;
}

TooBig too_big(const std::string& destination, uint32_t mtu) {
  const IpAddr to = ip(destination);
  return {.router = ip("10.9.9.9"),
          .source = to.is_v4() ? ip("10.0.0.1") : ip("2001:db8::1"),
          .destination = to,
          .protocol = kIpip,
          .length = 1500,
          .mtu = mtu};
}

class PathMtusTest : public ::testing::Test {
 protected:
  PathMtusTest() { mtus_.follow(state_of(spec())); }

  bool learn(const TooBig& message) { return mtus_.learn(message, now_); }
  /// Of a backend; 0: nothing was learned.
  uint32_t learned(const std::string& address) const {
    const auto entry = mtus_.learned().find(ip(address));
    return entry == mtus_.learned().end() ? 0 : entry->second.mtu;
  }

  PathMtus mtus_;
  PathMtus::Clock::time_point now_{1h};
};

TEST_F(PathMtusTest, ARoutersWordCountsForThatBackendAlone) {
  EXPECT_TRUE(learn(too_big("10.0.0.9", 1380)));
  EXPECT_EQ(learned("10.0.0.9"), 1380u);
  EXPECT_EQ(mtus_.learned().size(), 1u);
}

TEST_F(PathMtusTest, IsForgottenAfterTenMinutes) {
  learn(too_big("10.0.0.9", 1380));
  now_ += 10min - 1ns;
  EXPECT_FALSE(mtus_.expire(now_));
  EXPECT_EQ(learned("10.0.0.9"), 1380u);
  now_ += 1ns;
  EXPECT_TRUE(mtus_.expire(now_));
  EXPECT_EQ(learned("10.0.0.9"), 0u);
  EXPECT_FALSE(mtus_.expire(now_)) << "reported once";
}

TEST_F(PathMtusTest, RepeatsChangeNothingAndDoNotProlong) {
  learn(too_big("10.0.0.9", 1380));
  now_ += 5min;
  EXPECT_FALSE(learn(too_big("10.0.0.9", 1380)));
  EXPECT_FALSE(learn(too_big("10.0.0.9", 1400)));
  EXPECT_EQ(learned("10.0.0.9"), 1380u);
  now_ += 5min;
  EXPECT_TRUE(mtus_.expire(now_));
}

TEST_F(PathMtusTest, ASmallerOneReplacesALargerAndStartsAnew) {
  learn(too_big("10.0.0.9", 1380));
  now_ += 5min;
  EXPECT_TRUE(learn(too_big("10.0.0.9", 1300)));
  EXPECT_EQ(learned("10.0.0.9"), 1300u);
  now_ += 5min;
  EXPECT_FALSE(mtus_.expire(now_));
}

TEST_F(PathMtusTest, NeverGrowsBeyondWhatIsSentAnyway) {
  EXPECT_FALSE(learn(too_big("10.0.0.9", 1500)));
  TooBig jumbo = too_big("10.0.0.9", 4000);
  jumbo.length = 9000;
  EXPECT_FALSE(learn(jumbo));
}

TEST_F(PathMtusTest, NeverShrinksBelowWhatEveryPathCarries) {
  EXPECT_TRUE(learn(too_big("10.0.0.9", 68)));
  EXPECT_EQ(learned("10.0.0.9"), 576u);
  TooBig v6 = too_big("2001:db8::9", 0);
  EXPECT_TRUE(learn(v6));
  EXPECT_EQ(learned("2001:db8::9"), 1280u);
}

TEST_F(PathMtusTest, APacketThatWasNotTooBigIsNoReason) {
  TooBig small = too_big("10.0.0.9", 1380);
  small.length = 1380;
  EXPECT_FALSE(learn(small));
}

TEST_F(PathMtusTest, PacketsThatAreNotOursAreIgnored) {
  TooBig message = too_big("10.0.0.9", 1380);
  message.source = ip("10.0.0.2");
  EXPECT_FALSE(learn(message)) << "somebody else's source";
  EXPECT_FALSE(learn(too_big("10.0.0.77", 1380))) << "no backend";
  message = too_big("10.0.0.9", 1380);
  message.protocol = kTcp;
  EXPECT_FALSE(learn(message)) << "our own TCP to the backend";
  message.protocol = kUdp;
  message.port = kDefaultGuePort;
  EXPECT_FALSE(learn(message)) << "GUE to a backend that has IPIP";
}

TEST_F(PathMtusTest, BothProtocolsOfIpipAndThePortOfGueAreOurs) {
  TooBig six = too_big("10.0.0.9", 1380);
  six.protocol = kIpv6InIp;
  EXPECT_TRUE(learn(six));
  TooBig gue = too_big("10.0.0.8", 1380);
  EXPECT_FALSE(learn(gue)) << "IPIP to a backend that has GUE";
  gue.protocol = kUdp;
  gue.port = 53;
  EXPECT_FALSE(learn(gue));
  gue.port = kDefaultGuePort;
  EXPECT_TRUE(learn(gue));
}

TEST_F(PathMtusTest, AnAddressOfASourcePoolIsOurs) {
  TooBig message = too_big("10.0.0.9", 1380);
  message.source = ip("10.0.0.200");
  EXPECT_FALSE(learn(message));
  State state = state_of(spec());
  state.sources[7] = ip("10.0.0.200");
  mtus_.follow(state);
  EXPECT_TRUE(learn(message));
}

TEST_F(PathMtusTest, NatHasNoTunnel) {
  Spec nat = spec();
  nat.services = {service("nat", "203.0.113.1", Forwarding::kNat, {backend("10.0.0.9:80")})};
  mtus_.follow(state_of(nat));
  EXPECT_FALSE(learn(too_big("10.0.0.9", 1380)));
}

TEST_F(PathMtusTest, ABackendThatIsRemovedIsForgotten) {
  learn(too_big("10.0.0.9", 1380));
  Spec without = spec();
  without.services[0].backends.clear();
  mtus_.follow(state_of(without));
  EXPECT_TRUE(mtus_.learned().empty());
}

TEST_F(PathMtusTest, ABackendWithoutANextHopKeepsWhatIsKnown) {
  learn(too_big("10.0.0.9", 1380));
  State state = state_of(spec());
  state.services.at("ipip").backends.at(ep("10.0.0.9")).next_hop.reset();
  mtus_.follow(state);
  EXPECT_EQ(learned("10.0.0.9"), 1380u);
  EXPECT_FALSE(learn(too_big("10.0.0.9", 1300))) << "nothing is sent there now";
}

/// The MTU of the backend of a service with these VIPs, after a router spoke of 600 bytes.
uint32_t mtu_for(const std::vector<std::string>& vips, Forwarding forwarding) {
  Spec out = spec();
  ServiceSpec& service = out.services[0];
  service.forwarding = forwarding;
  service.backends.resize(1);
  service.vips.clear();
  for (const std::string& vip : vips) service.vips.push_back(ip(vip));
  const State state = state_of(out, {{ip("10.0.0.9"), PathMtu{600, {}}}});
  return state.services.at("ipip").backends.begin()->second.next_hop->mtu;
}

TEST(PathMtuOfABackend, LeavesRoomForTheLeastPacketOfEachClientsFamily) {
  EXPECT_EQ(mtu_for({"203.0.113.1"}, Forwarding::kIpip), 600u);
  EXPECT_EQ(mtu_for({"203.0.113.1"}, Forwarding::kGue), 576u + 32u);
  EXPECT_EQ(mtu_for({"2001:db8:1::1"}, Forwarding::kIpip), 1280u + 20u);
  EXPECT_EQ(mtu_for({"203.0.113.1", "2001:db8:1::1"}, Forwarding::kGue), 1280u + 32u);
}

TEST(PathMtuOfABackend, IsTheSmallerOfRouteAndPath) {
  const State state =
      state_of(spec(), {{ip("10.0.0.9"), PathMtu{1380, {}}}, {ip("10.0.0.8"), PathMtu{9000, {}}}});
  EXPECT_EQ(state.services.at("ipip").backends.at(ep("10.0.0.9")).next_hop->mtu, 1380u);
  EXPECT_EQ(state.services.at("ipip").backends.at(ep("2001:db8::9")).next_hop->mtu, 1500u);
  EXPECT_EQ(state.services.at("gue").backends.at(ep("10.0.0.8")).next_hop->mtu, 1500u);
}

TEST(PathMtuOfABackend, MeansNothingToNat) {
  Spec nat = spec();
  nat.services = {service("nat", "203.0.113.1", Forwarding::kNat, {backend("10.0.0.9:80")})};
  const State state = state_of(nat, {{ip("10.0.0.9"), PathMtu{1380, {}}}});
  EXPECT_EQ(state.services.at("nat@v4").backends.at(ep("10.0.0.9:80")).next_hop->mtu, 1500u);
}

}  // namespace
}  // namespace loom
