// SPDX-License-Identifier: Apache-2.0
// loom service, conn, stats and version.
#include "unit/cli/cli_fixture.hpp"

namespace loom::cli {
namespace {

using ServiceCommands = CliTest;

TEST_F(ServiceCommands, ListIsATable) {
  http.answer("GET /ebpf/services", 200, kServices);
  http.answer("GET /ebpf/backends", 200, kBackends);
  const Run run = loom({"service", "list"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out,
            "NAME  VIPS          PORTS           FORWARDING  BACKENDS            PROBLEM\n"
            "dns   2001:db8::53  53/udp          gue         0 of 1 up, 1 drain  "
            "no backend takes new connections\n"
            "web   203.0.113.10  80/tcp,443/tcp  nat         1 of 1 up           -\n");
}

TEST_F(ServiceCommands, ListAsJsonAsksForNothingElse) {
  http.answer("GET /ebpf/services", 200, kServices);
  EXPECT_EQ(loom({"service", "list", "-j"}).out, std::string(kServices) + "\n");
  EXPECT_EQ(http.requests().size(), 1u);
}

TEST_F(ServiceCommands, ShowHasTheBackends) {
  http.answer("GET /ebpf/services/web", 200,
              R"({"schema": "loom.service/v1", "name": "web", "vips": ["203.0.113.10"],
                  "ports": [{"port": 80, "protocol": "tcp"},
                            {"port": "8000-8099", "protocol": "tcp"}], "algorithm": "weighted",
                  "affinity": "source_ip", "icmp_echo": "default", "on_no_backend": "reject",
                  "source_addresses": 4, "forwarding": "nat", "backend_count": 1, "problem": null, "backends": [
                    {"id": 1, "service": "web", "name": "a", "address": "10.0.1.10", "port": 8080,
                     "weight": 100, "state": "active", "status": "up", "slot_ratio": 1}]})");
  const Run run = loom({"service", "show", "web"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out,
            "Service:     web\n"
            "VIPs:        203.0.113.10\n"
            "Ports:       80/tcp,8000-8099/tcp\n"
            "Forwarding:  nat\n"
            "Algorithm:   weighted\n"
            "Affinity:    source_ip\n"
            "ICMP echo:   default\n"
            "No backend:  reject\n"
            "Sources:     4\n"
            "Backends:    1 of 1 up\n"
            "\n"
            "ID  SERVICE  NAME  ADDRESS         WEIGHT  STATE   STATUS   SHARE\n"
            " 1  web      a     10.0.1.10:8080     100  active  up      100.0%\n");
}

TEST_F(ServiceCommands, AnUnknownServiceSaysWhereTheNamesAre) {
  http.answer("GET /ebpf/services/wbe", 404,
              R"({"detail": "no service has this name", "status": 404, "errors": []})");
  const Run run = loom({"service", "show", "wbe"});
  EXPECT_EQ(run.status, 6);
  EXPECT_EQ(run.err, "loom: no service has this name\n      try: loom service list\n");
}

TEST_F(ServiceCommands, NamesCannotLeaveTheirPath) {
  loom({"service", "show", "../backends?x"});
  EXPECT_EQ(http.requests(), std::vector<std::string>{"GET /ebpf/services/..%2Fbackends%3Fx"});
}

using ConnectionCommands = CliTest;

constexpr const char* kConnections = R"({"schema": "loom.connections/v1", "total": 1500, "shown": 1,
  "connections": [
    {"protocol": "tcp", "client": "198.51.100.7:50000", "vip": "203.0.113.10:80", "service": "web",
     "backend_id": 1, "backend": "10.0.1.10:8080", "state": "established", "age_ms": 61000,
     "idle_ms": 350, "packets": 12, "bytes": 2048, "nat": "10.0.1.1:40000"}]})";

TEST_F(ConnectionCommands, ListIsATableThatSaysWhatItLeavesOut) {
  http.answer("GET /ebpf/connections?limit=1000", 200, kConnections);
  const Run run = loom({"conn", "list"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out,
            "PROTO  CLIENT              VIP              BACKEND         STATE         IDLE  "
            "PACKETS    BYTES\n"
            "tcp    198.51.100.7:50000  203.0.113.10:80  10.0.1.10:8080  established  350ms  "
            "     12  2.0 KiB\n");
  EXPECT_EQ(run.err, "warning: 1 of 1500 connections shown; more with --limit N\n");
}

TEST_F(ConnectionCommands, FiltersAreTheApis) {
  http.answer("GET /ebpf/connections?limit=5&backend=%5B2001:db8::1%5D:80&client=198.51.100.7", 200,
              kConnections);
  EXPECT_EQ(loom({"conn", "list", "--limit", "5", "--backend", "[2001:db8::1]:80", "--client",
                  "198.51.100.7"})
                .status,
            0);
  EXPECT_EQ(loom({"conn", "list", "--limit", "0"}).status, 2);
  EXPECT_EQ(loom({"conn", "list", "--limit", "100001"}).status, 2);
  EXPECT_EQ(loom({"conn", "list", "--client", "x"}).status, 2);
  EXPECT_EQ(loom({"conn", "list", "--backend", "x"}).status, 2);
}

TEST_F(ConnectionCommands, NdjsonHasOneConnectionPerLine) {
  http.answer("GET /ebpf/connections?limit=1000", 200, kConnections);
  const Run run = loom({"conn", "list", "-o", "ndjson"});
  EXPECT_TRUE(run.out.starts_with(R"({"protocol":"tcp","client":"198.51.100.7:50000",)"));
  EXPECT_EQ(run.out.find('\n'), run.out.size() - 1);
}

TEST_F(ConnectionCommands, CountIsANumber) {
  http.answer("GET /ebpf/connections?limit=1", 200, kConnections);
  EXPECT_EQ(loom({"conn", "count"}).out, "1500\n");
  EXPECT_EQ(loom({"conn", "count", "-o", "ndjson"}).out,
            "{\"schema\":\"loom.connection_count/v1\",\"total\":1500}\n");
}

using Stats = CliTest;

TEST_F(Stats, ShowsWhatHappened) {
  http.answer("GET /ebpf/stats", 200, kStats);
  const Run run = loom({"stats"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out,
            "Packets:      1.2M forwarded, 12 dropped, 345 passed to the stack\n"
            "Bytes:        1.0 GiB received, 2.0 KiB sent\n"
            "Connections:  42 active, 5000 in total\n"
            "\n"
            "PACKETS  WHAT     REASON\n"
            "     12  dropped  no_backend\n"
            "    345  passed   not_vip\n"
            "    100  replied  redirect\n"
            "\n"
            "INTERFACE  MODE    PROGRAM  TAG               NOTE\n"
            "eth0       native       77  0123456789abcdef  -\n"
            "\n"
            "MAP         ENTRIES     MAX  FULL    MEMORY\n"
            "loom_flows       50  262144  0.0%  24.0 MiB\n");
}

TEST_F(Stats, VerboseListsReasonsThatNeverOccurred) {
  http.answer("GET /ebpf/stats", 200, kStats);
  EXPECT_NE(loom({"stats", "-v"}).out.find("      0  error    map_full\n"), std::string::npos);
}

TEST_F(Stats, JsonIsTheApisDocumentUnchanged) {
  http.answer("GET /ebpf/stats", 200, kStats);
  EXPECT_EQ(loom({"stats", "-j"}).out, std::string(kStats) + "\n");
}

using Version = CliTest;

TEST_F(Version, ShowsBothVersions) {
  http.answer("GET /version", 200, kVersion);
  EXPECT_EQ(loom({"version"}).out, "loom 0.1.0\nloomd 0.1.0 at http://127.0.0.1:9091\n");
}

TEST_F(Version, WorksWithoutADaemon) {
  http.be_unreachable();
  const Run run = loom({"version"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out, "loom 0.1.0\n");
  EXPECT_NE(run.err.find("cannot connect"), std::string::npos);
  EXPECT_EQ(loom({"version", "-o", "ndjson"}).out,
            "{\"schema\":\"loom.versions/v1\",\"loom\":\"0.1.0\",\"loomd\":null}\n");
}

}  // namespace
}  // namespace loom::cli
