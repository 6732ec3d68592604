// SPDX-License-Identifier: Apache-2.0
// What users see, and scripts get, when something goes wrong.
#include "unit/cli/cli_fixture.hpp"

namespace loom::cli {
namespace {

using Errors = CliTest;

TEST_F(Errors, AnUnknownBackendIsNotFound) {
  http.answer("DELETE /ebpf/backends/9", 404,
              R"({"type": "urn:loom:problem:not-found", "title": "There is no such object",
                  "status": 404, "detail": "no backend has id 9", "errors": []})");
  const Run run = loom({"backend", "rm", "9"});
  EXPECT_EQ(run.status, 6);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err, "loom: no backend has id 9\n      try: loom backend list\n");
}

TEST_F(Errors, ADuplicateIsAConflict) {
  http.answer("POST /ebpf/backends", 409,
              R"({"title": "It exists already", "status": 409,
                  "detail": "10.0.1.12:8080 is backend 3 of service web already",
                  "existing_id": 3, "errors": []})");
  const Run run = loom({"backend", "add", "10.0.1.12:8080"});
  EXPECT_EQ(run.status, 7);
  EXPECT_EQ(run.err,
            "loom: 10.0.1.12:8080 is backend 3 of service web already\n"
            "      try: loom backend list\n");
}

TEST_F(Errors, AnAmbiguousAddressNamesTheIdsThatAreNot) {
  http.answer("DELETE /ebpf/backends/10.0.1.10:80", 409,
              R"({"status": 409, "detail": "10.0.1.10:80 is a backend of 2 services",
                  "backends": [{"id": 1, "service": "web"}, {"id": 4, "service": "dns"}]})");
  const Run run = loom({"backend", "rm", "10.0.1.10:80"});
  EXPECT_EQ(run.status, 7);
  EXPECT_EQ(run.err,
            "loom: 10.0.1.10:80 is a backend of 2 services\n"
            "  backend 1 of service web\n"
            "  backend 4 of service dns\n"
            "      try: loom backend list\n");
}

TEST_F(Errors, ARefusedValueIsAUsageErrorThatNamesEveryField) {
  http.answer("POST /ebpf/backends", 400,
              R"({"title": "The body has errors", "status": 400, "detail": "the body has errors",
                  "errors": [{"pointer": "/service", "detail": "no service has this name",
                              "suggestion": "did you mean \"web\"?"},
                             {"pointer": "/name", "detail": "is too long"}]})");
  const Run run = loom({"backend", "add", "10.0.1.12:8080", "-s", "wbe"});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.err,
            "loom: the body has errors\n"
            "  service: no service has this name\n"
            "  name: is too long\n"
            "      did you mean \"web\"?\n");
}

TEST_F(Errors, ARefusalIsAPermissionError) {
  http.answer("GET /ebpf/backends", 403,
              R"({"title": "The request is refused", "status": 403,
                  "detail": "Host lb.example.com is not one of this server"})");
  const Run run = loom({"backend", "list"});
  EXPECT_EQ(run.status, 8);
  EXPECT_NE(run.err.find("Host lb.example.com"), std::string::npos);
}

TEST_F(Errors, AnInternalErrorIsAFailure) {
  http.answer("GET /ebpf/stats", 500, R"({"title": "Something failed", "status": 500})");
  const Run run = loom({"stats"});
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.err, "loom: Something failed\n");
}

TEST_F(Errors, AnUnreachableDaemonNamesItsUrlAndHowToStartIt) {
  http.be_unreachable();
  const Run run = loom({"backend", "list"});
  EXPECT_EQ(run.status, 5);
  EXPECT_EQ(run.err,
            "loom: cannot connect to http://127.0.0.1:9091\n"
            "      try: systemctl start loomd, or loomd -c /etc/loom/loom.yaml; --server URL if it "
            "listens elsewhere\n");
}

TEST_F(Errors, AChangeWithoutAnAnswerMayHaveBeenMade) {
  http.be_unreachable();
  EXPECT_NE(loom({"backend", "rm", "3"}).err.find("whether the change was made is not known"),
            std::string::npos);
}

TEST_F(Errors, SomebodyElseOnThePortIsNotTheDaemon) {
  for (const char* body : {"<html>It works!</html>", "", "[1]", "{\"a\":"}) {
    http.answer("GET /ebpf/backends", 200, body);
    const Run run = loom({"backend", "list", "--server", "http://127.0.0.1:80"});
    EXPECT_EQ(run.status, 5) << body;
    EXPECT_NE(run.err.find("what answers at http://127.0.0.1:80 is not loomd"), std::string::npos);
  }
}

