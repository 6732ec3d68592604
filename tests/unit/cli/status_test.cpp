// SPDX-License-Identifier: Apache-2.0
#include "unit/cli/cli_fixture.hpp"

namespace loom::cli {
namespace {

class Status : public CliTest {
 protected:
  void be_complete() {
    http.answer("GET /version", 200, kVersion);
    http.answer("GET /ebpf/stats", 200, kStats);
    http.answer("GET /ebpf/services", 200, kServices);
    http.answer("GET /ebpf/backends", 200, kBackends);
  }
};

TEST_F(Status, ShowsEverythingAtOneGlance) {
  be_complete();
  http.answer("GET /readyz", 200, kReady);
  const Run run = loom({"status"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out,
            "Status:       ready\n"
            "Daemon:       loomd 0.1.0 at http://127.0.0.1:9091, kernel 6.1.0\n"
            "Generation:   7\n"
            "Interfaces:   eth0 (native), eth1 (not attached)\n"
            "Services:     2\n"
            "Backends:     1 of 2 up, 1 drain\n"
            "Connections:  42 active, 5000 in total\n"
            "Packets:      1.2M forwarded, 12 dropped, 345 passed to the stack\n"
            "Problem:      interface eth1: no such interface\n"
            "Problem:      service dns: no backend takes new connections\n");
}

TEST_F(Status, VerboseAddsBackendsAndMaps) {
  be_complete();
  http.answer("GET /readyz", 200, kReady);
  const Run run = loom({"status", "--verbose"});
  EXPECT_NE(run.out.find("\n\nID  SERVICE  NAME"), std::string::npos);
  EXPECT_NE(run.out.find("\nloom_flows"), std::string::npos);
}

TEST_F(Status, BriefIsOneLine) {
  be_complete();
  http.answer("GET /readyz", 200, kReady);
  EXPECT_EQ(loom({"status", "--brief"}).out,
            "ready; 2 services; backends 1 of 2 up, 1 drain; 42 connections\n");
}

TEST_F(Status, NotReadyIsAFailureWithItsReasons) {
  be_complete();
  http.answer("GET /readyz", 503, kNotReady);
  const Run run = loom({"status", "--brief"});
  EXPECT_EQ(run.status, 1);
  EXPECT_TRUE(run.out.starts_with("not ready: interface eth1 does not exist; ")) << run.out;
}

TEST_F(Status, JsonHoldsTheApisDocuments) {
  be_complete();
  http.answer("GET /readyz", 503, kNotReady);
  const Run run = loom({"status", "--json"});
  EXPECT_EQ(run.status, 1);
  const Json document = *parse_json(run.out);
  EXPECT_EQ(text_field(document, "schema"), "loom.status/v1");
  EXPECT_EQ(text_field(document, "ready"), "false");
  EXPECT_EQ(text_field(document, "readyz.schema"), "loom.ready/v1");
  EXPECT_EQ(number_field(document, "stats.packets.forward"), 1'234'567);
  EXPECT_EQ(list_field(document, "services").size(), 2u);
  EXPECT_EQ(list_field(document, "backends").size(), 2u);
}

TEST_F(Status, WaitAsksUntilItIsReady) {
  be_complete();
  http.answer("GET /readyz", 503, kNotReady);
  http.answer("GET /readyz", 503, kNotReady);
  http.answer("GET /readyz", 200, kReady);
  const auto begin = clock.now();
  const Run run = loom({"status", "--wait=10s", "--brief"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(clock.now() - begin, std::chrono::milliseconds(500));
}

TEST_F(Status, WaitEndsWithTheLastReason) {
  http.answer("GET /readyz", 503, kNotReady);
  const auto begin = clock.now();
  const Run run = loom({"status", "--wait"});
  EXPECT_EQ(run.status, 9);
  EXPECT_EQ(run.err, "loom: not ready within 1m00s: interface eth1 does not exist\n");
  EXPECT_LE(clock.now() - begin, std::chrono::seconds(60));
}

TEST_F(Status, WaitIsPatientWithADaemonThatIsStarting) {
  http.be_unreachable();
  const Run run = loom({"status", "--wait=1s"});
  EXPECT_EQ(run.status, 9);
  EXPECT_EQ(run.err, "loom: not ready within 1s: cannot connect to http://127.0.0.1:9091\n");
  EXPECT_EQ(http.requests().size(), 5u);
}

TEST_F(Status, WithoutADaemonIsUnreachable) {
  http.be_unreachable();
  EXPECT_EQ(loom({"status"}).status, 5);
}

using HealthCheck = CliTest;

TEST_F(HealthCheck, IsZeroOnlyWhenReady) {
  http.answer("GET /readyz", 200, kReady);
  EXPECT_EQ(loom({"healthcheck"}).status, 0);
  EXPECT_EQ(loom({"healthcheck"}).out, "ready\n");
  EXPECT_EQ(loom({"healthcheck", "-q"}).out, "");
}

TEST_F(HealthCheck, IsOneForEveryOtherCase) {
  http.answer("GET /readyz", 503, kNotReady);
  const Run run = loom({"healthcheck"});
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.out, "not ready: interface eth1 does not exist\n");
  http.be_unreachable();
  EXPECT_EQ(loom({"healthcheck"}).status, 1);
}

}  // namespace
}  // namespace loom::cli
