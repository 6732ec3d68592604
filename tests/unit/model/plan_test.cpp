// SPDX-License-Identifier: Apache-2.0
#include "lb/model/plan.hpp"

#include <gtest/gtest.h>

#include "lb/model/desired.hpp"
#include "support/values.hpp"

namespace loom {
namespace {

using test::backend;
using test::links_to;
using test::service;

/// The state for `spec`, with ids as after `have`.
State state_of(const Spec& spec, const State& have = {}) {
  static IdPool services(100), backends(100);
  Desired want = desired(spec, links_to(spec), {});
  EXPECT_TRUE(assign_ids(want, have, services, backends));
  set_ring_digests(want, 1009);
  return want.state;
}

std::vector<std::string> steps(const State& have, const State& want) {
  std::vector<std::string> out;
  for (const Step& step : plan(have, want, {})) out.push_back(describe(step));
  return out;
}

Spec web(std::vector<BackendSpec> backends, Forwarding forwarding = Forwarding::kIpip) {
  Spec spec;
  spec.interfaces = {"eth0"};
  spec.services = {service("web", "203.0.113.1", forwarding, std::move(backends))};
  return spec;
}

TEST(Plan, IsEmptyWhenNothingChanges) {
  const State state = state_of(web({backend("10.0.0.1")}));
  EXPECT_TRUE(plan(state, state, {}).empty());
}

TEST(Plan, BuildsFromBackendsUpAndAttachesLast) {
  EXPECT_EQ(
      steps({}, state_of(web({backend("10.0.0.1")}))),
      (std::vector<std::string>{"allow egress 2", "put backend web 10.0.0.1", "put service web",
                                "publish ring of web", "put listener 203.0.113.1:80/tcp",
                                "put VIP 203.0.113.1", "attach to eth0"}));
}

TEST(Plan, TearsDownInReverse) {
  EXPECT_EQ(steps(state_of(web({backend("10.0.0.1")})), {}),
            (std::vector<std::string>{"detach from eth0", "remove VIP 203.0.113.1",
                                      "remove listener 203.0.113.1:80/tcp", "remove service web",
                                      "remove backend web 10.0.0.1", "remove egress 2"}));
}

TEST(Plan, AddsABackendBeforeTheRingNamesIt) {
  const State before = state_of(web({backend("10.0.0.1")}));
  EXPECT_EQ(steps(before, state_of(web({backend("10.0.0.1"), backend("10.0.0.2")}), before)),
            (std::vector<std::string>{"put backend web 10.0.0.2", "publish ring of web"}));
}

TEST(Plan, RemovesABackendAfterTheRingForgotIt) {
  const State before = state_of(web({backend("10.0.0.1"), backend("10.0.0.2")}));
  EXPECT_EQ(steps(before, state_of(web({backend("10.0.0.1")}), before)),
            (std::vector<std::string>{"publish ring of web", "remove backend web 10.0.0.2"}));
}

TEST(Plan, PublishesAllChangedRingsAtOnce) {
  Spec spec = web({backend("10.0.0.1")});
  spec.services.push_back(service("dns", "203.0.113.2", Forwarding::kIpip, {backend("10.0.0.1")}));
  const std::vector<std::string> all = steps({}, state_of(spec));
  EXPECT_EQ(std::count(all.begin(), all.end(), "publish 2 rings"), 1);
}

TEST(Plan, ReplacesAServiceOfAnotherForwardingWithoutAGap) {
  const State before = state_of(web({backend("10.0.0.1")}));
  const State after = state_of(web({backend("10.0.0.1")}, Forwarding::kGue), before);
  EXPECT_EQ(steps(before, after),
            (std::vector<std::string>{"put backend web 10.0.0.1", "put service web",
                                      "publish ring of web", "put listener 203.0.113.1:80/tcp",
                                      "remove service web", "remove backend web 10.0.0.1"}));
}

TEST(Plan, AttachedInEitherModeIsFineForAuto) {
  const State want = state_of(web({backend("10.0.0.1")}));
  State have = want;
  have.interfaces.at("eth0").mode = XdpMode::kGeneric;
  EXPECT_TRUE(plan(have, want, {}).empty());
  State native = want;
  native.interfaces.at("eth0").mode = XdpMode::kNative;
  EXPECT_EQ(steps(have, native), std::vector<std::string>{"attach to eth0"});
}

TEST(Plan, ReattachesWhenTheInterfaceIsAnotherOne) {
  const State have = state_of(web({backend("10.0.0.1")}));
  State want = have;
  want.interfaces.at("eth0").ifindex = 9;
  EXPECT_EQ(steps(have, want), std::vector<std::string>{"attach to eth0"});
}

}  // namespace
}  // namespace loom