TEST_F(Errors, AnswersCannotSteerTheTerminal) {
  http.answer("GET /ebpf/backends", 500, R"({"detail": "\u001b[2Jgone"})");
  EXPECT_EQ(loom({"backend", "list"}).err, "loom: ?[2Jgone\n");
}

TEST_F(Errors, StrangeDocumentsAreShownAsEmpty) {
  for (const char* body :
       {"{}", R"({"backends": 3})", R"({"backends": [1, null, "x", {"id": {}}]})"}) {
    http = FakeHttp();
    for (const char* target : {"/ebpf/backends", "/ebpf/backends/stats", "/ebpf/services",
                               "/ebpf/services/x", "/ebpf/stats", "/readyz", "/version",
                               "/ebpf/connections?limit=1000", "/ebpf/connections?limit=1"}) {
      http.answer(std::string("GET ") + target, 200, body);
    }
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"backend", "list", "-o", "wide"},
                                               {"backend", "list", "-o", "ndjson"},
                                               {"service", "list"},
                                               {"service", "show", "x"},
                                               {"stats", "-v"},
                                               {"status", "-v"},
                                               {"status", "--brief"},
                                               {"conn", "list", "-o", "wide"},
                                               {"conn", "count"},
                                               {"version"}}) {
      EXPECT_EQ(loom(words).status, 0) << words[0] << " on " << body;
    }
  }
}

using GlobalOptions = CliTest;

TEST_F(GlobalOptions, ServerComesFromOptionThenEnvironmentThenDefault) {
  http.answer("GET /ebpf/backends", 200, kBackends);
  loom({"backend", "list"});
  EXPECT_EQ(http.server.to_string(), "http://127.0.0.1:9091");
  EXPECT_EQ(http.timeout, std::chrono::seconds(5));
  variables["LOOM_SERVER"] = "http://10.0.0.9:9092";
  loom({"backend", "list"});
  EXPECT_EQ(http.server.to_string(), "http://10.0.0.9:9092");
  loom({"backend", "list", "--server", "http://[::1]:1", "--timeout", "250ms"});
  EXPECT_EQ(http.server.to_string(), "http://[::1]:1");
  EXPECT_EQ(http.timeout, std::chrono::milliseconds(250));
}

TEST_F(GlobalOptions, BadValuesAreUsageErrors) {
  EXPECT_EQ(loom({"backend", "list", "--server", "localhost"}).status, 2);
  EXPECT_EQ(loom({"backend", "list", "--timeout", "5"}).err,
            "loom: --timeout: duration 5 needs a unit\n      try: 5s\n");
  EXPECT_EQ(loom({"backend", "list", "--timeout", "0s"}).status, 2);
  EXPECT_EQ(loom({"backend", "list", "-q", "-v"}).status, 2);
  EXPECT_EQ(loom({"backend", "list", "-j", "-o", "table"}).status, 2);
  variables["LOOM_SERVER"] = "nonsense";
  EXPECT_EQ(loom({"backend", "list"}).err.substr(0, 18), "loom: LOOM_SERVER:");
}

TEST_F(GlobalOptions, ColoursAreForTerminalsOnly) {
  http.answer("GET /ebpf/backends", 200, kBackends);
  const auto coloured = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"backend", "list"};
    words.insert(words.end(), more.begin(), more.end());
    return loom(words).out.find('\x1b') != std::string::npos;
  };
  EXPECT_FALSE(coloured({}));
  EXPECT_TRUE(coloured({"--color", "always"}));
  terminal = true;
  EXPECT_TRUE(coloured({}));
  EXPECT_FALSE(coloured({"--color=never"}));
  EXPECT_FALSE(coloured({"-j"}));
  variables["NO_COLOR"] = "1";
  EXPECT_FALSE(coloured({}));
  EXPECT_TRUE(coloured({"--color=always"}));
  variables["NO_COLOR"] = "";
  EXPECT_TRUE(coloured({}));
}

TEST_F(GlobalOptions, VerboseNamesEachRequest) {
  http.answer("GET /ebpf/backends", 200, kBackends);
  const Run run = loom({"backend", "list", "-v"});
  EXPECT_TRUE(run.err.starts_with("GET http://127.0.0.1:9091/ebpf/backends: 200, ")) << run.err;
}

TEST_F(GlobalOptions, ACommandLineThatIsNotOneIsAUsageError) {
  EXPECT_EQ(loom({}).status, 2);
  EXPECT_EQ(loom({"backend"}).status, 2);
  EXPECT_EQ(loom({"bakend", "list"}).status, 2);
  EXPECT_EQ(loom({"status", "--frobnicate"}).status, 2);
  EXPECT_EQ(loom({}).out, "");
}

}  // namespace
}  // namespace loom::cli
