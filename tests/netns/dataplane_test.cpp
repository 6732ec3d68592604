// SPDX-License-Identifier: Apache-2.0
// BpfDataplane against the running kernel: what was put into the maps is what is read back, also by
// the next daemon, and both tables of flows are one list.
#include "lb/kernel/bpf_dataplane.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "dataplane_fixture.hpp"
#include "lb/kernel/codec.hpp"

namespace loom::test {
namespace {

using namespace std::chrono_literals;

Spec everything() {
  ServiceSpec web = service("web", "203.0.113.1", Forwarding::kGue,
                            {backend("10.0.0.8", 3), backend("10.0.0.1"), backend("2001:db8::9")});
  web.ports = {{80, Protocol::kTcp}, {8000, Protocol::kTcp, 8099}, PortSpec::any(Protocol::kUdp)};
  web.algorithm = Algorithm::kWeighted;
  web.affinity = Affinity::kSourceIp;
  web.on_no_backend = NoBackendPolicy::kReject;
  web.source_pool = {ip("10.9.0.1"), ip("10.9.0.2"), ip("2001:db8:9::1")};
  ServiceSpec nat = service("nat", "10.0.0.1", Forwarding::kNat, {backend("10.0.0.9:8080")});
  nat.icmp_echo = EchoPolicy::kDrop;
  nat.on_no_backend = NoBackendPolicy::kPass;
  Spec spec;
  spec.interfaces = {"eth0"};
  spec.mode = XdpMode::kGeneric;
  spec.passthrough_ports = {22};
  spec.extra_macs = {{{0, 0, 0x5e, 0, 1, 1}}, {{0, 0, 0x5e, 0, 1, 2}}};
  spec.services = {web, nat};
  return spec;
}

TEST_F(DataplaneTest, EveryPartOfTheStateComesBackAsItWasPut) {
  open();
  const Desired want = want_for(everything());
  apply(want);
  const State have = read();
  EXPECT_EQ(missing(want), std::vector<std::string>{});
  EXPECT_EQ(have.services, want.state.services);
  EXPECT_EQ(have.vips, want.state.vips);
  EXPECT_EQ(have.passthrough, want.state.passthrough);
  EXPECT_EQ(have.sources, want.state.sources);
  EXPECT_EQ(have.interfaces, want.state.interfaces);

  apply(want_for({}));
  const State none = read();
  EXPECT_TRUE(none.services.empty());
  EXPECT_TRUE(none.vips.empty());
  EXPECT_TRUE(none.sources.empty());
  EXPECT_TRUE(none.passthrough.empty());
}

TEST_F(DataplaneTest, AServiceThatChangesItsSettingsKeepsIdRingAndCounts) {
  open();
  Spec spec = everything();
  apply(want_for(spec));
  const auto infos = map<uint32_t, loom_service_info>("loom_service_info");
  const uint32_t id = read().services.at("web").id;
  loom_service_info before = **infos.get(id);
  before.retired.packets = 7;
  ASSERT_TRUE(infos.put(id, before));

  spec.services[0].affinity = Affinity::kNone;
  const Desired want = want_for(spec);
  EXPECT_EQ(missing(want), std::vector<std::string>{"put service web"});
  apply(want);
  const loom_service_info after = **infos.get(id);
  EXPECT_EQ(after.ring_digest, before.ring_digest);
  EXPECT_EQ(after.retired.packets, 7u);
  EXPECT_EQ(read().services.at("web").affinity, Affinity::kNone);
}

TEST_F(DataplaneTest, TheNextDaemonFindsNothingToDo) {
  open();
  apply(want_for(everything()));
  open();
  EXPECT_EQ(dataplane_->origin(), Datapath::Origin::kAdopted);
  EXPECT_EQ(missing(want_for(everything())), std::vector<std::string>{});
}

TEST_F(DataplaneTest, ADaemonWithOtherTableSizesTakesOverAllButTheProgram) {
  open();
  apply(want_for(everything()));
  ASSERT_TRUE(dataplane_->limit_connections(Limit::kReached));
  loom_flow key{};
  key.proto = IPPROTO_TCP;
  ASSERT_TRUE((map<loom_flow, loom_flow_entry>("loom_probation").put(key, {})));
  config_.max_probation = 512;
  open();
  EXPECT_EQ(dataplane_->origin(), Datapath::Origin::kMigrated);
  const Desired want = want_for(everything());
  EXPECT_EQ(missing(want), std::vector<std::string>{"attach to eth0"});
  ASSERT_TRUE(dataplane_->limit_connections(Limit::kReached));
  apply(want);
  EXPECT_TRUE((map<loom_flow, loom_flow_entry>("loom_probation").get(key)->has_value()));
  EXPECT_EQ((**map<uint32_t, loom_settings>("loom_settings").get(0)).flags,
            LOOM_SETTING_CONNECTION_LIMIT)
      << "the handover is over, the limit stays";
}

TEST_F(DataplaneTest, TheConnectionLimitIsASwitch) {
  open();
  const auto flags = [&] { return (**map<uint32_t, loom_settings>("loom_settings").get(0)).flags; };
  ASSERT_TRUE(dataplane_->limit_connections(Limit::kReached));
  EXPECT_EQ(flags(), LOOM_SETTING_CONNECTION_LIMIT);
  ASSERT_TRUE(dataplane_->limit_connections(Limit::kOpen));
  EXPECT_EQ(flags(), 0u);
}

/// Flows of a client's port with the NAT backend of everything().
class FlowsTest : public DataplaneTest {
 protected:
  void SetUp() override {
    DataplaneTest::SetUp();
    if (IsSkipped()) return;
    open();
    apply(want_for(everything()));
    backend_ = read().services.at("nat@v4").backends.at(ep("10.0.0.9:8080")).id;
    generation_ = (**map<uint32_t, loom_backend>("loom_backends").get(backend_)).generation;
    now_ = jiffies();
  }

