// SPDX-License-Identifier: Apache-2.0
// BpfDataplane against the running kernel: what was put into the maps is what is read back, also by
// the next daemon, and both tables of flows are one list.
#include "lb/kernel/bpf_dataplane.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "lb/kernel/codec.hpp"
#include "lb/kernel/host.hpp"
#include "lb/model/desired.hpp"
#include "support/netns.hpp"
#include "support/values.hpp"

namespace loom::test {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kRingSize = 1009;
constexpr auto kTimeout = 60s;

/// A bpffs of our own.
class PinDirectory {
 public:
  PinDirectory() {
    char path[] = "/run/loom-dataplane-XXXXXX";
    EXPECT_NE(mkdtemp(path), nullptr);
    path_ = path;
    mounted_ = mount("bpf", path, "bpf", 0, nullptr) == 0;
  }
  ~PinDirectory() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
    rmdir(path_.c_str());
  }
  PinDirectory(const PinDirectory&) = delete;
  PinDirectory& operator=(const PinDirectory&) = delete;

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string path() const { return path_ + "/loom"; }

 private:
  std::string path_;
  bool mounted_ = false;
};

class DataplaneTest : public ::testing::Test {
 protected:
  void SetUp() override {
    skip_without_namespaces();
    if (IsSkipped()) return;
    if (!pins_.mounted()) GTEST_SKIP() << "cannot mount a bpffs";
    ns_ = std::make_unique<Namespace>("dataplane");
    connect({*ns_, "eth0"}, {*ns_, "peer"});
    inside_ = std::make_unique<EnteredNamespace>(ns_->path());
    config_.ring_size = kRingSize;
    config_.max_backends = 100;
    config_.max_flows = 1024;
    config_.max_probation = 256;
    config_.hz = *kernel_hz();
    config_.timeouts.fill(kTimeout);
  }
  void TearDown() override {
    dataplane_.reset();
    inside_.reset();
  }

  void open() {
    dataplane_.reset();  // one daemon at a time
    Result<std::unique_ptr<BpfDataplane>> opened = BpfDataplane::open({pins_.path(), {}, config_});
    ASSERT_TRUE(opened) << opened.error().message();
    dataplane_ = std::move(*opened);
  }

  State read() {
    const Result<State> state = dataplane_->read();
    EXPECT_TRUE(state) << state.error().message();
    return state ? *state : State{};
  }

  /// As the controller does it.
  Desired want_for(const Spec& spec) {
    Links links = links_to(spec);
    LinkInfo& eth0 = links.interfaces.at("eth0");
    eth0.ifindex = Port{*ns_, "eth0"}.ifindex();
    for (auto& [address, hop] : links.next_hops) hop.ifindex = eth0.ifindex;
    Desired want = desired(spec, links, {});
    const State have = read();
    EXPECT_TRUE(assign_ids(want, have, service_ids_, backend_ids_));
    EXPECT_TRUE(assign_sources(want, have));
    set_ring_digests(want, kRingSize);
    return want;
  }

  std::vector<std::string> missing(const Desired& want) {
    std::vector<std::string> out;
    for (const Step& step : plan(read(), want.state, want.recipes)) out.push_back(describe(step));
    return out;
  }

  void apply(const Desired& want) {
    for (const Step& step : plan(read(), want.state, want.recipes)) {
      const Result<void> done = dataplane_->apply(step);
      ASSERT_TRUE(done) << describe(step) << ": " << done.error().message();
    }
  }

  template <class Key, class Value>
  BpfMap<Key, Value> map(const std::string& name) {
    Result<UniqueFd> fd = open_pin(pins_.path() + "/current/maps/" + name);
    EXPECT_TRUE(fd) << name;
    fds_.push_back(std::move(*fd));
    return {fds_.back().get(), name};
  }

  uint64_t jiffies() {
    const Result<UniqueFd> clock = open_pin(pins_.path() + "/current/progs/loom_clock");
    std::array<uint8_t, 64> frame{};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = frame.size());
    EXPECT_EQ(bpf_prog_test_run_opts(clock->get(), &options), 0);
    return (**map<uint32_t, loom_clock>("loom_clock_value").get(0)).jiffies;
  }

  PinDirectory pins_;
  std::unique_ptr<Namespace> ns_;
  std::unique_ptr<EnteredNamespace> inside_;
  DatapathConfig config_;
  IdPool service_ids_{100};
  IdPool backend_ids_{100};
  std::vector<UniqueFd> fds_;
  std::unique_ptr<BpfDataplane> dataplane_;
};

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
