// SPDX-License-Identifier: Apache-2.0
#include "lb/model/ring.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <random>
#include <set>

namespace loom {
namespace {

constexpr uint32_t kSize = kDefaultRingSize;

Endpoint endpoint(uint32_t n) {
  return {IpAddr::from_v4({10, uint8_t(n >> 16), uint8_t(n >> 8), uint8_t(n)}), 8080};
}

std::vector<RingMember> members(uint32_t count, uint32_t weight) {
  std::vector<RingMember> out;
  for (uint32_t i = 1; i <= count; ++i) out.push_back({endpoint(i), i, weight});
  return out;
}

std::map<uint32_t, uint32_t> shares(const std::vector<uint32_t>& ring) {
  std::map<uint32_t, uint32_t> out;
  for (const uint32_t id : ring) ++out[id];
  return out;
}

TEST(Ring, WithoutMembersBelongsToNobody) {
  EXPECT_EQ(shares(build_maglev({}, "", kSize)), (std::map<uint32_t, uint32_t>{{0, kSize}}));
  EXPECT_EQ(shares(build_maglev(members(3, 0), "", kSize)),
            (std::map<uint32_t, uint32_t>{{0, kSize}}));
}

TEST(Ring, DependsOnTheSetAloneOverAThousandShuffles) {
  std::vector<RingMember> some = members(20, 100);
  some[3].weight = 7;
  const auto ring = build_maglev(some, "edge", 1009);
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    std::shuffle(some.begin(), some.end(), random);
    ASSERT_EQ(build_maglev(some, "edge", 1009), ring);
  }
}

TEST(Ring, OwnersDoNotDependOnIds) {
  std::vector<RingMember> some = members(10, 100);
  const auto ring = build_maglev(some, "", 1009);
  for (RingMember& member : some) member.id += 500;
  const auto renumbered = build_maglev(some, "", 1009);
  for (size_t i = 0; i < ring.size(); ++i) ASSERT_EQ(renumbered[i], ring[i] + 500);
}

TEST(Ring, SpreadsAHundredEqualMembersEvenlyWhateverTheirWeight) {
  for (const uint32_t weight : {1u, 100u}) {
    const auto slots = shares(build_maglev(members(100, weight), "", kSize));
    ASSERT_EQ(slots.size(), 100u);
    uint32_t most = 0;
    for (const auto& [id, count] : slots) most = std::max(most, count);
    const double ratio = double(most) * 100 / kSize;
    std::cout << "figure 8: weight " << weight << ": max/avg = " << ratio << "\n";
    EXPECT_LE(ratio, 1.0015);
  }
}

TEST(Ring, RemovingOneOfAHundredMovesFewSlotsOfTheOthers) {
  std::vector<RingMember> all = members(100, 100);
  const auto before = build_maglev(all, "", kSize);
  uint32_t worst = 0;
  for (size_t gone = 0; gone < all.size(); gone += 10) {
    std::vector<RingMember> rest = all;
    rest.erase(rest.begin() + std::ptrdiff_t(gone));
    const auto after = build_maglev(rest, "", kSize);
    uint32_t moved = 0;
    for (size_t i = 0; i < kSize; ++i) moved += before[i] != all[gone].id && before[i] != after[i];
    worst = std::max(worst, moved);
  }
  std::cout << "figure 8: removal of one of 100 moves at most " << 100.0 * worst / kSize
            << " % of the survivors' slots\n";
  EXPECT_LE(worst, kSize * 7 / 1000);
}

TEST(Ring, EveryMemberOfAThousandWithDefaultWeightsHasASlot) {
  EXPECT_EQ(shares(build_maglev(members(1000, 100), "", kSize)).size(), 1000u);
}

TEST(Ring, SharesFollowWeightsWithinOneSlotPerTurn) {
  EXPECT_TRUE(rc::check("share ~ weight / sum", [] {
    const uint32_t count = *rc::gen::inRange(1u, 12u);
    std::vector<RingMember> some;
    uint64_t sum = 0;
    for (uint32_t i = 1; i <= count; ++i) {
      const uint32_t weight = *rc::gen::inRange(1u, 1000u);
      some.push_back({endpoint(i), i, weight});
      sum += weight;
    }
    const auto slots = shares(build_maglev(some, "", 4093));
    for (const RingMember& member : some) {
      const double fair = 4093.0 * member.weight / double(sum);
      const auto it = slots.find(member.id);
      const double got = it == slots.end() ? 0 : it->second;
      // One slot of its own rounding, one of the turn that the end cuts, and its share of what all
      // others' rounding makes the ring's turns more or fewer.
      RC_ASSERT(std::abs(got - fair) <= 2.0 + count * double(member.weight) / double(sum));
    }
  }));
}

TEST(Ring, SeedsGiveOtherRings) {
  EXPECT_NE(build_maglev(members(3, 1), "a", 1009), build_maglev(members(3, 1), "b", 1009));
}

/// How often each id stands in `count` slots from `first` on.
std::map<uint32_t, uint32_t> window(const std::vector<uint32_t>& ring, size_t first, size_t count) {
  std::map<uint32_t, uint32_t> out;
  for (size_t i = first; i < first + count; ++i) ++out[ring[i]];
  return out;
}

TEST(RoundRobin, AnyNConsecutiveSlotsHoldEachOfNBackendsOnceWhateverTheirWeights) {
  for (const uint32_t count : {1u, 2u, 3u, 7u, 100u, 251u}) {
    std::vector<RingMember> some = members(count, 100);
    some[0].weight = 5;
    const auto ring = build_ring(some, {Algorithm::kRoundRobin, ""}, 1009);
    ASSERT_EQ(ring.size(), 1009u);
    for (size_t first = 0; first + count <= ring.size(); ++first)
      ASSERT_EQ(window(ring, first, count).size(), count) << "from slot " << first;
  }
}

TEST(RoundRobin, IsTheOrderOfTheEndpointsWhateverTheInput) {
  std::vector<RingMember> some = members(4, 100);
  some.push_back({endpoint(9), 9, 0});
  std::reverse(some.begin(), some.end());
  const auto ring = build_ring(some, {Algorithm::kRoundRobin, ""}, 251);
  EXPECT_EQ((std::vector<uint32_t>(ring.begin(), ring.begin() + 6)),
            (std::vector<uint32_t>{1, 2, 3, 4, 1, 2}));
}

TEST(Weighted, EveryTurnHoldsEachBackendByItsWeight) {
  EXPECT_TRUE(rc::check("a turn is as long as the weights add up to", [] {
    const uint32_t count = *rc::gen::inRange(1u, 9u);
    std::vector<RingMember> some;
    uint32_t turn = 0;
    for (uint32_t i = 1; i <= count; ++i) {
      some.push_back({endpoint(i), i, *rc::gen::inRange(1u, 30u)});
      turn += some.back().weight;
    }
    const auto ring = build_ring(some, {Algorithm::kWeighted, ""}, 1009);
    for (size_t first = 0; first + turn <= ring.size(); first += turn) {
      const auto slots = window(ring, first, turn);
      for (const RingMember& member : some) RC_ASSERT(slots.at(member.id) == member.weight);
    }
  }));
}

TEST(Weighted, SpreadsAHeavyBackendOverTheTurn) {
  std::vector<RingMember> some = members(3, 1);
  some[0].weight = 5;
  const auto ring = build_ring(some, {Algorithm::kWeighted, ""}, 251);
  for (size_t first = 0; first + 6 <= ring.size(); ++first)
    EXPECT_GT(window(ring, first, 6).size(), 1u) << "from " << first;
  EXPECT_EQ((std::vector<uint32_t>(ring.begin(), ring.begin() + 7)),
            (std::vector<uint32_t>{1, 1, 1, 2, 3, 1, 1}));
}

TEST(Weighted, WithoutWeightBelongsToNobody) {
  EXPECT_EQ(shares(build_ring(members(3, 0), {Algorithm::kWeighted, ""}, 251)),
            (std::map<uint32_t, uint32_t>{{0, 251}}));
}

TEST(RingDigest, ChangesWithWhateverChangesTheBytes) {
  const std::vector<RingMember> base = members(3, 100);
  std::set<uint64_t> digests{ring_digest(base, {Algorithm::kMaglev, ""}, 1009),
                             ring_digest(base, {Algorithm::kMaglev, "x"}, 1009),
                             ring_digest(base, {Algorithm::kMaglev, ""}, 1013)};
  std::vector<RingMember> other = base;
  other[0].weight = 99;
  digests.insert(ring_digest(other, {Algorithm::kMaglev, ""}, 1009));
  other = base;
  other[0].id = 9;
  digests.insert(ring_digest(other, {Algorithm::kMaglev, ""}, 1009));
  other = base;
  other[0].endpoint.port = 1;
  digests.insert(ring_digest(other, {Algorithm::kMaglev, ""}, 1009));
  for (const Algorithm algorithm : {Algorithm::kRoundRobin, Algorithm::kWeighted})
    digests.insert(ring_digest(base, {algorithm, ""}, 1009));
  EXPECT_EQ(digests.size(), 8u);
  EXPECT_FALSE(digests.contains(0));
}

TEST(RingDigest, IgnoresOrderAndWeightlessMembers) {
  std::vector<RingMember> some = members(3, 100);
  const uint64_t digest = ring_digest(some, {Algorithm::kMaglev, ""}, 1009);
  std::reverse(some.begin(), some.end());
  some.push_back({endpoint(9), 9, 0});
  EXPECT_EQ(ring_digest(some, {Algorithm::kMaglev, ""}, 1009), digest);
}

TEST(IsPrime, KnowsTheTableSizes) {
  for (const uint32_t prime : {2u, 251u, 65537u, 131071u, 5000011u}) EXPECT_TRUE(is_prime(prime));
  for (const uint32_t other : {0u, 1u, 4u, 65536u, 65535u}) EXPECT_FALSE(is_prime(other));
}

}  // namespace
}  // namespace loom
