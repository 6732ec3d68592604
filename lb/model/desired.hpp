// SPDX-License-Identifier: Apache-2.0
// desired(): what the datapath should do, from what was declared and what the host's network is.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lb/model/links.hpp"
#include "lb/model/ring.hpp"
#include "lb/model/service.hpp"
#include "lb/model/state.hpp"

namespace loom {

/// By endpoint; a backend that is missing here is unknown, which counts as up.
using HealthMap = std::map<Endpoint, Health>;

struct Desired {
  State state;                                ///< Ids, digests and sources are still missing.
  std::map<std::string, RingRecipe> recipes;  ///< By State service name.
  /// Outer source addresses by State service name and family of the backends.
  std::map<std::pair<std::string, Family>, std::vector<IpAddr>> source_pools;
  std::set<std::string> keep_last_known;                ///< State service names.
  std::map<std::string, std::string> service_problems;  ///< By spec name.
  std::map<std::pair<std::string, Endpoint>, std::string> backend_problems;  ///< By spec name.
  /// Of these, those that waiting will not cure: nothing can ever be sent to the backend.
  std::map<std::pair<std::string, Endpoint>, std::string> unusable;
};

/// Where forwarding cannot change the address family (nat, l2) a service is one datapath service
/// per family, "web@v4" and "web@v6", each with a ring of its own; else it is "web".
[[nodiscard]] std::string datapath_service(const ServiceSpec& service, Family family);

/// Addresses whose next hops desired() wants to know.
[[nodiscard]] std::set<IpAddr> next_hop_targets(const Spec& spec);

/// Pure and total: what cannot be served is left out and named in the problems.
[[nodiscard]] Desired desired(const Spec& spec, const Links& links, const HealthMap& health);

/// Hands out ids: free ones in rotation, so that an id rests as long as possible before its reuse.
class IdPool {
 public:
  explicit IdPool(uint32_t max) : max_(max) {}

  /// 0: none is free. `used` holds the ids in use.
  uint32_t take(const std::set<uint32_t>& used);

 private:
  uint32_t max_;
  uint32_t last_ = 0;
};

/// Gives services and backends of `want` the ids they have in `have`, others new ones, then
/// computes the ring digests. Errors: ENOSPC when a pool is empty.
Result<void> assign_ids(Desired& want, const State& have, IdPool& services, IdPool& backends);

/// Where no backend of a service in `keep_last_known` takes new flows, those that were the last to
/// do so, as `have` knows, go on as if they were up.
void keep_last_known(Desired& want, const State& have);

/// Places the source pools in the table: where they are already, else where nothing is now, so that
/// no backend meets another service's addresses. Errors: ENOSPC when they are too many.
Result<void> assign_sources(Desired& want, const State& have);

/// Members of the ring, from those backends that take new flows.
[[nodiscard]] std::vector<RingMember> ring_members(const ServiceState& service);

void set_ring_digests(Desired& want, uint32_t ring_size);

}  // namespace loom
