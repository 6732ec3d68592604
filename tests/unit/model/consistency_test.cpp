// SPDX-License-Identifier: Apache-2.0
// Thousands of flows under random changes of their service, through a model of what the datapath
// does with slots and table: none may leave a backend that is still in service.
#include <gtest/gtest.h>

#include <array>
#include <iostream>
#include <map>
#include <optional>
#include <random>

#include "lb/model/ring.hpp"
#include "lb/model/ring_history.hpp"

namespace loom {
namespace {

constexpr uint32_t kSize = 4099;
constexpr uint32_t kFlows = 6'000;
constexpr int64_t kWindow = 300;  // Seconds, as all times here.
constexpr int64_t kSweepEvery = 5;
constexpr int64_t kDuration = 3600;

struct Backend {
  uint32_t weight = 100;
  bool down = false;
};

struct Entry {
  uint32_t backend;
  int64_t seen;
};

struct Flow {
  uint32_t slot = 0;
  uint32_t backend = 0;  ///< 0: not born, or its backend failed it.
  int64_t next = 0;
  int64_t end = 0;
};

/// What is tried.
struct Trial {
  bool previous_ring = true;
  bool at_risk = false;       ///< Only flows of flagged slots touch the table.
  int64_t change_every = 40;  ///< With random phase.
  bool lose_table = false;    ///< Right before each change.
};

class World {
 public:
  World(const Trial& trial, uint32_t seed)
      : trial_(trial),
        random_(seed),
        history_(std::chrono::seconds(kWindow),
                 trial.at_risk ? Tracking::kAtRisk : Tracking::kAll) {
    for (uint32_t id = 1; id <= 10; ++id) backends_[id] = {};
    next_id_ = 11;
    ring_ = build();
  }

  /// Flows that were sent to another backend although theirs was in service.
  uint64_t run() {
    for (uint32_t i = 0; i < kFlows; ++i) flows_.push_back(birth_later(0));
    for (now_ = 0; now_ < kDuration; ++now_) {
      if (now_ % trial_.change_every == trial_.change_every - 1) change();
      if (now_ % kSweepEvery == 0) sweep();
      history_.expire(time());
      for (uint32_t i = 0; i < kFlows; ++i)
        if (flows_[i].next == now_) packet(i);
    }
    return broken_;
  }
  [[nodiscard]] uint64_t packets() const { return packets_; }
  [[nodiscard]] uint64_t stored() const { return stored_; }
  [[nodiscard]] uint64_t lost_with_table() const { return lost_with_table_; }

