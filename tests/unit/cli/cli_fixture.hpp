// SPDX-License-Identifier: Apache-2.0
// CliTest: runs `loom` with a fake daemon, kernel and clock around it.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "lb/cli/context.hpp"
#include "support/fake_http.hpp"

namespace loom::cli {

class FakeDecap final : public DecapControl {
 public:
  Result<DecapInterface> attach(const DecapOptions& options) override {
    attached = options;
    if (failure) return *failure;
    DecapInterface made;
    made.name = options.interface;
    made.mode = options.tc ? DecapMode::kTc : DecapMode::kNative;
    made.encaps = options.encaps;
    made.port = options.port;
    made.from = options.from;
    made.vips = options.vips;
    return made;
  }
  Result<void> detach(const std::string& interface, const std::string& pin_path) override {
    detached = pin_path + "/" + interface;
    if (failure) return *failure;
    return {};
  }
  Result<DecapStatus> status(const std::string&) override {
    if (failure) return *failure;
    return now;
  }

  std::optional<DecapOptions> attached;
  std::string detached;
  DecapStatus now;
  std::optional<Error> failure;
};

/// Time passes only while somebody sleeps.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::steady_clock::time_point now() const override { return now_; }
  void sleep(std::chrono::milliseconds duration) override { now_ += duration; }

 private:
  std::chrono::steady_clock::time_point now_;
};

class CliTest : public testing::Test {
 protected:
  struct Run {
    int status = 0;
    std::string out;
    std::string err;
  };

  Run loom(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Environment environment{
        .in = in,
        .out = out,
        .err = err,
        .decap = decap,
        .clock = clock,
        .connect =
            [this](const ServerUrl& server, std::chrono::milliseconds timeout) {
              http.server = server;
              http.timeout = timeout;
              return http.client();
            },
        .variable =
            [this](const char* name) {
              const auto found = variables.find(name);
              return found == variables.end() ? std::string() : found->second;
            },
        .out_is_terminal = terminal,
        .err_is_terminal = terminal,
    };
    const int status = run_cli(arguments, environment);
    return {status, out.str(), err.str()};
  }

  FakeHttp http;
  FakeDecap decap;
  FakeClock clock;
  std::map<std::string, std::string> variables;
  bool terminal = false;
};

/// What the daemon answers in these tests: the shapes of admin-api/openapi.yaml.
inline constexpr const char* kBackends = R"({
  "schema": "loom.backends/v1",
  "generation": 7,
  "backends": [
    {"id": 1, "service": "web", "name": "a", "address": "10.0.1.10", "port": 8080, "weight": 100,
     "state": "active", "health": "up", "status": "up", "slot_ratio": 0.6667, "source": "file",
     "next_hop": {"destination_mac": "02:00:00:00:00:0a"}, "problem": null},
    {"id": 12, "service": "dns", "name": null, "address": "2001:db8::12", "port": 53, "weight": 50,
     "state": "drain", "health": "unknown", "status": "drain", "slot_ratio": 0, "source": "api",
     "next_hop": null, "problem": null}
  ]
}
)";

inline constexpr const char* kBackend = R"({"schema": "loom.backend/v1", "id": 3, "service": "web",
  "name": null, "address": "10.0.1.12", "port": 8080, "weight": 50, "state": "active",
  "health": "unknown", "status": "up", "slot_ratio": 0.25, "source": "api", "next_hop": null,
  "problem": null})";

inline constexpr const char* kBackendStats = R"({"schema": "loom.backend_stats/v1", "backends": [
  {"id": 1, "packets": 1234567, "rx_bytes": 1073741824, "tx_bytes": 2048,
   "connections": 5000, "connections_active": 42},
  {"id": 12, "packets": 0, "rx_bytes": 0, "tx_bytes": 0, "connections": 0, "connections_active": 0}
]})";

inline constexpr const char* kServices = R"({"schema": "loom.services/v1", "generation": 7,
  "services": [
    {"name": "dns", "vips": ["2001:db8::53"], "ports": [{"port": 53, "protocol": "udp"}],
     "algorithm": "maglev", "forwarding": "gue", "backend_count": 1,
     "problem": "no backend takes new connections"},
    {"name": "web", "vips": ["203.0.113.10"],
     "ports": [{"port": 80, "protocol": "tcp"}, {"port": 443, "protocol": "tcp"}],
     "algorithm": "maglev", "forwarding": "nat", "backend_count": 1, "problem": null}
  ]})";

inline constexpr const char* kStats = R"({"schema": "loom.stats/v1", "generation": 7,
  "programs": [{"id": 77, "tag": "0123456789abcdef", "interface": "eth0", "mode": "native",
                "attach": "link", "note": null}],
  "interfaces": [{"name": "eth0", "present": true, "attached": true, "problem": null},
                 {"name": "eth1", "present": false, "attached": false, "problem": "no such interface"}],
  "packets": {"forward": 1234567, "drop": 12, "pass": 345, "total": 1234924},
  "bytes": {"rx": 1073741824, "tx": 2048},
  "connections": {"active": 42, "total": 5000, "entries": 50},
  "replies": {"tx": 0, "redirect": 100},
  "drops": {"no_backend": 12, "too_big": 0},
  "passes": {"not_vip": 345},
  "errors": {"map_full": 0},
  "maps": [{"name": "loom_flows", "entries": 50, "max_entries": 262144, "fill": 0.00019,
            "memory_bytes": 25165824}]})";

inline constexpr const char* kReady =
    R"({"schema": "loom.ready/v1", "ready": true, "generation": 7, "last_error": null, "reasons": []})";
inline constexpr const char* kNotReady =
    R"({"schema": "loom.ready/v1", "ready": false, "generation": 1, "last_error": null,
        "reasons": ["interface eth1 does not exist"]})";
inline constexpr const char* kVersion = R"({"schema": "loom.version/v1", "version": "0.1.0",
  "revision": null, "compiler": "g++ 12.2.0", "kernel": "6.1.0"})";

}  // namespace loom::cli