  static loom_flow client(uint16_t port) {
    loom_flow key{};
    key.src = to_abi(ip("198.51.100.1"));
    key.dst = to_abi(ip("10.0.0.1"));
    key.sport = htons(port);
    key.dport = htons(80);
    key.proto = IPPROTO_TCP;
    return key;
  }
  static loom_flow reply(uint16_t port) {
    loom_flow key = client(port);
    key.src = to_abi(ip("10.0.0.9"));
    key.dst = to_abi(ip("10.0.0.1"));
    key.sport = htons(8080);
    key.dport = htons(port);
    return key;
  }

  /// `packets` tells the entries apart; `idle` since it was seen.
  loom_flow_entry entry(uint64_t packets, std::chrono::seconds idle = 0s) const {
    loom_flow_entry out{};
    out.packets = packets;
    out.bytes = packets * 100;
    out.seen = now_ - static_cast<uint64_t>(idle.count()) * config_.hz;
    out.created = out.seen;
    out.backend = backend_;
    out.generation = generation_;
    out.state = LOOM_STATE_ESTABLISHED;
    return out;
  }
  /// Both directions, as NAT keeps them.
  void put_pair(const std::string& table, uint16_t port, loom_flow_entry from_client,
                loom_flow_entry from_backend) {
    const auto flows = map<loom_flow, loom_flow_entry>(table);
    from_client.other = reply(port);
    from_backend.other = client(port);
    from_backend.flags = LOOM_FLOW_F_REPLY;
    ASSERT_TRUE(flows.put(client(port), from_client));
    ASSERT_TRUE(flows.put(reply(port), from_backend));
  }

  uint32_t backend_ = 0;
  uint32_t generation_ = 0;
  uint64_t now_ = 0;
};

TEST_F(FlowsTest, BothDirectionsOfNatAreOneConnection) {
  put_pair("loom_flows", 2000, entry(3), entry(5));
  const Result<ConnectionList> list = dataplane_->connections({});
  ASSERT_TRUE(list);
  ASSERT_EQ(list->total, 1u);
  const Connection& connection = list->connections[0];
  EXPECT_EQ(connection.client, ep("198.51.100.1:2000"));
  EXPECT_EQ(connection.packets, 3u);
  EXPECT_EQ(connection.bytes, 300u);
  EXPECT_EQ(connection.reply_packets, 5u);
  EXPECT_EQ(connection.reply_bytes, 500u);
}

TEST_F(FlowsTest, FlowsOnProbationAreListedAndCounted) {
  put_pair("loom_flows", 2000, entry(3), entry(5));
  put_pair("loom_probation", 2001, entry(1), entry(1));
  const Result<FlowSweep> sweep = dataplane_->sweep();
  ASSERT_TRUE(sweep);
  EXPECT_EQ(sweep->total, 2u);
  EXPECT_EQ(sweep->entries, 4u);
  EXPECT_EQ(sweep->active.at(backend_), 2u);
  const Result<ConnectionList> list = dataplane_->connections({});
  ASSERT_TRUE(list);
  EXPECT_EQ(list->connections.size(), 2u);
}

TEST_F(FlowsTest, AFlowInBothTablesIsOneConnection) {
  put_pair("loom_flows", 2000, entry(3), entry(5));
  put_pair("loom_probation", 2000, entry(1), entry(1));
  const Result<ConnectionList> list = dataplane_->connections({});
  ASSERT_TRUE(list);
  ASSERT_EQ(list->total, 1u);
  EXPECT_EQ(list->connections[0].packets, 3u) << "the confirmed one";
}

TEST_F(FlowsTest, AQuietClientLivesAsLongAsItsBackendTalks) {
  put_pair("loom_flows", 2000, entry(3, kTimeout + 2s), entry(5));
  put_pair("loom_flows", 2001, entry(3, kTimeout + 2s), entry(5, kTimeout + 2s));
  const Result<ConnectionList> list = dataplane_->connections({});
  ASSERT_TRUE(list);
  ASSERT_EQ(list->total, 1u);
  EXPECT_EQ(list->connections[0].client.port, 2000);
  EXPECT_LT(list->connections[0].idle, kTimeout);
}

TEST_F(FlowsTest, MapsThatCanFillUpSayHowFullTheyAre) {
  put_pair("loom_probation", 2000, entry(1), entry(1));
  const Result<std::vector<MapFill>> maps = dataplane_->maps();
  ASSERT_TRUE(maps);
  const auto fill = [&](const std::string& name) {
    const auto it = std::find_if(maps->begin(), maps->end(),
                                 [&](const MapFill& map) { return map.name == name; });
    return it == maps->end() ? std::pair<uint64_t, uint64_t>{}
                             : std::pair(it->entries, it->max_entries);
  };
  EXPECT_EQ(fill("loom_probation"), (std::pair<uint64_t, uint64_t>{2, 256}));
  EXPECT_EQ(fill("loom_fragments"), (std::pair<uint64_t, uint64_t>{0, 65536}));
  EXPECT_EQ(fill("loom_port_ranges").first, 4u) << "three blocks and any";
  EXPECT_EQ(fill("loom_backends"), (std::pair<uint64_t, uint64_t>{4, 100}));
}

}  // namespace
}  // namespace loom::test
