// SPDX-License-Identifier: Apache-2.0
// What the control plane asks of the host's network: links, addresses, next hops, and changes.
#pragma once

#include <functional>
#include <set>

#include "lb/base/result.hpp"
#include "lb/model/links.hpp"

namespace loom {

class LinkMonitor {
 public:
  LinkMonitor() = default;
  LinkMonitor(const LinkMonitor&) = delete;
  LinkMonitor& operator=(const LinkMonitor&) = delete;
  virtual ~LinkMonitor() = default;

  /// The network now. Routes and neighbours are looked up for `targets`; for a neighbour that is
  /// not resolved, resolution is started and the answer comes as a change.
  virtual Result<Links> read(const std::set<IpAddr>& targets) = 0;

  /// `changed` is called, from a thread of the monitor's, after links, addresses, routes or
  /// neighbours may have changed; several changes may become one call. Call once.
  virtual Result<void> watch(std::function<void()> changed) = 0;

  /// Ends what watch() began: when it returns, `changed` neither runs nor will run again.
  virtual void unwatch() = 0;
};

}  // namespace loom
