// SPDX-License-Identifier: Apache-2.0
// /ebpf/backends: listing, adding, changing and removing, and every way that is refused.
#include "api_fixture.hpp"

namespace loom {
namespace {

using Backends = Api;

TEST_F(Backends, AreListedInTheOrderOfTheirIds) {
  const Json body = get_json("/ebpf/backends");
  EXPECT_EQ(body["schema"], "loom.backends/v1");
  ASSERT_EQ(body["backends"].size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(body["backends"][i]["id"], i + 1);
}

TEST_F(Backends, AreShownWithEverythingKnownAboutThem) {
  BackendView& backend = control_.state.services[0].backends[0];
  backend.name = "a";
  backend.health = Health::kUp;
  backend.next_hop = NextHop{.ifindex = 2, .mtu = 1500};
  backend.path_mtu = PathMtu{1380, std::chrono::steady_clock::now() + std::chrono::minutes(10)};
  backend.problem = "";
  const HttpResponse response = get("/ebpf/backends/1");
  EXPECT_EQ(response.body, R"({
  "schema": "loom.backend/v1",
  "id": 1,
  "service": "default",
  "name": "a",
  "address": "10.0.1.10",
  "port": 8080,
  "weight": 100,
  "state": "active",
  "health": "up",
  "status": "up",
  "slot_ratio": 0.5,
  "source": "file",
  "next_hop": {
    "ifindex": 2,
    "source_mac": "00:00:00:00:00:00",
    "destination_mac": "00:00:00:00:00:00",
    "mtu": 1500,
    "source_address": "::"
  },
  "path_mtu": {
    "mtu": 1380,
    "expires_in_s": 600
  },
  "local": false,
  "problem": null
}
)");
}

TEST_F(Backends, StatusSaysWhatBecomesOfPackets) {
  BackendView& backend = control_.state.services[0].backends[0];
  EXPECT_EQ(get_json("/ebpf/backends/1")["status"], "up");
  backend.state = AdminState::kDrain;
  EXPECT_EQ(get_json("/ebpf/backends/1")["status"], "drain");
  backend.problem = "no route";
  EXPECT_EQ(get_json("/ebpf/backends/1")["status"], "down");
  backend.state = AdminState::kMaint;
  EXPECT_EQ(get_json("/ebpf/backends/1")["status"], "maint");
}

TEST_F(Backends, AreFoundByIdOrByAddressAndPort) {
  for (const char* id : {"2", "10.0.1.11:8080", "10.0.1.11%3A8080"})
    EXPECT_EQ(get_json(std::string("/ebpf/backends/") + id)["id"], 2) << id;
  for (const char* id :
       {"[2001:db8::10]:80", "%5B2001:db8::10%5D:80", "%5b2001%3adb8%3a%3a10%5d%3a80"})
    EXPECT_EQ(get_json(std::string("/ebpf/backends/") + id)["id"], 4) << id;
}

TEST_F(Backends, WithoutAPortAreFoundByAnyPort) {
  control_.put_backend(control_.state.services[1], "10.0.1.30");
  EXPECT_EQ(get_json("/ebpf/backends/10.0.1.30")["id"], 5);
  EXPECT_EQ(get_json("/ebpf/backends/10.0.1.30:80")["id"], 5);
}

TEST_F(Backends, UnknownOnesAreNotFound) {
  for (const char* id :
       {"99", "0", "99999999999999999999", "-1", "10.0.1.99:8080", "10.0.1.11:81", "abc", "%00"})
    for (const char* method : {"GET", "PATCH", "DELETE"}) {
      const HttpResponse response =
          send(method, std::string("/ebpf/backends/") + id, R"({"weight": 1})");
      EXPECT_EQ(response.status, 404) << method << id;
      EXPECT_EQ(json(response)["type"], "urn:loom:problem:not-found");
    }
}

TEST_F(Backends, AnAddressInSeveralServicesIsAmbiguousAndTheyAreListed) {
  for (const char* method : {"GET", "PATCH", "DELETE"}) {
    const HttpResponse response = send(method, "/ebpf/backends/10.0.1.10:8080", R"({"weight": 1})");
    EXPECT_EQ(response.status, 409) << method;
    const Json backends = json(response)["backends"];
    ASSERT_EQ(backends.size(), 2u);
    EXPECT_EQ(backends[1], (Json{{"id", 3}, {"service", "web"}, {"path", "/ebpf/backends/3"}}));
  }
}

TEST_F(Backends, AddingAnswersTheBackendAndWhereItIs) {
  const HttpResponse response =
      send("POST", "/ebpf/backends",
           R"({"address": "10.0.1.12", "port": 8080, "weight": 50, "service": "web",
               "name": "c", "state": "drain"})");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.header("Location"), "/ebpf/backends/5");
  const Json body = json(response);
  EXPECT_EQ(body["schema"], "loom.backend/v1");
  EXPECT_EQ(body["id"], 5);
  EXPECT_EQ(body["service"], "web");
  EXPECT_EQ(body["weight"], 50);
  EXPECT_EQ(body["state"], "drain");
  EXPECT_EQ(body["source"], "api");
  EXPECT_EQ(get_json("/ebpf/backends/5")["name"], "c");
}

TEST_F(Backends, AddingNeedsNoServiceWhereThereIsOne) {
  control_.state.services.pop_back();
  const HttpResponse response = send("POST", "/ebpf/backends", R"({"address": "2001:db8::12"})");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(json(response)["weight"], 100);
  EXPECT_EQ(json(response)["port"], 0);
}

TEST_F(Backends, AddingNeedsAServiceWhereThereAreSeveral) {
  const HttpResponse response = send("POST", "/ebpf/backends", R"({"address": "10.0.1.12"})");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(json(response)["errors"][0]["pointer"], "/service");
  EXPECT_EQ(json(response)["errors"][0]["suggestion"], "one of default, web");
}

TEST_F(Backends, AddingToAnUnknownServiceSuggestsOne) {
  const HttpResponse response =
      send("POST", "/ebpf/backends", R"({"address": "10.0.1.12", "service": "wep"})");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(json(response)["errors"][0]["suggestion"], "did you mean \"web\"?");
  EXPECT_EQ(json(send("POST", "/ebpf/backends",
                      R"({"address": "10.0.1.12", "service": "nope"})"))["errors"][0]["suggestion"],
            "services: default, web");
}

TEST_F(Backends, AddingOneThatExistsNamesIt) {
  const HttpResponse response =
      send("POST", "/ebpf/backends", R"({"address": "10.0.1.10", "port": 8080, "service": "web"})");
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(json(response)["existing_id"], 3);
  EXPECT_EQ(json(response)["existing_path"], "/ebpf/backends/3");
}

TEST_F(Backends, PatchingChangesOnlyWhatIsGiven) {
  const Json body = json(send("PATCH", "/ebpf/backends/1", R"({"weight": 50})"));
  EXPECT_EQ(body["weight"], 50);
  EXPECT_EQ(body["state"], "active");
  send("PATCH", "/ebpf/backends/1", R"({"state": "drain", "name": "x"})");
  const Json after = get_json("/ebpf/backends/1");
  EXPECT_EQ(after["weight"], 50);
  EXPECT_EQ(after["state"], "drain");
  EXPECT_EQ(after["name"], "x");
}

TEST_F(Backends, PatchingWithNullSetsTheDefault) {
  send("PATCH", "/ebpf/backends/1", R"({"weight": 50, "state": "maint", "name": "x"})");
  const Json body =
      json(send("PATCH", "/ebpf/backends/1", R"({"weight": null, "state": null, "name": null})"));
  EXPECT_EQ(body["weight"], 100);
  EXPECT_EQ(body["state"], "active");
  EXPECT_EQ(body["name"], nullptr);
}

TEST_F(Backends, RemovingAnswersWhatWasRemoved) {
  const HttpResponse response = send("DELETE", "/ebpf/backends/2");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json(response)["schema"], "loom.backend_removed/v1");
  EXPECT_EQ(json(response)["removed"]["id"], 2);
  EXPECT_EQ(get("/ebpf/backends/2").status, 404);
  EXPECT_EQ(send("DELETE", "/ebpf/backends/2").status, 404);
}

