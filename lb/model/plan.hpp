// SPDX-License-Identifier: Apache-2.0
// From one State to another in steps that never leave a packet without an answer in between.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "lb/model/ring.hpp"
#include "lb/model/state.hpp"

namespace loom {

struct PutEgress {
  uint32_t ifindex;
};
struct PutBackend {
  std::string service;
  uint32_t service_id;
  Forwarding forwarding;
  Endpoint endpoint;
  BackendState backend;
  bool fresh;  ///< The id names another backend, or nobody, until now.
};
struct PutService {
  std::string service;
  ServiceState state;
};
/// Several rings, published together: one grace period for all of them.
struct PutRings {
  struct Ring {
    std::string service;
    uint32_t service_id;
    uint64_t digest;
    std::string hash_seed;
    std::vector<RingMember> members;
  };
  std::vector<Ring> rings;
};
struct PutListener {
  Listener listener;
  uint32_t service_id;  ///< 0: passthrough.
};
struct PutVip {
  IpAddr address;
  VipState state;
};
struct Attach {
  std::string interface;
  InterfaceState state;
};
struct Detach {
  std::string interface;
  InterfaceState state;
};
struct RemoveVip {
  IpAddr address;
};
struct RemoveListener {
  Listener listener;
};
struct RemoveService {
  std::string service;
  uint32_t service_id;
};
struct RemoveBackend {
  std::string service;
  uint32_t service_id;
  Endpoint endpoint;
  uint32_t id;
};
struct RemoveEgress {
  uint32_t ifindex;
};

/// Steps are total: applying one twice is applying it once.
using Step =
    std::variant<PutEgress, PutBackend, PutService, PutRings, PutListener, PutVip, Attach, Detach,
                 RemoveVip, RemoveListener, RemoveService, RemoveBackend, RemoveEgress>;

/// For logs and error context: "put backend web 10.0.0.1:80".
[[nodiscard]] std::string describe(const Step& step);

/// Make before break: egress, backends, services, rings, listeners, VIPs, attach; then removals in
/// reverse. `seeds` gives the hash seed of each service in `want`. Pure and total.
[[nodiscard]] std::vector<Step> plan(const State& have, const State& want,
                                     const std::map<std::string, std::string>& seeds);

}  // namespace loom
