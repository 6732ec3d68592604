// SPDX-License-Identifier: Apache-2.0
// What desired() and plan() make of the settings of services: ranges, policies, source pools.
#include <gtest/gtest.h>

#include "lb/model/desired.hpp"
#include "lb/model/plan.hpp"
#include "support/values.hpp"

namespace loom {
namespace {

using test::backend;
using test::ep;
using test::ip;
using test::links_to;
using test::service;

constexpr uint32_t kRingSize = 1009;

Spec spec_of(std::vector<ServiceSpec> services) {
  Spec spec;
  spec.interfaces = {"eth0"};
  spec.services = std::move(services);
  return spec;
}

/// As the controller does it after `have`.
Desired want_after(const Spec& spec, const State& have, const HealthMap& health = {}) {
  static IdPool services(100), backends(100);
  Desired want = desired(spec, links_to(spec), health);
  EXPECT_TRUE(assign_ids(want, have, services, backends));
  EXPECT_TRUE(assign_sources(want, have));
  keep_last_known(want, have);
  set_ring_digests(want, kRingSize);
  return want;
}

std::vector<std::string> steps(const State& have, const Desired& want) {
  std::vector<std::string> out;
  for (const Step& step : plan(have, want.state, want.recipes)) out.push_back(describe(step));
  return out;
}

ServiceSpec tunnel(const std::string& name, const std::string& vip) {
  return service(name, vip, Forwarding::kIpip, {backend("10.0.0.9")});
}

TEST(Rule31, RangesBecomeBlocksAndTheVipSaysSo) {
  ServiceSpec web = tunnel("web", "203.0.113.1");
  web.ports = {{80, Protocol::kTcp}, {8000, Protocol::kTcp, 8063}, PortSpec::any(Protocol::kUdp)};
  const Desired want = desired(spec_of({web}), links_to(spec_of({web})), {});
  EXPECT_EQ(want.state.services.at("web").listeners.size(), 3u);
  EXPECT_TRUE(want.state.vips.at(ip("203.0.113.1")).ranges);

  web.ports = {{80, Protocol::kTcp}};
  const Desired without = desired(spec_of({web}), links_to(spec_of({web})), {});
  EXPECT_FALSE(without.state.vips.at(ip("203.0.113.1")).ranges);
}

TEST(Rule35, PingsAreAnsweredExceptOnAddressesOfThisHost) {
  const auto echo = [](const std::string& vip, std::optional<EchoPolicy> policy) {
    ServiceSpec web = tunnel("web", vip);
    web.icmp_echo = policy;
    const Spec spec = spec_of({web});
    return desired(spec, links_to(spec), {}).state.vips.at(ip(vip)).echo;
  };
  EXPECT_EQ(echo("203.0.113.1", {}), EchoPolicy::kReply);
  EXPECT_EQ(echo("10.0.0.1", {}), EchoPolicy::kPass);
  EXPECT_EQ(echo("10.0.0.1", EchoPolicy::kReply), EchoPolicy::kReply);
  EXPECT_EQ(echo("203.0.113.1", EchoPolicy::kDrop), EchoPolicy::kDrop);
}

TEST(Desired, AWordAboutPingsBeatsTheSilenceOfOtherServicesOnTheVip) {
  ServiceSpec says = tunnel("a", "203.0.113.1");
  says.icmp_echo = EchoPolicy::kDrop;
  ServiceSpec silent = tunnel("b", "203.0.113.1");
  silent.ports = {{81, Protocol::kTcp}};
  for (const Spec& spec : {spec_of({says, silent}), spec_of({silent, says})})
    EXPECT_EQ(desired(spec, links_to(spec), {}).state.vips.at(ip("203.0.113.1")).echo,
              EchoPolicy::kDrop);
}

TEST(Rule22, ABackendThatIsThisHostNeedsNoNextHop) {
  const Spec spec =
      spec_of({service("web", "203.0.113.1", Forwarding::kIpip, {backend("10.0.0.1")})});
  const Desired want = desired(spec, links_to(spec), {});
  const BackendState& state = want.state.services.at("web").backends.at(ep("10.0.0.1"));
  EXPECT_TRUE(state.local);
  EXPECT_FALSE(state.next_hop);
  EXPECT_TRUE(want.backend_problems.empty());
}

TEST(Rule22, ALocalNatBackendWithAPortOfItsOwnIsAProblem) {
  const Spec spec =
      spec_of({service("web", "203.0.113.1", Forwarding::kNat, {backend("10.0.0.1:8080")})});
  EXPECT_EQ(desired(spec, links_to(spec), {}).backend_problems.size(), 1u);
}

TEST(Rule23, InterfacesHaveTheExtraMacs) {
  Spec spec = spec_of({});
  spec.extra_macs = {{{0, 0, 0x5e, 0, 1, 1}}};
  const State state = desired(spec, links_to(spec), {}).state;
  EXPECT_EQ(state.interfaces.at("eth0").extra_macs, spec.extra_macs);
  State before = state;
  before.interfaces.at("eth0").extra_macs.clear();
  EXPECT_EQ(plan(before, state, {}).size(), 1u);
}

TEST(Plan, ChangesSettingsOfAServiceInPlace) {
  const State have = want_after(spec_of({tunnel("web", "203.0.113.1")}), {}).state;
  ServiceSpec changed = tunnel("web", "203.0.113.1");
  changed.affinity = Affinity::kSourceIp;
  changed.on_no_backend = NoBackendPolicy::kReject;
  const Desired want = want_after(spec_of({changed}), have);
  EXPECT_EQ(want.state.services.at("web").id, have.services.at("web").id);
  EXPECT_EQ(steps(have, want), std::vector<std::string>{"put service web"});
}

TEST(Plan, OnlyWhereTheRingFindsFlowsAreThoseAtRiskEnough) {
  ServiceSpec spec = tunnel("web", "203.0.113.1");
  spec.tracking = Tracking::kAtRisk;
  const auto tracking = [&] {
    return desired(spec_of({spec}), links_to(spec_of({spec})), {})
        .state.services.at("web")
        .tracking;
  };
  EXPECT_EQ(tracking(), Tracking::kAtRisk);
  spec.algorithm = Algorithm::kWeighted;
  EXPECT_EQ(tracking(), Tracking::kAll);
  spec.algorithm = Algorithm::kMaglev;
  spec.affinity = Affinity::kNone;
  EXPECT_EQ(tracking(), Tracking::kAll);
}

TEST(Plan, AnotherAlgorithmIsAnotherRing) {
  const State have = want_after(spec_of({tunnel("web", "203.0.113.1")}), {}).state;
  ServiceSpec changed = tunnel("web", "203.0.113.1");
  changed.algorithm = Algorithm::kRoundRobin;
  const Desired turns = want_after(spec_of({changed}), have);
  EXPECT_EQ(steps(have, turns),
            (std::vector<std::string>{"put service web", "publish ring of web"}));
  changed.algorithm = Algorithm::kWeighted;
  EXPECT_EQ(steps(turns.state, want_after(spec_of({changed}), turns.state)),
            std::vector<std::string>{"publish ring of web"});
}

TEST(Rule29, LastKnownKeepsThoseThatWereUpLast) {
  ServiceSpec web =
      service("web", "203.0.113.1", Forwarding::kIpip, {backend("10.0.0.8"), backend("10.0.0.9")});
  web.on_no_backend = NoBackendPolicy::kLastKnown;
  const Spec spec = spec_of({web});
  const auto up = [](const Desired& want, const std::string& endpoint) {
    return want.state.services.at("web").backends.at(ep(endpoint)).in_ring();
  };
  const HealthMap one{{ep("10.0.0.8"), Health::kDown}};
  const HealthMap both{{ep("10.0.0.8"), Health::kDown}, {ep("10.0.0.9"), Health::kDown}};
  const Desired first = want_after(spec, want_after(spec, {}).state, one);
  EXPECT_FALSE(up(first, "10.0.0.8"));
  EXPECT_TRUE(up(first, "10.0.0.9"));
  const Desired second = want_after(spec, first.state, both);
  EXPECT_FALSE(up(second, "10.0.0.8"));
  EXPECT_TRUE(up(second, "10.0.0.9"));
  EXPECT_TRUE(steps(first.state, second).empty());
  EXPECT_TRUE(steps(second.state, want_after(spec, second.state, both)).empty());

  Spec by_hand = spec;
  by_hand.services[0].backends[1].state = AdminState::kMaint;
  EXPECT_FALSE(up(want_after(by_hand, second.state, both), "10.0.0.9")) << "maint is not a guess";
}

ServiceSpec pooled(const std::string& name, const std::string& vip, uint8_t net, uint8_t count) {
  ServiceSpec out = tunnel(name, vip);
  for (uint8_t i = 0; i < count; ++i) out.source_pool.push_back(IpAddr::from_v4({10, 9, net, i}));
  return out;
}

TEST(Rule12, PoolsStandInTheTableBeforeABackendNamesThem) {
  const Desired want = want_after(spec_of({pooled("web", "203.0.113.1", 1, 4)}), {});
  const SourceBlock block = want.state.services.at("web").backends.at(ep("10.0.0.9")).sources;
  EXPECT_EQ(block.count, 4u);
  for (uint16_t i = 0; i < 4; ++i)
    EXPECT_EQ(want.state.sources.at(static_cast<uint16_t>(block.first + i)),
              IpAddr::from_v4({10, 9, 1, static_cast<uint8_t>(i)}));
  EXPECT_EQ(steps({}, want)[1], "put 4 source addresses");
  EXPECT_EQ(steps(want.state, want_after(spec_of({}), want.state)).end()[-1],
            "remove 4 source addresses");
}

TEST(Rule12, AChangedPoolMovesNobodyElseAndNeverStandsWhereTheOldOneDoes) {
  const auto a = [](uint8_t count) { return pooled("a", "203.0.113.1", 1, count); };
  const ServiceSpec b = pooled("b", "203.0.113.2", 2, 4);
  const State have = want_after(spec_of({a(4), b}), {}).state;
  const State want = want_after(spec_of({a(3), b}), have).state;
  const auto block = [](const State& state, const std::string& name) {
    return state.services.at(name).backends.at(ep("10.0.0.9")).sources;
  };
  EXPECT_EQ(block(want, "b"), block(have, "b"));
  EXPECT_GE(block(want, "a").first, 8u);
}

TEST(Rule12, AFullTableIsUsedAgainRatherThanRefused) {
  ServiceSpec web = tunnel("web", "203.0.113.1");
  for (size_t i = 0; i < kMaxSources; ++i)
    web.source_pool.push_back(
        IpAddr::from_v4({10, 9, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}));
  const State have = want_after(spec_of({web}), {}).state;
  std::reverse(web.source_pool.begin(), web.source_pool.end());
  EXPECT_EQ(want_after(spec_of({web}), have).state.sources.size(), kMaxSources);
  web.source_pool.push_back(ip("10.8.0.1"));
  Desired too_many = desired(spec_of({web}), links_to(spec_of({web})), {});
  EXPECT_FALSE(assign_sources(too_many, have));
}

TEST(Rule12, BackendsUseThePoolOfTheirFamily) {
  ServiceSpec web = service("web", "203.0.113.1", Forwarding::kGue,
                            {backend("10.0.0.9"), backend("2001:db8::9")});
  web.source_pool = {ip("10.9.0.1"), ip("2001:db8:9::1"), ip("2001:db8:9::2")};
  const State state = want_after(spec_of({web}), {}).state;
  const auto& backends = state.services.at("web").backends;
  EXPECT_EQ(backends.at(ep("10.0.0.9")).sources.count, 1u);
  EXPECT_EQ(backends.at(ep("2001:db8::9")).sources.count, 2u);
}

}  // namespace
}  // namespace loom
