// SPDX-License-Identifier: Apache-2.0
#include "lb/control/controller.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <thread>

#include "support/fake_dataplane.hpp"
#include "support/values.hpp"

namespace loom {
namespace {

using namespace std::chrono_literals;
using test::backend;
using test::ep;
using test::FakeDataplane;
using test::FakeLinks;
using test::ip;
using test::links_to;
using test::service;

Spec two_services() {
  Spec spec;
  spec.interfaces = {"eth0"};
  spec.services = {service("web", "203.0.113.1", Forwarding::kNat,
                           {backend("10.0.0.2:80"), backend("10.0.0.3:80")}),
                   service("dsr", "203.0.113.2", Forwarding::kIpip, {backend("10.0.0.2")})};
  return spec;
}

class ControllerTest : public ::testing::Test {
 protected:
  void start(Spec spec, uint64_t max_connections = 0) {
    links_ = std::make_unique<FakeLinks>(links_to(spec));
    links_->answer_every_target_with(
        {2, {{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 1, 9}}, 1500, ip("10.0.0.1")});
    ControllerOptions options;
    options.spec = std::move(spec);
    options.ring_size = 1009;
    options.overlay_file = overlay_file_;
    options.max_connections = max_connections;
    Result<std::unique_ptr<Controller>> made = Controller::start(options, dataplane_, *links_);
    ASSERT_TRUE(made);
    controller_ = std::move(*made);
  }

  std::shared_ptr<const Snapshot> now() const { return controller_->snapshot(); }

  std::string overlay_file_;
  FakeDataplane dataplane_;
  std::unique_ptr<FakeLinks> links_;
  std::unique_ptr<Controller> controller_;
};

TEST_F(ControllerTest, BringsTheDatapathToTheFile) {
  start(two_services());
  EXPECT_TRUE(now()->not_ready().empty());
  EXPECT_EQ(dataplane_.state.services.size(), 2u);
  EXPECT_EQ(dataplane_.state.services.at("web@v4").backends.size(), 2u);
  ASSERT_EQ(now()->services.size(), 2u);
  EXPECT_EQ(now()->services[1].backends[0].id, 1u) << "API ids in the order of the file";
}

TEST_F(ControllerTest, AdoptsAnUnchangedStateWithoutAStep) {
  start(two_services());
  controller_.reset();
  dataplane_.applied.clear();
  start(two_services());
  EXPECT_EQ(now()->steps_at_start, 0u);
  EXPECT_TRUE(dataplane_.applied.empty());
}

TEST_F(ControllerTest, AddedBackendIsInTheDatapathWhenTheAnswerComes) {
  start(two_services());
  const Result<BackendView> added =
      controller_->add_backend({.service = "web", .backend = backend("10.0.0.4:80", 7)});
  ASSERT_TRUE(added) << added.error().message();
  EXPECT_EQ(added->id, 4u);
  EXPECT_EQ(added->source, Source::kApi);
  EXPECT_EQ(dataplane_.state.services.at("web@v4").backends.at(ep("10.0.0.4:80")).weight, 7u);
  EXPECT_EQ(now()->overlay_objects, 1u);
}

TEST_F(ControllerTest, RefusesADuplicateNamingTheExistingId) {
  start(two_services());
  const Result<BackendView> twice =
      controller_->add_backend({.service = "web", .backend = backend("10.0.0.2:80")});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code(), EEXIST);
  EXPECT_NE(twice.error().what().find("backend 1 "), std::string::npos) << twice.error().what();
}

TEST_F(ControllerTest, AsksWhichServiceWhenThereAreSeveral) {
  start(two_services());
  const Result<BackendView> added = controller_->add_backend({{}, backend("10.0.0.4:80")});
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code(), EINVAL);
  const Result<BackendView> unknown =
      controller_->add_backend({.service = "nope", .backend = backend("10.0.0.4:80")});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), ENOENT);
}

TEST_F(ControllerTest, PatchesAndRemovesById) {
  start(two_services());
  const Result<BackendView> patched =
      controller_->patch_backend(1, {.weight = 50, .state = AdminState::kDrain});
  ASSERT_TRUE(patched);
  EXPECT_EQ(patched->weight, 50u);
  EXPECT_EQ(dataplane_.state.services.at("web@v4").backends.at(ep("10.0.0.2:80")).admin,
            AdminState::kDrain);
  ASSERT_TRUE(controller_->remove_backend(1));
  EXPECT_FALSE(dataplane_.state.services.at("web@v4").backends.contains(ep("10.0.0.2:80")));
  const Result<void> again = controller_->remove_backend(1);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ENOENT);
}

TEST_F(ControllerTest, ApiIdsAreNeverReused) {
  start(two_services());
  ASSERT_TRUE(controller_->remove_backend(2));
  const Result<BackendView> added =
      controller_->add_backend({.service = "web", .backend = backend("10.0.0.3:80")});
  ASSERT_TRUE(added);
  EXPECT_EQ(added->id, 4u);
}