 private:
  [[nodiscard]] MonotonicTime time() const { return std::chrono::seconds(now_); }
  uint32_t pick(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  Flow birth_later(int64_t now) {
    Flow flow;
    flow.slot = pick(kSize);
    flow.next = now + pick(600);
    flow.end = flow.next + 60 + pick(1800);
    return flow;
  }

  [[nodiscard]] std::vector<uint32_t> build() const {
    std::vector<RingMember> members;
    for (const auto& [id, backend] : backends_)
      members.push_back({{IpAddr::from_v4({10, 0, uint8_t(id >> 8), uint8_t(id)}), 80},
                         id,
                         backend.down ? 0 : backend.weight});
    return build_maglev(members, "", kSize);
  }

  [[nodiscard]] bool alive(uint32_t id) const {
    const auto found = backends_.find(id);
    return found != backends_.end() && !found->second.down;
  }

  void change() {
    auto chosen = std::next(backends_.begin(), pick(static_cast<uint32_t>(backends_.size())));
    std::optional<uint32_t> gone;
    switch (pick(6)) {
      case 0:
        backends_[next_id_++] = {};
        break;
      case 1:  // drain
        chosen->second.weight = 0;
        break;
      case 2:
        chosen->second.down = true;
        break;
      case 3:
        for (auto& [id, backend] : backends_) backend.down = false;
        break;
      case 4:
        chosen->second.weight = 1 + pick(200);
        break;
      default:
        if (backends_.size() > 6) {
          gone = chosen->first;
          backends_.erase(chosen);
        }
    }
    const std::vector<uint32_t> next = build();
    if (trial_.lose_table) lose_table();
    history_.change(ring_, next, time());
    if (gone) history_.forget(*gone);
    ring_ = next;
    // What was its backend's fault is not held against the ring.
    for (Flow& flow : flows_)
      if (flow.backend != 0 && !alive(flow.backend)) flow = birth_later(now_ + 1);
  }

  /// A flow that the ring would not find lives by its entry: it is not what this trial is about.
  void lose_table() {
    for (auto& [key, entry] : table_) {
      Flow& flow = flows_[key];
      if (!history_.owners(flow.slot, ring_[flow.slot]).flagged) continue;
      ++lost_with_table_;
      flow = birth_later(now_ + 1);
    }
    table_.clear();
  }

  void sweep() {
    std::set<uint32_t> exceptions;
    for (const auto& [key, entry] : table_)
      if (entry.seen + kWindow > now_ && entry.backend != ring_[flows_[key].slot])
        exceptions.insert(flows_[key].slot);
    history_.set_exceptions(exceptions, time());
  }

  uint32_t choose(uint32_t key, bool opens) {
    const uint32_t current = ring_[flows_[key].slot];
    const SlotOwners owners = trial_.previous_ring ? history_.owners(flows_[key].slot, current)
                                                   : SlotOwners{current, current, true};
    if (trial_.at_risk && !owners.flagged) return current;
    const auto found = table_.find(key);
    const bool known = found != table_.end() && found->second.seen + kWindow > now_ && !opens &&
                       alive(found->second.backend);
    uint32_t backend = current;
    if (known)
      backend = found->second.backend;
    else if (!opens && alive(owners.previous))
      backend = owners.previous;
    table_[key] = {backend, now_};
    ++stored_;
    return backend;
  }

  void packet(uint32_t key) {
    Flow& flow = flows_[key];
    const bool opens = flow.backend == 0;
    const uint32_t backend = choose(key, opens);
    ++packets_;
    if (opens) flow.backend = backend;
    if (backend != flow.backend) ++broken_;
    if (backend != flow.backend || now_ >= flow.end || backend == 0) {
      table_.erase(key);
      flow = birth_later(now_ + 1);
      return;
    }
    flow.next = now_ + 1 + pick(kWindow - 1);
  }

  Trial trial_;
  std::mt19937 random_;
  std::map<uint32_t, Backend> backends_;
  uint32_t next_id_ = 0;
  std::vector<uint32_t> ring_;
  RingHistory history_;
  std::map<uint32_t, Entry> table_;
  std::vector<Flow> flows_;
  int64_t now_ = 0;
  uint64_t broken_ = 0, packets_ = 0, stored_ = 0, lost_with_table_ = 0;
};

/// Prints what figure 1's line needs.
uint64_t broken_in(const Trial& trial, const char* what) {
  uint64_t broken = 0, packets = 0, stored = 0, lost = 0;
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    World world(trial, seed);
    broken += world.run();
    packets += world.packets();
    stored += world.stored();
    lost += world.lost_with_table();
  }
  std::cout << what << ": " << broken << " broken, " << packets << " packets, "
            << stored * 100 / packets << " % of them touched the table, " << lost
            << " flows lost an entry without which no ring finds them\n";
  return broken;
}

TEST(Consistency, NoFlowBreaksWhereTheTableHoldsAllFlows) {
  EXPECT_EQ(broken_in({}, "tracking all"), 0u);
}

TEST(Consistency, NoFlowBreaksWhereTheTableHoldsOnlyFlowsAtRisk) {
  EXPECT_EQ(broken_in({.at_risk = true}, "tracking at_risk"), 0u);
}

TEST(Consistency, NoFlowBreaksWhenTheTableIsLostBeforeEachChangeAndChangesAreAWindowApart) {
  EXPECT_EQ(broken_in({.change_every = kWindow + kSweepEvery, .lose_table = true}, "table lost"),
            0u);
  EXPECT_EQ(broken_in({.at_risk = true, .change_every = kWindow + kSweepEvery, .lose_table = true},
                      "table lost, at_risk"),
            0u);
}

TEST(Consistency, WithoutThePreviousRingALostTableBreaksFlows) {
  EXPECT_GT(
      broken_in({.previous_ring = false, .change_every = kWindow + kSweepEvery, .lose_table = true},
                "without previous ring, table lost"),
      100u);
}

}  // namespace
}  // namespace loom
