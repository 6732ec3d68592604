// SPDX-License-Identifier: Apache-2.0
// /metrics: the Loom page's families with exactly its labels, ours, and promtool's opinion.
#include <sys/wait.h>

#include <cstdio>
#include <map>
#include <set>
#include <sstream>

#include "admin-api/traffic.hpp"
#include "api_fixture.hpp"
#include "loom/verdict.h"

namespace loom {
namespace {

class Metrics : public Api {
 protected:
  Metrics() {
    control_.counters_now.verdicts.resize(LOOM_VERDICT_MAX);
    control_.counters_now.errors.resize(LOOM_ERROR_MAX);
    control_.maps_now = {{.name = "loom_flows", .entries = 6, .max_entries = 8, .bytes = 1024}};
    get("/healthz");
  }
  std::string text() { return get("/metrics").body; }

  /// Sample (name and labels) to value.
  std::map<std::string, std::string> samples() {
    std::map<std::string, std::string> out;
    std::istringstream lines(text());
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with('#')) continue;
      const size_t blank = line.rfind(' ');
      EXPECT_TRUE(out.emplace(line.substr(0, blank), line.substr(blank + 1)).second)
          << "twice: " << line;
    }
    return out;
  }
  std::string sample(const std::string& name) {
    const auto all = samples();
    const auto found = all.find(name);
    return found == all.end() ? "missing" : found->second;
  }
  bool has_type(const std::string& family, const std::string& type) {
    return text().find("# TYPE " + family + " " + type + "\n") != std::string::npos;
  }
};

TEST_F(Metrics, AreInPrometheusTextFormat) {
  EXPECT_EQ(get("/metrics").content_type, "text/plain; version=0.0.4; charset=utf-8");
}

TEST_F(Metrics, HaveEveryFamilyOfTheLoomPageWithItsLabels) {
  const auto all = samples();
  for (const char* name :
       {R"(loom_ebpf_packets_total{action="forward"})", R"(loom_ebpf_packets_total{action="drop"})",
        R"(loom_ebpf_packets_total{action="pass"})", R"(loom_ebpf_bytes_total{direction="rx"})",
        R"(loom_ebpf_bytes_total{direction="tx"})", "loom_ebpf_connections_active",
        "loom_ebpf_connections_total",
        R"(loom_ebpf_backend_packets_total{backend="10.0.1.10:8080"})",
        R"(loom_ebpf_backend_connections_active{backend="10.0.1.10:8080"})",
        R"(loom_ebpf_errors_total{type="map_full"})"})
    EXPECT_TRUE(all.contains(name)) << name;
}