TEST_F(Backends, EveryChangeIsLoggedWithWhoAndWhat) {
  send("POST", "/ebpf/backends", R"({"address": "10.0.1.12", "service": "web"})");
  send("PATCH", "/ebpf/backends/5", R"({"weight": 7})");
  send("DELETE", "/ebpf/backends/5");
  EXPECT_EQ(logged(),
            (std::vector<std::string>{
                "admin: POST /ebpf/backends by 127.0.0.1:50000: added backend 5 (10.0.1.12 of "
                "service web), weight 100, state active",
                "admin: PATCH /ebpf/backends/5 by 127.0.0.1:50000: changed backend 5 (10.0.1.12 of "
                "service web) from weight 100, state active to weight 7, state active",
                "admin: DELETE /ebpf/backends/5 by 127.0.0.1:50000: removed backend 5 (10.0.1.12 "
                "of service web), weight 7, state active"}));
}

struct Failure {
  int code;
  int status;
};

TEST_F(Backends, TheControlPlanesErrnoDecidesTheStatus) {
  for (const Failure& failure :
       {Failure{EINVAL, 400}, Failure{ENOENT, 404}, Failure{EEXIST, 409}, Failure{EACCES, 403},
        Failure{EPERM, 403}, Failure{EBUSY, 409}, Failure{ENOSPC, 500}, Failure{EIO, 500}}) {
    control_.write_failure = Error(failure.code, "write ring").with_hint("try again");
    for (const auto& response : {send("POST", "/ebpf/backends", R"({"address": "10.0.1.12"})"),
                                 send("PATCH", "/ebpf/backends/1", R"({"weight": 7})"),
                                 send("DELETE", "/ebpf/backends/1")}) {
      EXPECT_EQ(response.status, failure.status) << failure.code;
      EXPECT_EQ(response.content_type, "application/problem+json");
      EXPECT_EQ(json(response)["status"], failure.status);
    }
  }
  EXPECT_EQ(json(send("DELETE", "/ebpf/backends/1"))["detail"], "write ring: Input/output error");
}

TEST_F(Backends, FailuresOfTheBalancerAreLogged) {
  control_.write_failure = Error(EIO, "write ring");
  send("POST", "/ebpf/backends", R"({"address": "10.0.1.12"})");
  EXPECT_EQ(logged(), std::vector<std::string>{"admin: write ring: Input/output error"});
}

}  // namespace
}  // namespace loom
