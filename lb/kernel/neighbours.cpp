// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/neighbours.hpp"

#include <linux/neighbour.h>

#include <algorithm>

namespace loom {
namespace {

bool same_way(const NeighbourState& a, const NeighbourState& b) {
  if (!a.resolved() || !b.resolved()) return a.resolved() == b.resolved();
  return a.mac == b.mac;
}

}  // namespace

void Neighbours::follow_targets(const std::set<IpAddr>& targets) {
  const std::lock_guard lock(mutex_);
  targets_ = targets;
}

void Neighbours::follow(const std::set<NeighbourKey>& keys) {
  const std::lock_guard lock(mutex_);
  std::erase_if(states_, [&keys](const auto& entry) { return !keys.contains(entry.first); });
  for (const NeighbourKey& key : keys) states_.try_emplace(key);
}

void Neighbours::remember(const std::map<NeighbourKey, NeighbourState>& states) {
  const std::lock_guard lock(mutex_);
  for (auto& [key, state] : states_) {
    const auto seen = states.find(key);
    state = seen != states.end() ? seen->second : NeighbourState{};
  }
}

bool Neighbours::changed_by(const NeighbourMessage& event) {
  const std::lock_guard lock(mutex_);
  const auto known = states_.find(event.key);
  if (known == states_.end()) return false;
  const bool changed = !same_way(known->second, event.state);
  known->second = event.state;
  return changed;
}

bool Neighbours::concerned_by(const Prefix& route) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(targets_.begin(), targets_.end(),
                     [&route](const IpAddr& target) { return route.contains(target); });
}

std::vector<NeighbourKey> Neighbours::to_solicit() const {
  constexpr uint16_t kKernelIsAtIt = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE;
  // Asking for a permanent entry would make it an ordinary one (seen on 6.18).
  constexpr uint16_t kFixed = NUD_PERMANENT | NUD_NOARP;
  const std::lock_guard lock(mutex_);
  std::vector<NeighbourKey> keys;
  for (const auto& [key, state] : states_)
    if ((state.nud & (kKernelIsAtIt | kFixed)) == 0) keys.push_back(key);
  return keys;
}

}  // namespace loom