TEST_F(Metrics, HaveOurOwnFamiliesWithTheirLabels) {
  const auto all = samples();
  for (const char* name :
       {R"(loom_build_info{version="0.1.0",revision="abc123",compiler="g++ 12",kernel="6.1.0"})",
        R"(loom_ebpf_program_info{interface="eth0",mode="native",attach="link"})",
        R"(loom_ebpf_program_attached{interface="eth0"})",
        R"(loom_service_packets_total{service="web"})",
        R"(loom_service_bytes_total{service="web"})",
        R"(loom_service_connections_total{service="web"})",
        R"(loom_service_backends{service="web",state="maint"})",
        R"(loom_backend_packets_total{service="web",backend="[2001:db8::10]:80"})",
        R"(loom_backend_bytes_total{service="web",backend="[2001:db8::10]:80"})",
        R"(loom_backend_connections_total{service="web",backend="[2001:db8::10]:80"})",
        R"(loom_backend_up{service="web",backend="[2001:db8::10]:80"})",
        R"(loom_backend_weight{service="web",backend="[2001:db8::10]:80"})",
        R"(loom_backend_slot_ratio{service="web",backend="[2001:db8::10]:80"})",
        R"(loom_backend_mtu_bytes{service="web",backend="[2001:db8::10]:80"})",
        R"(loom_backend_connections_active{service="web",backend="[2001:db8::10]:80"})",
        R"(loom_map_entries{map="loom_flows"})",
        R"(loom_map_max_entries{map="loom_flows"})",
        "loom_config_generation",
        "loom_runtime_overlay_objects",
        R"(loom_http_requests_total{route="/healthz",method="GET",code="200"})",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds"})
    EXPECT_TRUE(all.contains(name)) << name;
  EXPECT_GT(std::stod(all.at("process_resident_memory_bytes")), 1e6);
  EXPECT_GT(std::stod(all.at("process_start_time_seconds")), 1.5e9);
  EXPECT_GE(std::stod(all.at("process_open_fds")), 3);
}

TEST_F(Metrics, NameEveryVerdictOnceFromTheStart) {
  control_.counters_now = {};
  const auto all = samples();
  size_t reasons = 0, sent = 0;
  for (const VerdictInfo& verdict : verdicts()) {
    if (verdict.outcome == Outcome::kForward || verdict.outcome == Outcome::kReply) {
      ++sent;
      continue;
    }
    const char* family =
        verdict.outcome == Outcome::kPass ? "loom_passes_total" : "loom_drops_total";
    const std::string name = std::string(family) + "{reason=\"" + verdict.reason + "\"}";
    ASSERT_TRUE(all.contains(name)) << name;
    EXPECT_EQ(all.at(name), "0");
    ++reasons;
  }
  EXPECT_EQ(reasons + sent, LOOM_VERDICT_MAX - 1u);
}

TEST_F(Metrics, TypesFitWhatIsMeasured) {
  EXPECT_TRUE(has_type("loom_ebpf_packets_total", "counter"));
  EXPECT_TRUE(has_type("loom_ebpf_connections_total", "counter"));
  EXPECT_TRUE(has_type("loom_ebpf_connections_active", "gauge"));
  EXPECT_TRUE(has_type("loom_backend_weight", "gauge"));
  EXPECT_TRUE(has_type("loom_drops_total", "counter"));
  std::istringstream lines(text());
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    std::istringstream words(line);
    std::string hash, word, name, type;
    words >> hash >> word >> name >> type;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << line;
  }
}

TEST_F(Metrics, ThePagesBackendIsTheSumOverItsServices) {
  control_.counters_now.backends[1] = {.packets = 5};
  control_.counters_now.backends[3] = {.packets = 7};
  control_.sweep_now.active = {{1, 1}, {3, 2}};
  EXPECT_EQ(sample(R"(loom_ebpf_backend_packets_total{backend="10.0.1.10:8080"})"), "12");
  EXPECT_EQ(sample(R"(loom_ebpf_backend_connections_active{backend="10.0.1.10:8080"})"), "3");
  EXPECT_EQ(sample(R"(loom_backend_packets_total{service="web",backend="10.0.1.10:8080"})"), "7");
}

TEST_F(Metrics, TotalsDoNotGoBackWhenABackendIsRemoved) {
  Counters& counters = control_.counters_now;
  counters.backends[1] = {.packets = 5, .rx_bytes = 50, .tx_bytes = 60, .flows = 2};
  counters.backends[2] = {.packets = 1};
  const auto before = samples();
  counters.retired[1] = counters.backends[1];
  counters.backends.erase(1);
  ASSERT_EQ(send("DELETE", "/ebpf/backends/1").status, 200);
  const auto after = samples();
  for (const char* name :
       {R"(loom_ebpf_packets_total{action="forward"})", R"(loom_ebpf_bytes_total{direction="tx"})",
        "loom_ebpf_connections_total", R"(loom_service_packets_total{service="default"})",
        R"(loom_service_bytes_total{service="default"})",
        R"(loom_service_connections_total{service="default"})"})
    EXPECT_EQ(after.at(name), before.at(name)) << name;
  EXPECT_EQ(after.at(R"(loom_service_packets_total{service="default"})"), "6");
  EXPECT_FALSE(
      after.contains(R"(loom_backend_packets_total{service="default",backend="10.0.1.10:8080"})"));
}

TEST_F(Metrics, AServiceCountsAllItsDatapathIds) {
  control_.state.services[0].datapath_ids = {1, 9};
  control_.counters_now.retired = {{1, {.packets = 2}}, {9, {.packets = 3}}};
  EXPECT_EQ(sample(R"(loom_service_packets_total{service="default"})"), "5");
}

TEST_F(Metrics, LargeNumbersKeepEveryDigit) {
  control_.counters_now.backends[1] = {.packets = 9'007'199'254'740'991u};
  EXPECT_EQ(std::stod(sample(R"(loom_ebpf_packets_total{action="forward"})")), 9007199254740991.0);
}

TEST_F(Metrics, BackendsAreCountedByStatus) {
  control_.state.services[0].backends[0].state = AdminState::kDrain;
  control_.state.services[0].backends[1].health = Health::kDown;
  EXPECT_EQ(sample(R"(loom_service_backends{service="default",state="up"})"), "0");
  EXPECT_EQ(sample(R"(loom_service_backends{service="default",state="drain"})"), "1");
  EXPECT_EQ(sample(R"(loom_service_backends{service="default",state="down"})"), "1");
  EXPECT_EQ(sample(R"(loom_backend_up{service="default",backend="10.0.1.10:8080"})"), "1");
  EXPECT_EQ(sample(R"(loom_backend_up{service="default",backend="10.0.1.11:8080"})"), "0");
}

TEST_F(Metrics, RequestsAreCountedByRouteNotByPath) {
  get("/ebpf/backends/1");
  get("/ebpf/backends/10.0.1.11:8080");
  get("/nowhere/at/all");
  send("BREW", "/");
  EXPECT_EQ(
      sample(R"(loom_http_requests_total{route="/ebpf/backends/{id}",method="GET",code="200"})"),
      "2");
  EXPECT_EQ(sample(R"(loom_http_requests_total{route="none",method="GET",code="404"})"), "1");
  EXPECT_EQ(sample(R"(loom_http_requests_total{route="/",method="other",code="405"})"), "1");
}

TEST_F(Metrics, AreCleanForPromtool) {
  if (std::system("command -v promtool >/dev/null") != 0)
    GTEST_SKIP() << "promtool is not installed";
  FILE* promtool = popen("promtool check metrics 2>&1", "w");
  ASSERT_TRUE(promtool);
  const std::string body = text();
  ASSERT_EQ(fwrite(body.data(), 1, body.size(), promtool), body.size());
  const int status = pclose(promtool);
  EXPECT_EQ(WEXITSTATUS(status), 0) << body;
}

}  // namespace
}  // namespace loom
