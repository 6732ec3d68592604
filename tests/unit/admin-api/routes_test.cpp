// SPDX-License-Identifier: Apache-2.0
// What holds for every request: routing, methods, hosts and origins, common headers.
#include "admin-api/routes.hpp"

#include <set>

#include "api_fixture.hpp"

namespace loom {
namespace {

using Routes = Api;

TEST_F(Routes, EveryGetAnswersJsonWithASchemaAndSafeHeaders) {
  for (const Route& route : routes()) {
    if (route.method != "GET" || route.pattern == "/metrics") continue;
    std::string path(route.pattern);
    if (const size_t at = path.find("{id}"); at != std::string::npos) path.replace(at, 4, "1");
    if (const size_t at = path.find("{name}"); at != std::string::npos) path.replace(at, 6, "web");
    const HttpResponse response = get(path);
    EXPECT_EQ(response.status, 200) << path;
    EXPECT_EQ(response.content_type, "application/json") << path;
    const Json body = json(response);
    ASSERT_FALSE(body.empty()) << path;
    EXPECT_EQ(body.begin().key(), "schema") << path;
    EXPECT_TRUE(body["schema"].get<std::string>().starts_with("loom.")) << path;
    EXPECT_TRUE(body["schema"].get<std::string>().ends_with("/v1")) << path;
    EXPECT_EQ(response.header("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(response.header("Cache-Control"), "no-store");
  }
}

TEST_F(Routes, ConditionalChangesAreRefusedAndNotApplied) {
  const std::string before = get("/ebpf/backends").body;
  const HttpResponse refused = send("PATCH", "/ebpf/backends/1", R"({"weight": 3})",
                                    {{"Host", "localhost:9091"}, {"If-Match", "\"1\""}});
  EXPECT_EQ(refused.status, 412);
  EXPECT_EQ(get("/ebpf/backends").body, before);
}

TEST_F(Routes, HeadIsAnsweredLikeGet) {
  EXPECT_EQ(send("HEAD", "/ebpf/backends").status, 200);
  EXPECT_EQ(send("HEAD", "/ebpf/backends/99").status, 404);
}

TEST_F(Routes, UnknownPathsAreNotFoundAndNearOnesAreSuggested) {
  const HttpResponse response = get("/ebpf/backend");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(json(response)["type"], "urn:loom:problem:no-such-endpoint");
  EXPECT_EQ(json(response)["errors"][0]["suggestion"], "did you mean \"/ebpf/backends\"?");
  for (const char* path : {"/x", "/ebpf/backends/", "/ebpf/backends/1/x", "//"})
    EXPECT_EQ(get(path).status, 404) << path;
}

struct WrongMethod {
  const char* method;
  const char* path;
  const char* allow;
};

TEST_F(Routes, KnownPathsWithAnotherMethodSayWhatIsAllowed) {
  for (const WrongMethod& wrong :
       {WrongMethod{"DELETE", "/ebpf/backends", "GET, HEAD, POST"},
        WrongMethod{"POST", "/ebpf/backends/1", "GET, HEAD, PATCH, DELETE"},
        WrongMethod{"DELETE", "/ebpf/backends/stats", "GET, HEAD"},
        WrongMethod{"OPTIONS", "/metrics", "GET, HEAD"}, WrongMethod{"BREW", "/", "GET, HEAD"}}) {
    const HttpResponse response = send(wrong.method, wrong.path);
    EXPECT_EQ(response.status, 405) << wrong.method << wrong.path;
    EXPECT_EQ(response.header("Allow"), wrong.allow);
  }
}

TEST_F(Routes, TargetsThatAreNotPathsAreBadRequests) {
  EXPECT_EQ(get("*").status, 400);
  EXPECT_EQ(get("/ebpf/backends/%zz").status, 400);
}

TEST_F(Routes, QueryParametersTheRouteDoesNotTakeAreRefused) {
  const HttpResponse response = get("/ebpf/connections?limt=5");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(json(response)["errors"][0]["pointer"], "?limt");
  EXPECT_EQ(json(response)["errors"][0]["suggestion"], "did you mean \"limit\"?");
  EXPECT_EQ(get("/ebpf/backends?x=1").status, 400);
  EXPECT_EQ(get("/ebpf/connections?limit=1&limit=2").status, 400);
  EXPECT_EQ(get("/healthz?").status, 200);
}

TEST_F(Routes, OnlyOurOwnNamesAreAcceptedAsHost) {
  for (const char* host : {"localhost", "LOCALHOST:1", "127.0.0.1:9091", "[::1]:9091", "[::1]"})
    EXPECT_EQ(send("GET", "/healthz", "", {{"Host", host}}).status, 200) << host;
  for (const char* host : {"evil.example", "evil.example:9091", "localhost.evil.example", "",
                           "10.0.0.1:9091", "127.0.0.1.evil.example"})
    EXPECT_EQ(send("GET", "/healthz", "", {{"Host", host}}).status, 403) << host;
}

TEST_F(Routes, TheBoundAddressIsOurName) {
  Router bound(control_, {}, endpoint("[fd00::1]:9091"));
  const HttpRequest request{.method = "GET",
                            .target = "/healthz",
                            .version = "HTTP/1.1",
                            .headers = {{"Host", "[fd00:0::1]:9091"}}};
  EXPECT_EQ(bound.handle(request).status, 200);
}

TEST_F(Routes, TheWildcardAddressIsNobodysName) {
  Router bound(control_, {}, endpoint("[::]:9091"));
  const HttpRequest request{.method = "GET",
                            .target = "/healthz",
                            .version = "HTTP/1.1",
                            .headers = {{"Host", "[::]:9091"}}};
  EXPECT_EQ(bound.handle(request).status, 403);
}

TEST_F(Routes, HttpOneOneNeedsExactlyOneHost) {
  EXPECT_EQ(send("GET", "/healthz", "", {}).status, 400);
  EXPECT_EQ(send("GET", "/healthz", "", {{"Host", "localhost"}, {"Host", "localhost"}}).status,
            400);
  EXPECT_EQ(router_.handle({.method = "GET", .target = "/healthz", .version = "HTTP/1.0"}).status,
            200);
}

struct Browser {
  const char* header;
  const char* value;
  int status;
};

TEST_F(Routes, PagesOfOtherSitesCannotChangeAnything) {
  for (const Browser& browser :
       {Browser{"Origin", "http://evil.example", 403}, Browser{"Origin", "null", 403},
        Browser{"Origin", "http://localhost:3000", 403},
        Browser{"Origin", "http://localhost:9091", 200},
        Browser{"Sec-Fetch-Site", "cross-site", 403}, Browser{"Sec-Fetch-Site", "same-site", 403},
        Browser{"Sec-Fetch-Site", "same-origin", 200}, Browser{"Sec-Fetch-Site", "none", 200}}) {
    const HttpResponse response =
        send("PATCH", "/ebpf/backends/1", R"({"weight": 5})",
             {{"Host", "localhost:9091"}, {browser.header, browser.value}});
    EXPECT_EQ(response.status, browser.status) << browser.header << ": " << browser.value;
  }
}

TEST_F(Routes, PagesOfOtherSitesMayReadButGetNoCorsHeader) {
  const HttpResponse response =
      send("GET", "/ebpf/backends", "", {{"Host", "localhost"}, {"Origin", "http://evil.example"}});
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.header("Access-Control-Allow-Origin"));
}

TEST_F(Routes, TheIndexListsEveryRoute) {
  const Json body = get_json("/");
  std::set<std::string> listed;
  for (const Json& entry : body["endpoints"])
    listed.insert(entry["method"].get<std::string>() + " " + entry["path"].get<std::string>());
  for (const Route& route : routes())
    EXPECT_TRUE(listed.contains(std::string(route.method) + " " + std::string(route.pattern)));
  EXPECT_EQ(listed.size(), routes().size());
}

}  // namespace
}  // namespace loom
