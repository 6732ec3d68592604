// SPDX-License-Identifier: Apache-2.0
// The neighbours the next hops depend on, as last seen: which events matter, and whom to ask again.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "lb/kernel/netlink_codec.hpp"

namespace loom {

/// Shared between the reader and the thread that watches. The reader calls follow_targets() before
/// it asks for routes, follow() before it lists the kernel's neighbours, and remember() with what
/// it reports of them: so an event is either already in the answer, or compared with it.
class Neighbours {
 public:
  // Both forget what is not named.
  void follow_targets(const std::set<IpAddr>& targets);
  void follow(const std::set<NeighbourKey>& keys);
  void remember(const std::map<NeighbourKey, NeighbourState>& states);

  /// True if frames now have to go elsewhere: resolved, lost, or another MAC.
  bool changed_by(const NeighbourMessage& event);
  /// True if the way to a target may have changed.
  [[nodiscard]] bool concerned_by(const Prefix& route) const;

  /// Those the kernel is not looking after by itself.
  [[nodiscard]] std::vector<NeighbourKey> to_solicit() const;

 private:
  mutable std::mutex mutex_;
  std::set<IpAddr> targets_;
  std::map<NeighbourKey, NeighbourState> states_;
};

}  // namespace loom
