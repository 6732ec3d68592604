// SPDX-License-Identifier: Apache-2.0
#include "lb/model/ring_history.hpp"

#include <algorithm>
#include <cassert>

namespace loom {

void RingHistory::add(const Past& past) {
  std::vector<Past>& pasts = pasts_[past.slot];
  if (pasts.size() == kMaxPastsOfSlot) pasts.erase(pasts.begin() + 1);
  pasts.push_back(past);
}

void RingHistory::set_tracking(Tracking tracking, MonotonicTime now) {
  if (tracking == tracking_) return;
  tracking_ = tracking;
  exceptions_.clear();
  all_exceptions_.reset();
  if (tracking == Tracking::kAtRisk) all_exceptions_ = now;
}

void RingHistory::change(std::span<const uint32_t> from, std::span<const uint32_t> to,
                         MonotonicTime now) {
  assert(from.size() == to.size());
  for (uint32_t slot = 0; slot < from.size(); ++slot)
    // A slot that was nobody's has no flows.
    if (from[slot] != to[slot] && from[slot] != 0) add({slot, from[slot], now});
}

void RingHistory::forget(uint32_t owner) {
  for (auto& [slot, pasts] : pasts_)
    std::erase_if(pasts, [&](const Past& past) { return past.owner == owner; });
  std::erase_if(pasts_, [](const auto& entry) { return entry.second.empty(); });
}

bool RingHistory::expire(MonotonicTime now) {
  bool changed = false;
  if (flagged_until_ != MonotonicTime(0) && flagged_until_ <= now) {
    flagged_until_ = MonotonicTime(0);
    if (tracking_ == Tracking::kAtRisk) all_exceptions_ = now;
    changed = true;
  }
  for (auto& [slot, pasts] : pasts_) {
    changed |= std::erase_if(pasts, [&](const Past& p) { return p.until + window_ <= now; }) != 0;
    if (pasts.empty() && tracking_ == Tracking::kAtRisk) exceptions_[slot] = now;
  }
  std::erase_if(pasts_, [](const auto& entry) { return entry.second.empty(); });
  return changed;
}

bool RingHistory::set_exceptions(const std::set<uint32_t>& slots, MonotonicTime sweep_began) {
  bool changed = false;
  if (all_exceptions_ && *all_exceptions_ <= sweep_began) {
    all_exceptions_.reset();
    changed = true;
  }
  changed |= std::erase_if(exceptions_, [&](const auto& entry) {
               return entry.second <= sweep_began && !slots.contains(entry.first);
             }) != 0;
  for (const uint32_t slot : slots) changed |= exceptions_.emplace(slot, sweep_began).second;
  return changed;
}

SlotOwners RingHistory::owners(uint32_t slot, uint32_t current) const {
  const auto found = pasts_.find(slot);
  if (found != pasts_.end()) return {current, found->second.front().owner, true};
  const bool flagged = flagged_until_ != MonotonicTime(0) || all_exceptions_.has_value() ||
                       exceptions_.contains(slot);
  return {current, current, flagged};
}

bool RingHistory::at_rest() const {
  return pasts_.empty() && exceptions_.empty() && !all_exceptions_ &&
         flagged_until_ == MonotonicTime(0);
}

std::vector<RingHistory::Past> RingHistory::events() const {
  std::vector<Past> out;
  for (const auto& [slot, pasts] : pasts_) out.insert(out.end(), pasts.begin(), pasts.end());
  return out;
}

void RingHistory::restore(std::span<const Past> events, MonotonicTime flagged_until) {
  flagged_until_ = flagged_until;
  if (tracking_ == Tracking::kAtRisk) all_exceptions_ = MonotonicTime(0);
  for (const Past& past : events) add(past);
}

}  // namespace loom