TEST_F(ControllerTest, ARevivedBackendIsANewOne) {
  start(two_services());
  ASSERT_TRUE(controller_->remove_backend(1));
  const Result<BackendView> again =
      controller_->add_backend({.service = "web", .backend = backend("10.0.0.2:80", 9)});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->id, 4u);
  EXPECT_EQ(again->weight, 9u);
}

TEST_F(ControllerTest, AnIdThatTheFileGivesToAnotherBackendIsTakenFromItsHolder) {
  start(two_services());
  controller_.reset();
  Spec spec = two_services();
  spec.services[0].backends[1].api_id = 1;  // which 10.0.0.2:80 had
  start(spec);
  std::set<uint32_t> ids;
  for (const ServiceView& s : now()->services)
    for (const BackendView& b : s.backends) ids.insert(b.id);
  EXPECT_EQ(ids.size(), 3u);
  EXPECT_EQ(now()->find_backend(1)->endpoint, ep("10.0.0.3:80"));
}

TEST_F(ControllerTest, RefusesABackendThatNothingCanBeSentTo) {
  start(two_services());
  const State before = dataplane_.state;
  const Result<BackendView> family =
      controller_->add_backend({.service = "web", .backend = backend("[2001:db8::5]:80")});
  ASSERT_FALSE(family);
  EXPECT_EQ(family.error().code(), EINVAL);
  const Result<BackendView> vip =
      controller_->add_backend({.service = "dsr", .backend = backend("203.0.113.1")});
  ASSERT_FALSE(vip);
  EXPECT_NE(vip.error().what().find("VIP"), std::string::npos);
  EXPECT_EQ(dataplane_.state, before);
  EXPECT_EQ(now()->overlay_objects, 0u);
}

TEST_F(ControllerTest, ChangesThroughTheApiSurviveARestart) {
  const std::string directory = ::testing::TempDir() + "loom-overlay-test";
  std::filesystem::remove_all(directory);
  overlay_file_ = directory + "/overlay.json";
  start(two_services());
  ASSERT_TRUE(controller_->add_backend({.service = "web", .backend = backend("10.0.0.4:80", 7)}));
  ASSERT_TRUE(controller_->patch_backend(2, {.weight = 5}));
  ASSERT_TRUE(controller_->remove_backend(1));
  controller_.reset();
  dataplane_.applied.clear();
  start(two_services());
  EXPECT_EQ(now()->steps_at_start, 0u);
  EXPECT_TRUE(dataplane_.applied.empty());
  EXPECT_EQ(now()->overlay_objects, 3u);
  EXPECT_EQ(now()->find_backend(1), nullptr);
  EXPECT_EQ(now()->find_backend(2)->weight, 5u);
  EXPECT_EQ(now()->find_backend(4)->endpoint, ep("10.0.0.4:80"));
  std::filesystem::remove_all(directory);
}

TEST_F(ControllerTest, WhatCannotBeKeptIsNotApplied) {
  overlay_file_ = "/proc/nowhere/overlay.json";
  start(two_services());
  const State before = dataplane_.state;
  EXPECT_FALSE(controller_->add_backend({.service = "web", .backend = backend("10.0.0.4:80")}));
  EXPECT_EQ(dataplane_.state, before);
}

TEST_F(ControllerTest, ARestartKnowsTheNextHopsThatWerePinned) {
  start(two_services());
  controller_.reset();
  dataplane_.applied.clear();
  Links links = links_to(two_services());
  for (const auto& [address, hop] : links.next_hops) {
    links.unresolved[address] = "neighbour " + address.to_string() + " on eth0 is not resolved";
    links.incomplete[address] = hop;
    links.incomplete[address].destination = {};
  }
  links.next_hops.clear();
  links_ = std::make_unique<FakeLinks>(links);
  ControllerOptions options;
  options.spec = two_services();
  options.ring_size = 1009;
  Result<std::unique_ptr<Controller>> made = Controller::start(options, dataplane_, *links_);
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->snapshot()->steps_at_start, 0u);
}

TEST_F(ControllerTest, AFailedChangeChangesNothing) {
  start(two_services());
  const State before = dataplane_.state;
  dataplane_.steps_until_full = 1;  // the backend entry fits, the ring does not
  const Result<BackendView> added =
      controller_->add_backend({.service = "web", .backend = backend("10.0.0.4:80")});
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code(), ENOSPC);
  EXPECT_EQ(now()->overlay_objects, 0u);
  dataplane_.steps_until_full = -1;
  for (int i = 0; i < 300 && !now()->not_ready().empty(); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(dataplane_.state, before) << "what was half applied is taken back";
}

