// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/text.hpp"
#include "unit/cli/cli_fixture.hpp"

namespace loom::cli {
namespace {

using BackendCommands = CliTest;
using Lines = std::vector<std::string>;

TEST_F(BackendCommands, ListIsATable) {
  http.answer("GET /ebpf/backends", 200, kBackends);
  const Run run = loom({"backend", "list"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.err, "");
  EXPECT_EQ(run.out,
            "ID  SERVICE  NAME  ADDRESS            WEIGHT  STATE   STATUS  SHARE\n"
            " 1  web      a     10.0.1.10:8080        100  active  up      66.7%\n"
            "12  dns      -     [2001:db8::12]:53      50  drain   drain    0.0%\n");
}

TEST_F(BackendCommands, WideListAddsTraffic) {
  http.answer("GET /ebpf/backends", 200, kBackends);
  http.answer("GET /ebpf/backends/stats", 200, kBackendStats);
  const Run run = loom({"backend", "list", "-o", "wide"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(split(run.out, '\n')[1],
            " 1  web      a     10.0.1.10:8080        100  active  up      66.7%  up       file    "
            "02:00:00:00:00:0a           42     1.2M  1.0 GiB  2.0 KiB");
}

TEST_F(BackendCommands, ListShowsProblemsWhereThereAreSome) {
  http.answer("GET /ebpf/backends", 200,
              R"({"backends": [{"id": 1, "service": "web", "address": "10.0.1.10", "port": 0,
                  "weight": 1, "state": "active", "status": "down", "slot_ratio": 0,
                  "problem": "no route"}]})");
  const Run run = loom({"backend", "list"});
  EXPECT_EQ(run.out,
            "ID  SERVICE  NAME  ADDRESS    WEIGHT  STATE   STATUS  SHARE  PROBLEM\n"
            " 1  web      -     10.0.1.10       1  active  down     0.0%  no route\n");
}

TEST_F(BackendCommands, ListAsJsonIsTheApisDocumentUnchanged) {
  http.answer("GET /ebpf/backends", 200, kBackends);
  EXPECT_EQ(loom({"backend", "list", "--json"}).out, kBackends);
  EXPECT_EQ(loom({"-j", "backend", "list"}).out, kBackends);
  EXPECT_EQ(loom({"backend", "list", "-o", "json"}).out, kBackends);
}

TEST_F(BackendCommands, ListAsNdjsonHasOneBackendPerLine) {
  http.answer("GET /ebpf/backends", 200, kBackends);
  const Lines lines = split(loom({"backend", "list", "-o", "ndjson"}).out, '\n');
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(lines[0].starts_with(R"({"id":1,"service":"web",)")) << lines[0];
  EXPECT_TRUE(lines[1].starts_with(R"({"id":12,)")) << lines[1];
  EXPECT_EQ(lines[2], "");
}

TEST_F(BackendCommands, AnEmptyListSaysHowToAddOne) {
  http.answer("GET /ebpf/backends", 200, R"({"backends": []})");
  const Run run = loom({"backend", "list"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err, "warning: there are no backends; try: loom backend add ADDR:PORT\n");
  EXPECT_EQ(loom({"backend", "list", "-q"}).err, "");
}

TEST_F(BackendCommands, AddSendsOnlyWhatWasGiven) {
  http.answer("POST /ebpf/backends", 201, kBackend);
  const Run run = loom({"backend", "add", "10.0.1.12:8080"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out, "backend 3 (web 10.0.1.12:8080) added, weight 50\n");
  EXPECT_EQ(http.requests(), Lines{R"(POST /ebpf/backends {"address":"10.0.1.12","port":8080})"});
}

TEST_F(BackendCommands, AddSendsWeightServiceAndName) {
  http.answer("POST /ebpf/backends", 201, kBackend);
  const Run run =
      loom({"backend", "add", "[2001:db8::1]:80", "--weight", "0", "-s", "web", "--name", "b"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(http.requests(), Lines{R"(POST /ebpf/backends {"address":"2001:db8::1","port":80,)"
                                   R"("weight":0,"service":"web","name":"b"})"});
}

TEST_F(BackendCommands, AddWithoutPortIsForServicesThatNeedNone) {
  http.answer("POST /ebpf/backends", 201, kBackend);
  EXPECT_EQ(loom({"backend", "add", "10.0.1.12"}).status, 0);
  EXPECT_EQ(http.requests(), Lines{R"(POST /ebpf/backends {"address":"10.0.1.12"})"});
}

TEST_F(BackendCommands, AddWarnsWhenNothingCanBeSentYet) {
  http.answer("POST /ebpf/backends", 201,
              R"({"id": 3, "service": "web", "address": "10.0.1.12", "port": 80, "weight": 100,
                  "problem": "neighbour 10.0.1.12 not resolved"})");
  EXPECT_EQ(loom({"backend", "add", "10.0.1.12:80"}).err,
            "warning: nothing is sent to it yet: neighbour 10.0.1.12 not resolved\n");
}

TEST_F(BackendCommands, AddChecksItsValuesBeforeAsking) {
  for (const Lines& words :
       std::vector<Lines>{{"backend", "add", "nonsense"},
                          {"backend", "add", "10.0.0.1:0"},
                          {"backend", "add", "10.0.0.1:70000"},
                          {"backend", "add", "10.0.0.1:80", "--weight", "65536"},
                          {"backend", "add", "10.0.0.1:80", "--weight", "x"},
                          {"backend", "weight", "3", "-1"},
                          {"backend", "weight", "3", "99999"},
                          {"backend", "weight", "a/b", "5"},
                          {"backend", "rm", "../services"}}) {
    const Run run = loom(words);
    EXPECT_EQ(run.status, 2) << words.back();
    EXPECT_EQ(run.out, "");
    EXPECT_NE(run.err, "");
  }
  EXPECT_TRUE(http.requests().empty());
}

TEST_F(BackendCommands, RemoveNamesWhatIsGone) {
  http.answer("DELETE /ebpf/backends/3", 200,
              R"({"schema": "loom.backend_removed/v1",
                  "removed": {"id": 3, "service": "web", "address": "10.0.1.12", "port": 8080}})");
  const Run run = loom({"backend", "rm", "3"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out, "backend 3 (web 10.0.1.12:8080) removed\n");
}

TEST_F(BackendCommands, BackendsHaveAddressesAsNames) {
  http.answer("DELETE /ebpf/backends/%5B2001:db8::12%5D:53", 200, R"({"removed": {}})");
  EXPECT_EQ(loom({"backend", "rm", "[2001:db8::12]:53"}).status, 0);
  http.answer("DELETE /ebpf/backends/10.0.1.12:80", 200, R"({"removed": {}})");
  EXPECT_EQ(loom({"backend", "rm", "10.0.1.12:80"}).status, 0);
}

TEST_F(BackendCommands, WeightAndStateArePatched) {
  http.answer("PATCH /ebpf/backends/3", 200, kBackend);
  const Run run = loom({"backend", "weight", "3", "50"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out,
            "backend 3 (web 10.0.1.12:8080): weight 50, state active, 25.0% of new connections\n");
  loom({"backend", "drain", "3"});
  loom({"backend", "enable", "3"});
  loom({"backend", "maint", "3"});
  EXPECT_EQ(http.requests(), (Lines{R"(PATCH /ebpf/backends/3 {"weight":50})",
                                    R"(PATCH /ebpf/backends/3 {"state":"drain"})",
                                    R"(PATCH /ebpf/backends/3 {"state":"active"})",
                                    R"(PATCH /ebpf/backends/3 {"state":"maint"})"}));
}

TEST_F(BackendCommands, ChangesAnswerWithTheApisDocumentUnderJson) {
  http.answer("PATCH /ebpf/backends/3", 200, kBackend);
  EXPECT_EQ(loom({"backend", "drain", "3", "-j"}).out, std::string(kBackend) + "\n");
}

TEST_F(BackendCommands, ChangesSayNothingUnderQuiet) {
  http.answer("PATCH /ebpf/backends/3", 200, kBackend);
  const Run run = loom({"backend", "drain", "3", "-q"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.out + run.err, "");
}

}  // namespace
}  // namespace loom::cli
