// SPDX-License-Identifier: Apache-2.0
// From one State to another in steps that never leave a packet without an answer in between.
#pragma once

#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "lb/model/ring.hpp"
#include "lb/model/state.hpp"

namespace loom {

struct PutEgress {
  uint32_t ifindex;
};
/// Several entries of the table of outer source addresses.
struct PutSources {
  std::map<uint16_t, IpAddr> sources;
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
    RingRecipe recipe;
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
struct RemoveSources {
  std::set<uint16_t> indexes;
};
struct RemoveEgress {
  uint32_t ifindex;
};

/// Steps are total: applying one twice is applying it once.
using Step = std::variant<PutEgress, PutSources, PutBackend, PutService, PutRings, PutListener,
                          PutVip, Attach, Detach, RemoveVip, RemoveListener, RemoveService,
                          RemoveBackend, RemoveSources, RemoveEgress>;

/// For logs and error context: "put backend web 10.0.0.1:80".
[[nodiscard]] std::string describe(const Step& step);

/// Make before break: egress, sources, backends, services, rings, listeners, VIPs, attach; then
/// removals in reverse. `recipes` says of each service in `want` how its ring is made. Pure, total.
[[nodiscard]] std::vector<Step> plan(const State& have, const State& want,
                                     const std::map<std::string, RingRecipe>& recipes);

}  // namespace loom
