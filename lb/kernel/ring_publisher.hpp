// SPDX-License-Identifier: Apache-2.0
// The published rings and their histories: a ring is built aside and published at once; what its
// slots say of the past is kept up to date in place.
#pragma once

#include <map>
#include <set>
#include <string>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"
#include "lb/kernel/datapath.hpp"
#include "lb/model/plan.hpp"
#include "lb/model/ring_history.hpp"
#include "lb/model/state.hpp"

namespace loom {

/// Since boot, which is as long as pins live.
[[nodiscard]] MonotonicTime monotonic_now();

/// Not for several threads.
class RingPublisher {
 public:
  /// `datapath` must outlive it.
  explicit RingPublisher(const Datapath& datapath);

  /// Takes up the histories of the rings that are pinned. What cannot be read is not known, and
  /// said in the log: every slot is then flagged for a window.
  Result<void> restore(const State& state);

  /// Before the service's ring is published: how its flows are found.
  Result<void> put_service(const std::string& service, const ServiceState& state);
  Result<void> publish(const PutRings& step);
  /// The backend is gone from the service.
  Result<void> forget(const std::string& service, uint32_t backend_id);
  void remove(const std::string& service);

  /// Lets go of what is older than the window.
  Result<void> expire(MonotonicTime now);
  /// By service: what a sweep that began then has found. Others have none.
  Result<void> set_exceptions(const std::map<std::string, std::set<uint32_t>>& slots,
                              MonotonicTime sweep_began);

 private:
  struct NewRing {
    UniqueFd fd;
    std::vector<uint32_t> owners;
  };

  Result<NewRing> build(const PutRings::Ring& ring);
  [[nodiscard]] Result<std::vector<uint32_t>> published_owners(const std::string& service) const;
  /// No flow of the service is found by its ring any more.
  Result<void> remove_past(const std::string& service);
  /// What the history says becomes what the ring and the history's pin say.
  Result<void> refresh(const std::string& service);
  Result<void> keep(const std::string& service);

  const Datapath& datapath_;
  const MonotonicTime window_;
  /// Of services whose flows are found by the ring: no others have a past.
  std::map<std::string, RingHistory> histories_;
};

}  // namespace loom
