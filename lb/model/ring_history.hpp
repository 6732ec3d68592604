// SPDX-License-Identifier: Apache-2.0
// Who owned the slots of a ring over the last window: what lets a flow without an entry in the
// table find the backend it had before the ring changed.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "lb/model/service.hpp"

namespace loom {

/// Since boot; not steered by the wall clock.
using MonotonicTime = std::chrono::milliseconds;

/// What the datapath knows of a slot.
struct SlotOwners {
  uint32_t current = 0;   ///< Backend id; 0: nobody.
  uint32_t previous = 0;  ///< Owner one window ago; `current` if that one is gone.
  /// Not the same owner throughout the window, or the table has flows of the slot that are another
  /// backend's: an opening packet goes to `current` and is remembered, any other without an entry
  /// to `previous`.
  bool flagged = false;

  bool operator==(const SlotOwners&) const = default;
};

/// One ring's. Why this keeps flows: a flow that is never idle for a window W and was born in an
/// unflagged slot sends a packet within W of the slot's first change; until then `previous` is the
/// owner it was born under, and that packet puts it into the table. One born in a flagged slot is
/// in the table from its first packet.
class RingHistory {
 public:
  /// `slot` was `owner`'s until then.
  struct Past {
    uint32_t slot = 0;
    uint32_t owner = 0;
    MonotonicTime until{0};

    bool operator==(const Past&) const = default;
  };

  RingHistory(MonotonicTime window, Tracking tracking) : window_(window), tracking_(tracking) {}

  /// From now on the table holds other flows. What it held is an exception until a sweep.
  void set_tracking(Tracking tracking, MonotonicTime now);

  /// Slots that differ change their owner now. Rings of one size.
  void change(std::span<const uint32_t> from, std::span<const uint32_t> to, MonotonicTime now);
  /// The backend is gone, and its id may be given to another: its flows choose anew.
  void forget(uint32_t owner);
  /// Nothing is known of the time before: all slots are flagged for one window.
  void lose(MonotonicTime now) { flagged_until_ = now + window_; }
  /// Lets go of what happened more than a window ago. True: some slot is no longer what it was.
  /// Under kAtRisk what the table names decides with: a slot stays flagged until a sweep begun
  /// later finds no exception.
  bool expire(MonotonicTime now);
  /// Slots for which a sweep of the flow table, begun then, found another backend than `current`.
  /// They replace what earlier sweeps found. True: some slot is no longer what it was.
  bool set_exceptions(const std::set<uint32_t>& slots, MonotonicTime sweep_began);

  [[nodiscard]] SlotOwners owners(uint32_t slot, uint32_t current) const;
  /// No slot is flagged.
  [[nodiscard]] bool at_rest() const;

  /// To be kept outside the process, and back: oldest first within a slot.
  [[nodiscard]] std::vector<Past> events() const;
  [[nodiscard]] MonotonicTime flagged_until() const { return flagged_until_; }
  /// Of an earlier process, into an empty history. All slots count as exceptions until a sweep.
  void restore(std::span<const Past> events, MonotonicTime flagged_until);

 private:
  /// Of a slot that changes faster than this within a window the oldest and the newest are kept:
  /// only a flow that was born in between and has lost its entry can tell the difference.
  static constexpr size_t kMaxPastsOfSlot = 8;

  void add(const Past& past);

  MonotonicTime window_;
  Tracking tracking_;
  MonotonicTime flagged_until_{0};
  std::map<uint32_t, std::vector<Past>> pasts_;   ///< By slot; oldest first, never empty.
  std::map<uint32_t, MonotonicTime> exceptions_;  ///< By slot; since when a sweep must have begun.
  std::optional<MonotonicTime> all_exceptions_;   ///< The same for all slots.
};

}  // namespace loom