TEST_F(ControllerTest, OneBusyInterfaceDoesNotStopTheOthers) {
  Spec spec = two_services();
  spec.interfaces = {"eth0", "eth1"};
  dataplane_.refuse_attach = "eth1";
  links_ = nullptr;
  Links links = links_to(spec);
  links.interfaces["eth1"] = {3, "eth1", {{2, 0, 0, 0, 0, 2}}, 1500, true, {}};
  FakeLinks monitor(links);
  ControllerOptions options;
  options.spec = spec;
  options.ring_size = 1009;
  Result<std::unique_ptr<Controller>> made = Controller::start(options, dataplane_, monitor);
  ASSERT_TRUE(made);
  const std::vector<std::string> reasons = (*made)->snapshot()->not_ready();
  ASSERT_EQ(reasons.size(), 1u);
  EXPECT_NE(reasons[0].find("eth1"), std::string::npos);
  EXPECT_TRUE((*made)->patch_backend(1, {.weight = 3}));
}

TEST_F(ControllerTest, FollowsAChangedNextHop) {
  start(two_services());
  Links links = links_to(two_services());
  links.next_hops[ip("10.0.0.2")].destination = {{2, 9, 9, 9, 9, 9}};
  links_->set(links);
  const auto mac = [&] {
    const Result<State> state = dataplane_.read();
    return state->services.at("dsr").backends.at(ep("10.0.0.2")).next_hop->destination;
  };
  for (int i = 0; i < 300 && mac() != Mac{{2, 9, 9, 9, 9, 9}}; ++i)
    std::this_thread::sleep_for(1ms);
  EXPECT_EQ(mac().to_string(), "02:09:09:09:09:09");
}

TEST_F(ControllerTest, ANeighbourThatStopsAnsweringKeepsItsMac) {
  start(two_services());
  Links links = links_to(two_services());
  links.next_hops.erase(ip("10.0.0.2"));
  links.unresolved[ip("10.0.0.2")] = "neighbour 10.0.0.2 on eth0 is not resolved";
  const uint64_t generation = now()->generation;
  links_->set(links);
  for (int i = 0; i < 300 && now()->generation == generation; ++i) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(dataplane_.read()->services.at("dsr").backends.at(ep("10.0.0.2")).next_hop);
}

TEST_F(ControllerTest, HeedsARoutersWordAboutATunnelAndShowsIt) {
  start(two_services());
  controller_->too_big({.router = ip("10.9.9.9"),
                        .source = ip("10.0.0.1"),
                        .destination = ip("10.0.0.2"),
                        .protocol = 4,
                        .length = 1500,
                        .mtu = 1380});
  const auto tunnel = [&] { return now()->services[0].backends[0]; };
  for (int i = 0; i < 300 && !tunnel().path_mtu; ++i) std::this_thread::sleep_for(1ms);
  ASSERT_TRUE(tunnel().path_mtu);
  EXPECT_EQ(tunnel().path_mtu->mtu, 1380u);
  const Result<State> state = dataplane_.read();
  EXPECT_EQ(state->services.at("dsr").backends.at(ep("10.0.0.2")).next_hop->mtu, 1380u);
  EXPECT_EQ(state->services.at("web@v4").backends.at(ep("10.0.0.2:80")).next_hop->mtu, 1500u)
      << "NAT is told by routers itself";
  EXPECT_FALSE(now()->services[1].backends[0].path_mtu);
}

/// What the first sweep did about the limit.
std::vector<Limit> first_limits(const FakeDataplane& dataplane) {
  for (int turn = 0; turn < 500 && dataplane.limits().empty(); ++turn)
    std::this_thread::sleep_for(10ms);
  return dataplane.limits();
}

TEST_F(ControllerTest, SendsNewFlowsToTheStackFromTheConnectionLimitOn) {
  dataplane_.set_connections(100);
  start(two_services(), 100);
  EXPECT_EQ(first_limits(dataplane_), std::vector<Limit>{Limit::kReached});
}

TEST_F(ControllerTest, TakesBackALimitThatAnEarlierDaemonLeft) {
  dataplane_.set_connections(100);
  start(two_services());
  EXPECT_EQ(first_limits(dataplane_), std::vector<Limit>{Limit::kOpen});
}

TEST_F(ControllerTest, SnapshotTellsTheSettingsOfAService) {
  Spec spec = two_services();
  spec.services[0].affinity = Affinity::kSourceIp;
  spec.services[0].icmp_echo = EchoPolicy::kDrop;
  spec.services[0].on_no_backend = NoBackendPolicy::kLastKnown;
  start(spec);
  const ServiceView& web = now()->services[1];
  EXPECT_EQ(web.affinity, Affinity::kSourceIp);
  EXPECT_EQ(web.icmp_echo, EchoPolicy::kDrop);
  EXPECT_EQ(web.on_no_backend, NoBackendPolicy::kLastKnown);
}

}  // namespace
}  // namespace loom
