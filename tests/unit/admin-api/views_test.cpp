// SPDX-License-Identifier: Apache-2.0
// The reading endpoints: services, statistics, connections, health, readiness, version.
#include "api_fixture.hpp"
#include "loom/verdict.h"

namespace loom {
namespace {

using Views = Api;

TEST_F(Views, ServicesAreListedWithoutTheirBackends) {
  const Json body = get_json("/ebpf/services");
  EXPECT_EQ(body["schema"], "loom.services/v1");
  EXPECT_EQ(body["services"][0],
            (Json{{"name", "default"},
                  {"vips", {"192.0.2.1"}},
                  {"ports", Json::array({{{"port", 80}, {"protocol", "tcp"}}})},
                  {"algorithm", "maglev"},
                  {"affinity", "five_tuple"},
                  {"tracking", "all"},
                  {"forwarding", "nat"},
                  {"icmp_echo", "default"},
                  {"on_no_backend", "drop"},
                  {"source_addresses", 0},
                  {"backend_count", 2},
                  {"problem", nullptr}}));
}

TEST_F(Views, RangesOfPortsAreWrittenAsInTheFile) {
  control_.state.services[0].ports = {{8000, Protocol::kTcp, 8099}, PortSpec::any(Protocol::kUdp)};
  EXPECT_EQ(get_json("/ebpf/services")["services"][0]["ports"],
            Json::array({{{"port", "8000-8099"}, {"protocol", "tcp"}},
                         {{"port", "any"}, {"protocol", "udp"}}}));
}

TEST_F(Views, AServiceIsShownWithItsBackends) {
  const Json body = get_json("/ebpf/services/web");
  EXPECT_EQ(body["schema"], "loom.service/v1");
  EXPECT_EQ(body["backends"].size(), 2u);
  EXPECT_EQ(body["backends"][0]["slot_ratio"], 0.5);
}

TEST_F(Views, AnUnknownServiceIsNotFound) {
  const HttpResponse response = get("/ebpf/services/wbe");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(json(response)["errors"][0]["suggestion"], "did you mean \"web\"?");
  EXPECT_EQ(get("/ebpf/services/a%2Fb").status, 404);
}

TEST_F(Views, StatsPartitionThePackets) {
  Counters& counters = control_.counters_now;
  counters.verdicts.resize(LOOM_VERDICT_MAX);
  counters.verdicts[LOOM_FORWARD_TX] = {.packets = 1'000'000};
  counters.verdicts[LOOM_REPLY_TX] = {.packets = 1, .rx_bytes = 10, .tx_bytes = 11};
  counters.verdicts[LOOM_PASS_NOT_IP] = {.packets = 2, .rx_bytes = 20};
  counters.verdicts[LOOM_DROP_NO_BACKEND] = {.packets = 4, .rx_bytes = 40};
  counters.verdicts[LOOM_ABORT_BACKEND_INVALID] = {.packets = 8, .rx_bytes = 80};
  counters.backends[1] = {.packets = 16, .rx_bytes = 160, .tx_bytes = 200, .flows = 3};
  counters.retired[1] = {.packets = 32, .rx_bytes = 320, .tx_bytes = 400, .flows = 5};
  counters.retired_services = {.packets = 64, .rx_bytes = 640, .tx_bytes = 800, .flows = 7};
  counters.errors = {9};
  control_.sweep_now = {.active = {{1, 4}}, .entries = 6, .total = 4};
  control_.maps_now = {{.name = "loom_flows", .entries = 6, .max_entries = 8, .bytes = 1024}};

  const Json body = get_json("/ebpf/stats");
  EXPECT_EQ(body["packets"], (Json{{"forward", 113}, {"drop", 12}, {"pass", 2}, {"total", 127}}));
  EXPECT_EQ(body["bytes"], (Json{{"rx", 1270}, {"tx", 1411}}));
  EXPECT_EQ(body["connections"], (Json{{"active", 4}, {"total", 15}, {"entries", 6}}));
  EXPECT_EQ(body["drops"]["no_backend"], 4);
  EXPECT_EQ(body["drops"]["backend_invalid"], 8);
  EXPECT_EQ(body["drops"]["no_flow"], 0);
  EXPECT_EQ(body["passes"]["not_ip"], 2);
  EXPECT_EQ(body["replies"]["tx"], 1);
  EXPECT_EQ(body["errors"], (Json{{"map_full", 9}, {"map_busy", 0}, {"fib_lookup", 0}}));
  EXPECT_EQ(body["programs"][0]["id"], 42);
  EXPECT_EQ(body["programs"][0]["mode"], "native");
  EXPECT_EQ(body["maps"][0]["fill"], 0.75);
}

TEST_F(Views, BackendStatsCountEachBackendAndEachService) {
  control_.counters_now.backends[2] = {.packets = 16, .rx_bytes = 160, .tx_bytes = 200, .flows = 3};
  control_.counters_now.retired[1] = {.packets = 4};
  control_.sweep_now.active[2] = 2;
  const Json body = get_json("/ebpf/backends/stats");
  const Json& backend = body["backends"][1];
  EXPECT_EQ(backend["id"], 2);
  EXPECT_EQ(backend["packets"], 16);
  EXPECT_EQ(backend["rx_bytes"], 160);
  EXPECT_EQ(backend["connections"], 3);
  EXPECT_EQ(backend["connections_active"], 2);
  EXPECT_EQ(body["backends"][0]["packets"], 0);
  EXPECT_EQ(body["services"][0]["name"], "default");
  EXPECT_EQ(body["services"][0]["packets"], 20);
}

TEST_F(Views, AnUnreadableDatapathIsAnInternalError) {
  control_.read_failure = Error(EIO, "read loom_verdicts");
  for (const char* path :
       {"/ebpf/stats", "/ebpf/backends/stats", "/ebpf/connections", "/metrics"}) {
    EXPECT_EQ(get(path).status, 500) << path;
    EXPECT_EQ(get(path).content_type, "application/problem+json");
  }
}

class Connections : public Api {
 protected:
  Connections() {
    control_.connections_now.connections = {
        {.client = endpoint("198.51.100.7:5000"),
         .vip = endpoint("192.0.2.1:80"),
         .backend_id = 1,
         .age = std::chrono::seconds(2),
         .idle = std::chrono::milliseconds(15),
         .packets = 3,
         .bytes = 180,
         .reply_packets = 2,
         .reply_bytes = 1200,
         .nat = endpoint("10.0.1.1:1024")},
        {.protocol = Protocol::kUdp,
         .client = endpoint("[2001:db8::7]:5000"),
         .vip = endpoint("[2001:db8::1]:53"),
         .backend_id = 77,
         .state = FlowState::kUdp},
    };
  }
};

TEST_F(Connections, AreListedWithTheirBackend) {
  const Json body = get_json("/ebpf/connections");
  EXPECT_EQ(body["schema"], "loom.connections/v1");
  EXPECT_EQ(body["total"], 2);
  EXPECT_EQ(body["shown"], 2);
  EXPECT_EQ(body["connections"][0], (Json{{"protocol", "tcp"},
                                          {"client", "198.51.100.7:5000"},
                                          {"vip", "192.0.2.1:80"},
                                          {"service", "default"},
                                          {"backend_id", 1},
                                          {"backend", "10.0.1.10:8080"},
                                          {"state", "established"},
                                          {"age_ms", 2000},
                                          {"idle_ms", 15},
                                          {"packets", 3},
                                          {"bytes", 180},
                                          {"reply_packets", 2},
                                          {"reply_bytes", 1200},
                                          {"nat", "10.0.1.1:1024"}}));
}

TEST_F(Connections, OutliveTheirBackend) {
  const Json body = get_json("/ebpf/connections");
  EXPECT_EQ(body["connections"][1]["backend"], nullptr);
  EXPECT_EQ(body["connections"][1]["client"], "[2001:db8::7]:5000");
  EXPECT_EQ(body["connections"][1]["nat"], nullptr);
}

TEST_F(Connections, AreFilteredByClientAndBackendAndLimited) {
  EXPECT_EQ(get_json("/ebpf/connections?client=2001:db8::7")["shown"], 1);
  EXPECT_EQ(get_json("/ebpf/connections?backend=1")["shown"], 1);
  EXPECT_EQ(get_json("/ebpf/connections?backend=10.0.1.11:8080")["shown"], 0);
  const Json limited = get_json("/ebpf/connections?limit=1");
  EXPECT_EQ(limited["shown"], 1);
  EXPECT_EQ(limited["total"], 2);
  get("/ebpf/connections");
  EXPECT_EQ(control_.last_query.limit, 1000u);
}

TEST_F(Connections, OfNobodyAreAnEmptyList) {
  control_.connections_now.connections.clear();
  EXPECT_EQ(get_json("/ebpf/connections")["connections"], Json::array());
}

TEST_F(Connections, WrongFiltersAreRefused) {
  for (const char* query : {"limit=0", "limit=100001", "limit=x", "limit=", "limit=-1",
                            "client=10.0.0.0/8", "client=", "client=web"})
    EXPECT_EQ(get(std::string("/ebpf/connections?") + query).status, 400) << query;
  EXPECT_EQ(get("/ebpf/connections?backend=99").status, 404);
  EXPECT_EQ(get("/ebpf/connections?backend=10.0.1.10:8080").status, 409);
  EXPECT_EQ(get("/ebpf/connections?limit=100000").status, 200);
}

TEST_F(Views, HealthIsThatTheDaemonAnswers) {
  control_.state.last_reconcile_ok = false;
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get_json("/healthz")["status"], "ok");
}

TEST_F(Views, ReadinessGivesItsReasons) {
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(get_json("/readyz")["ready"], true);
  control_.state.interfaces[0].attached = false;
  control_.state.interfaces[0].problem = "no such device";
  const HttpResponse response = get("/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(json(response)["ready"], false);
  EXPECT_EQ(json(response)["reasons"], Json::array({"eth0: no such device"}));
  EXPECT_TRUE(logged().empty()) << "probes ask every second";
}

TEST_F(Views, VersionSaysWhatIsRunning) {
  EXPECT_EQ(get_json("/version"), (Json{{"schema", "loom.version/v1"},
                                        {"version", "0.1.0"},
                                        {"revision", "abc123"},
                                        {"compiler", "g++ 12"},
                                        {"kernel", "6.1.0"}}));
}

}  // namespace
}  // namespace loom
