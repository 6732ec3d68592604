// SPDX-License-Identifier: Apache-2.0
#include "lb/model/ring_history.hpp"

#include <gtest/gtest.h>

namespace loom {
namespace {

using std::chrono::seconds;

constexpr MonotonicTime kWindow = seconds(300);

MonotonicTime at(int64_t second) {
  return seconds(second);
}

using Ring = std::vector<uint32_t>;

TEST(RingHistory, ASlotThatNeverChangedIsNotFlagged) {
  RingHistory history(kWindow, Tracking::kAtRisk);
  history.change(Ring{1, 2}, Ring{1, 3}, at(10));
  EXPECT_EQ(history.owners(0, 1), (SlotOwners{1, 1, false}));
  EXPECT_EQ(history.owners(1, 3), (SlotOwners{3, 2, true}));
}

TEST(RingHistory, PreviousIsTheOwnerOneWindowAgo) {
  RingHistory history(kWindow, Tracking::kAtRisk);
  history.change(Ring{1}, Ring{2}, at(1000));
  history.change(Ring{2}, Ring{3}, at(1100));
  history.expire(at(1299));
  EXPECT_EQ(history.owners(0, 3), (SlotOwners{3, 1, true}));
  EXPECT_TRUE(history.expire(at(1300)));
  EXPECT_EQ(history.owners(0, 3), (SlotOwners{3, 2, true}));
  EXPECT_FALSE(history.expire(at(1399)));
  EXPECT_TRUE(history.expire(at(1400)));
  EXPECT_EQ(history.owners(0, 3), (SlotOwners{3, 3, true})) << "until a sweep has looked";
}

TEST(RingHistory, ASlotIsFlaggedUntilASweepBegunAfterTheWindowFindsNoException) {
  RingHistory history(kWindow, Tracking::kAtRisk);
  history.change(Ring{1}, Ring{2}, at(1000));
  history.expire(at(1300));
  history.set_exceptions({}, at(1299));
  EXPECT_TRUE(history.owners(0, 2).flagged);
  history.set_exceptions({0}, at(1301));
  EXPECT_TRUE(history.owners(0, 2).flagged);
  EXPECT_TRUE(history.set_exceptions({}, at(1306)));
  EXPECT_EQ(history.owners(0, 2), (SlotOwners{2, 2, false}));
  EXPECT_TRUE(history.at_rest());
}

TEST(RingHistory, AReturnToTheFormerOwnerIsAChangeToo) {
  RingHistory history(kWindow, Tracking::kAtRisk);
  history.change(Ring{1}, Ring{2}, at(10));
  history.change(Ring{2}, Ring{1}, at(20));
  EXPECT_EQ(history.owners(0, 1), (SlotOwners{1, 1, true}));
}

TEST(RingHistory, ABackendThatIsGoneIsNobodysPreviousOwner) {
  RingHistory history(kWindow, Tracking::kAtRisk);
  history.change(Ring{1, 1}, Ring{2, 1}, at(10));
  history.change(Ring{2, 1}, Ring{3, 3}, at(20));
  history.forget(1);
  EXPECT_EQ(history.owners(0, 3), (SlotOwners{3, 2, true}));
  EXPECT_EQ(history.owners(1, 3), (SlotOwners{3, 3, false}));
}

TEST(RingHistory, ASlotThatWasNobodysHasNoPast) {
  RingHistory history(kWindow, Tracking::kAtRisk);
  history.change(Ring{0}, Ring{2}, at(10));
  EXPECT_TRUE(history.at_rest());
}

TEST(RingHistory, WithoutKnowledgeEverySlotIsFlaggedForOneWindow) {
  RingHistory history(kWindow, Tracking::kAtRisk);
  history.lose(at(1000));
  EXPECT_EQ(history.owners(7, 2), (SlotOwners{2, 2, true}));
  history.expire(at(1299));
  history.set_exceptions({}, at(1299));
  EXPECT_TRUE(history.owners(7, 2).flagged);
  history.expire(at(1300));
  EXPECT_TRUE(history.owners(7, 2).flagged) << "until a sweep has looked";
  history.set_exceptions({}, at(1301));
  EXPECT_TRUE(history.at_rest());
}

TEST(RingHistory, IsTheSameAfterBeingKeptAndRestored) {
  RingHistory history(kWindow, Tracking::kAtRisk);
  history.change(Ring{1, 1, 1}, Ring{2, 1, 2}, at(10));
  history.change(Ring{2, 1, 2}, Ring{1, 2, 2}, at(20));
  RingHistory again(kWindow, Tracking::kAtRisk);
  again.restore(history.events(), history.flagged_until());
  EXPECT_TRUE(again.owners(5, 1).flagged) << "until a sweep has looked";
  again.set_exceptions({}, at(21));
  for (uint32_t slot = 0; slot < 3; ++slot)
    EXPECT_EQ(again.owners(slot, 9), history.owners(slot, 9)) << slot;
  EXPECT_EQ(again.events(), history.events());
}

TEST(RingHistory, WhereAllFlowsAreTrackedAWindowIsEnough) {
  RingHistory history(kWindow, Tracking::kAll);
  history.change(Ring{1}, Ring{2}, at(1000));
  history.expire(at(1300));
  EXPECT_TRUE(history.at_rest());
  history.set_tracking(Tracking::kAtRisk, at(1400));
  EXPECT_TRUE(history.owners(0, 2).flagged) << "until a sweep has looked";
  history.set_exceptions({}, at(1405));
  EXPECT_TRUE(history.at_rest());
}

TEST(RingHistory, OfASlotThatFlapsItKeepsTheOldestAndABoundedRest) {
  RingHistory history(kWindow, Tracking::kAtRisk);
  for (int i = 0; i < 100; ++i) history.change(Ring{1u + i % 7u}, Ring{1u + (i + 1) % 7u}, at(i));
  EXPECT_LE(history.events().size(), 8u);
  EXPECT_EQ(history.owners(0, 3).previous, 1u);
}

}  // namespace
}  // namespace loom
