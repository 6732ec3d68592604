// SPDX-License-Identifier: Apache-2.0
// A balancer with two services behind a Router, and requests in one line.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "admin-api/json.hpp"
#include "admin-api/routes.hpp"
#include "lb/base/log.hpp"
#include "support/fake_control.hpp"

namespace loom {

inline Endpoint endpoint(const std::string& text) {
  Result<Endpoint> parsed = Endpoint::parse(text);
  EXPECT_TRUE(parsed) << text;
  return *parsed;
}

/// "default" with backends 1 and 2, "web" with 3 (the endpoint of 1, too) and 4 (IPv6).
inline void fill(FakeControl& control) {
  control.state.generation = 7;
  control.state.last_reconcile_ok = true;
  control.state.interfaces = {{.name = "eth0", .present = true, .attached = true}};
  control.state.programs = {{.interface = "eth0",
                             .mode = "native",
                             .attach = "link",
                             .program_id = 42,
                             .tag = "0123456789abcdef"}};
  control.state.services.reserve(2);
  ServiceView& service = control.add_service("default", 1);
  service.vips = {endpoint("192.0.2.1").address};
  service.ports = {{.port = 80, .protocol = Protocol::kTcp}};
  control.put_backend(service, "10.0.1.10:8080");
  control.put_backend(service, "10.0.1.11:8080");
  ServiceView& web = control.add_service("web", 2);
  control.put_backend(web, "10.0.1.10:8080");
  control.put_backend(web, "[2001:db8::10]:80");
}

class Api : public testing::Test {
 protected:
  Api() : router_(control_, {"0.1.0", "abc123", "g++ 12", "6.1.0"}, endpoint("127.0.0.1:9091")) {
    fill(control_);
    logged().clear();
    set_log_sink([](LogLevel, std::string_view line) { logged().emplace_back(line); });
  }

  HttpResponse send(std::string method, std::string target, std::string body = "",
                    HttpHeaders headers = {{"Host", "localhost:9091"}}) {
    return router_.handle({.method = std::move(method),
                           .target = std::move(target),
                           .version = "HTTP/1.1",
                           .headers = std::move(headers),
                           .body = std::move(body),
                           .peer = "127.0.0.1:50000"});
  }
  HttpResponse get(std::string target) { return send("GET", std::move(target)); }

  static Json json(const HttpResponse& response) {
    auto parsed = parse_json(response.body);
    EXPECT_TRUE(std::holds_alternative<Json>(parsed)) << response.body;
    return std::holds_alternative<Json>(parsed) ? std::get<Json>(std::move(parsed)) : Json();
  }
  Json get_json(std::string target) { return json(get(std::move(target))); }

  static std::vector<std::string>& logged() {
    static std::vector<std::string> lines;
    return lines;
  }

  FakeControl control_;
  Router router_;
};

}  // namespace loom
