// SPDX-License-Identifier: Apache-2.0
#include "lb/model/desired.hpp"

#include <gtest/gtest.h>

#include "support/values.hpp"

namespace loom {
namespace {

using test::backend;
using test::ep;
using test::ip;
using test::links_to;
using test::service;

Spec spec_of(std::vector<ServiceSpec> services) {
  Spec spec;
  spec.interfaces = {"eth0"};
  spec.services = std::move(services);
  return spec;
}

ServiceSpec default_service(std::vector<BackendSpec> backends) {
  ServiceSpec out = service("default", "::", Forwarding::kNat, std::move(backends));
  out.vips.clear();
  out.vips_from_interfaces = true;
  return out;
}

TEST(Desired, DefaultServiceAnswersOnTheInterfacesAddressesOfFamiliesWithABackend) {
  const Spec spec = spec_of({default_service({backend("10.0.0.9:8080")})});
  const Desired want = desired(spec, links_to(spec), {});
  ASSERT_TRUE(want.state.services.contains("default@v4"));
  EXPECT_EQ(want.state.services.at("default@v4").listeners,
            (std::set<Listener>{{ip("10.0.0.1"), {80, Protocol::kTcp}}}));
  EXPECT_FALSE(want.state.services.contains("default@v6")) << "rule 36";
  EXPECT_FALSE(want.state.vips.contains(ip("2001:db8::1")));
}

TEST(Desired, NatServiceOfBothFamiliesHasARingPerFamily) {
  ServiceSpec web = service("web", "203.0.113.1", Forwarding::kNat,
                            {backend("10.0.0.9:80"), backend("[2001:db8::9]:80")});
  web.vips.push_back(ip("2001:db8:1::1"));
  const Spec spec = spec_of({web});
  const Desired want = desired(spec, links_to(spec), {});
  EXPECT_EQ(want.state.services.at("web@v4").backends.size(), 1u);
  EXPECT_EQ(want.state.services.at("web@v6").backends.size(), 1u);
}

TEST(Desired, TunnelsMixFamiliesInOneRing) {
  ServiceSpec web = service("web", "203.0.113.1", Forwarding::kIpip,
                            {backend("10.0.0.9"), backend("2001:db8::9")});
  const Spec spec = spec_of({web});
  EXPECT_EQ(desired(spec, links_to(spec), {}).state.services.at("web").backends.size(), 2u);
}

TEST(Desired, NatBackendOfAFamilyWithoutVipIsNamed) {
  const Spec spec = spec_of({service("web", "203.0.113.1", Forwarding::kNat,
                                     {backend("[2001:db8::9]:80"), backend("10.0.0.9:80")})});
  const Desired want = desired(spec, links_to(spec), {});
  EXPECT_TRUE(want.backend_problems.contains({"web", ep("[2001:db8::9]:80")}));
}

TEST(Desired, UnservedPortsPassOnOwnAddressesAndDropElsewhere) {
  ServiceSpec own = service("own", "10.0.0.1", Forwarding::kIpip, {backend("10.0.0.9")});
  ServiceSpec routed = service("routed", "203.0.113.1", Forwarding::kIpip, {backend("10.0.0.9")});
  ServiceSpec said = service("said", "203.0.113.2", Forwarding::kIpip, {backend("10.0.0.9")});
  said.on_no_service = UnservedPolicy::kPass;
  const Spec spec = spec_of({own, routed, said});
  const State state = desired(spec, links_to(spec), {}).state;
  EXPECT_TRUE(state.vips.at(ip("10.0.0.1")).pass_unserved) << "else SSH is locked out";
  EXPECT_FALSE(state.vips.at(ip("203.0.113.1")).pass_unserved);
  EXPECT_TRUE(state.vips.at(ip("203.0.113.2")).pass_unserved);
}

TEST(Desired, NatSourceIsTheConfiguredAddressElseTheEgressInterfaces) {
  ServiceSpec web = service("web", "203.0.113.1", Forwarding::kNat, {backend("10.0.0.9:80")});
  Spec spec = spec_of({web});
  State state = desired(spec, links_to(spec), {}).state;
  EXPECT_EQ(state.services.at("web@v4").backends.at(ep("10.0.0.9:80")).source, ip("10.0.0.1"));
  EXPECT_TRUE(state.vips.at(ip("10.0.0.1")).nat);
  EXPECT_FALSE(state.vips.at(ip("10.0.0.1")).service);

  spec.services[0].nat_addresses = {ip("10.0.0.77")};
  state = desired(spec, links_to(spec), {}).state;
  EXPECT_EQ(state.services.at("web@v4").backends.at(ep("10.0.0.9:80")).source, ip("10.0.0.77"));
}

TEST(Desired, L2BackendBehindAGatewayIsRefused) {
  const Spec spec =
      spec_of({service("web", "203.0.113.1", Forwarding::kL2, {backend("10.9.0.9")})});
  Links links = links_to(spec);
  links.gateways[ip("10.9.0.9")] = ip("10.0.0.254");
  const Desired want = desired(spec, links, {});
  EXPECT_FALSE(want.state.services.at("web@v4").backends.at(ep("10.9.0.9")).next_hop);
  EXPECT_NE(want.backend_problems.at({"web", ep("10.9.0.9")}).find("10.0.0.254"),
            std::string::npos);
}

TEST(Desired, NatThroughAnInterfaceWithoutLoomIsRefused) {
  const Spec spec =
      spec_of({service("web", "203.0.113.1", Forwarding::kNat, {backend("10.0.0.9:80")})});
  Links links = links_to(spec);
  links.next_hops[ip("10.0.0.9")].ifindex = 77;
  EXPECT_TRUE(desired(spec, links, {}).backend_problems.contains({"web", ep("10.0.0.9:80")}));
}

TEST(Desired, UnresolvedNextHopKeepsTheBackendInTheRing) {
  const Spec spec =
      spec_of({service("web", "203.0.113.1", Forwarding::kIpip, {backend("10.0.0.9")})});
  Links links = links_to(spec);
  links.incomplete[ip("10.0.0.9")] = links.next_hops.at(ip("10.0.0.9"));
  links.incomplete[ip("10.0.0.9")].destination = {};
  links.next_hops.clear();
  links.unresolved[ip("10.0.0.9")] = "neighbour 10.0.0.9 on eth0 is not resolved";
  const Desired want = desired(spec, links, {});
  const BackendState& state = want.state.services.at("web").backends.at(ep("10.0.0.9"));
  EXPECT_TRUE(state.in_ring());
  EXPECT_FALSE(state.next_hop);
  EXPECT_EQ(state.source, ip("10.0.0.1")) << "the datapath asks the kernel meanwhile";
  EXPECT_EQ(want.backend_problems.at({"web", ep("10.0.0.9")}),
            "neighbour 10.0.0.9 on eth0 is not resolved");
}

TEST(Desired, ABackendWithoutARouteGetsNoSlots) {
  const Spec spec =
      spec_of({service("web", "203.0.113.1", Forwarding::kIpip, {backend("10.0.0.9")})});
  Links links = links_to(spec);
  links.next_hops.clear();
  links.unresolved[ip("10.0.0.9")] = "no route to 10.0.0.9";
  EXPECT_FALSE(
      desired(spec, links, {}).state.services.at("web").backends.begin()->second.in_ring());
}

TEST(Desired, StatesDecideWhoIsInTheRing) {
  ServiceSpec web = service("web", "203.0.113.1", Forwarding::kIpip,
                            {backend("10.0.0.1"), backend("10.0.0.2"), backend("10.0.0.3"),
                             backend("10.0.0.4", 0), backend("10.0.0.5")});
  web.backends[1].state = AdminState::kDrain;
  web.backends[2].state = AdminState::kMaint;
  const Spec spec = spec_of({web});
  Desired want = desired(spec, links_to(spec), {{ep("10.0.0.5"), Health::kDown}});
  const ServiceState& state = want.state.services.at("web");
  std::set<Endpoint> in_ring;
  for (const RingMember& member : ring_members(state)) in_ring.insert(member.endpoint);
  EXPECT_EQ(in_ring, (std::set<Endpoint>{ep("10.0.0.1")}));
  EXPECT_FALSE(state.backends.at(ep("10.0.0.2")).down) << "draining keeps its flows";
  EXPECT_TRUE(state.backends.at(ep("10.0.0.3")).down);
  EXPECT_TRUE(state.backends.at(ep("10.0.0.5")).down);
}

TEST(Desired, PassthroughPortsWinOverServices) {
  ServiceSpec web = service("web", "203.0.113.1", Forwarding::kIpip, {backend("10.0.0.9")});
  web.ports.push_back({9091, Protocol::kTcp});
  Spec spec = spec_of({web});
  spec.passthrough_ports = {9091};
  const State state = desired(spec, links_to(spec), {}).state;
  EXPECT_TRUE(state.passthrough.contains({ip("203.0.113.1"), {9091, Protocol::kTcp}}));
  EXPECT_TRUE(state.passthrough.contains({ip("203.0.113.1"), {9091, Protocol::kUdp}}));
  EXPECT_EQ(state.services.at("web").listeners.size(), 1u);
}

TEST(AssignIds, KeepsWhatTheKernelHasAndNeverSharesOne) {
  Spec spec = spec_of({service("a", "203.0.113.1", Forwarding::kIpip, {backend("10.0.0.1")}),
                       service("b", "203.0.113.2", Forwarding::kIpip, {backend("10.0.0.1")})});
  IdPool services(10), backends(10);
  Desired first = desired(spec, links_to(spec), {});
  ASSERT_TRUE(assign_ids(first, {}, services, backends));
  EXPECT_NE(first.state.services["a"].id, first.state.services["b"].id);
  EXPECT_NE(first.state.services["a"].backends.begin()->second.id,
            first.state.services["b"].backends.begin()->second.id);

  spec.services[0].backends.insert(spec.services[0].backends.begin(), backend("10.0.0.2"));
  Desired second = desired(spec, links_to(spec), {});
  ASSERT_TRUE(assign_ids(second, first.state, services, backends));
  EXPECT_EQ(second.state.services["a"].id, first.state.services["a"].id);
  EXPECT_EQ(second.state.services["a"].backends.at(ep("10.0.0.1")).id,
            first.state.services["a"].backends.at(ep("10.0.0.1")).id);
}

TEST(AssignIds, AnotherForwardingIsAnotherService) {
  Spec spec = spec_of({service("a", "203.0.113.1", Forwarding::kIpip, {backend("10.0.0.1")})});
  IdPool services(10), backends(10);
  Desired first = desired(spec, links_to(spec), {});
  ASSERT_TRUE(assign_ids(first, {}, services, backends));
  spec.services[0].forwarding = Forwarding::kGue;
  Desired second = desired(spec, links_to(spec), {});
  ASSERT_TRUE(assign_ids(second, first.state, services, backends));
  EXPECT_NE(second.state.services["a"].id, first.state.services["a"].id);
}

TEST(AssignIds, SaysWhenIdsRunOut) {
  const Spec spec = spec_of(
      {service("a", "203.0.113.1", Forwarding::kIpip, {backend("10.0.0.1"), backend("10.0.0.2")})});
  IdPool services(10), backends(1);
  Desired want = desired(spec, links_to(spec), {});
  const Result<void> done = assign_ids(want, {}, services, backends);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ENOSPC);
}

TEST(IdPool, RotatesSoThatAFreedIdRests) {
  IdPool pool(3);
  EXPECT_EQ(pool.take({}), 1u);
  EXPECT_EQ(pool.take({}), 2u);
  EXPECT_EQ(pool.take({2}), 3u);
  EXPECT_EQ(pool.take({2}), 1u);
  EXPECT_EQ(pool.take({1, 2, 3}), 0u);
}

}  // namespace
}  // namespace loom
