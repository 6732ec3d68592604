// SPDX-License-Identifier: Apache-2.0
#include "lb/model/ring.hpp"

#include <algorithm>
#include <cassert>
#include <queue>

#include "lb/base/hash.hpp"

namespace loom {
namespace {

/// A member's preference list: every slot exactly once, as the size is prime.
class Permutation {
 public:
  Permutation(uint64_t seed, uint32_t size)
      : next_(static_cast<uint32_t>(mix64(seed) % size)),
        skip_(static_cast<uint32_t>(mix64(~seed) % (size - 1) + 1)),
        size_(size) {}

  uint32_t next() {
    const uint32_t slot = next_;
    // Both terms are below 2^23, so the sum cannot overflow; a subtraction is cheaper than %.
    next_ += skip_;
    if (next_ >= size_) next_ -= size_;
    return slot;
  }

 private:
  uint32_t next_, skip_, size_;
};

struct Turn {
  Endpoint endpoint;
  uint32_t id;
  uint32_t weight;
  uint64_t seed;
  Permutation wish;
  uint64_t credit = 0;
};

std::vector<Turn> turns_of(std::span<const RingMember> members, std::string_view hash_seed,
                           uint32_t size) {
  std::vector<Turn> turns;
  for (const RingMember& member : members) {
    if (member.weight == 0) continue;
    const uint64_t seed = member_seed(member.endpoint, hash_seed);
    turns.push_back({member.endpoint, member.id, member.weight, seed, Permutation(seed, size)});
  }
  // By seed, so that no address range is always first to choose; by endpoint where seeds collide.
  std::sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) {
    return a.seed != b.seed ? a.seed < b.seed : a.endpoint < b.endpoint;
  });
  return turns;
}

/// When a member's next slot is due: in the middle of each 1/weight-th part of a turn.
struct Due {
  uint64_t taken;
  uint64_t weight;
  size_t member;

  bool operator>(const Due& other) const {
    // (2 taken + 1) / 2 weight, compared without rounding.
    const uint64_t mine = (2 * taken + 1) * other.weight;
    const uint64_t theirs = (2 * other.taken + 1) * weight;
    return mine != theirs ? mine > theirs : member > other.member;
  }
};

std::vector<RingMember> members_with_weight(std::span<const RingMember> members) {
  std::vector<RingMember> out(members.begin(), members.end());
  std::erase_if(out, [](const RingMember& member) { return member.weight == 0; });
  std::sort(out.begin(), out.end(),
            [](const RingMember& a, const RingMember& b) { return a.endpoint < b.endpoint; });
  return out;
}

}  // namespace

uint64_t member_seed(const Endpoint& endpoint, std::string_view hash_seed) {
  Digest digest;
  digest.add(hash_seed);
  uint64_t word = 0;
  for (size_t i = 0; i < 16; ++i) {
    word = word << 8 | endpoint.address.bytes()[i];
    if (i % 8 == 7) digest.add(word);
  }
  return digest.add(uint64_t{endpoint.port}).value();
}

std::vector<uint32_t> build_maglev(std::span<const RingMember> members, std::string_view hash_seed,
                                   uint32_t size) {
  assert(is_prime(size));
  std::vector<Turn> turns = turns_of(members, hash_seed, size);
  uint64_t max_weight = 0;
  for (const Turn& turn : turns) max_weight = std::max<uint64_t>(max_weight, turn.weight);

  std::vector<uint32_t> ring(size, 0);
  uint32_t filled = turns.empty() ? size : 0;
  while (filled < size) {
    for (Turn& turn : turns) {
      turn.credit += turn.weight;
      if (turn.credit < max_weight || filled == size) continue;
      turn.credit -= max_weight;
      uint32_t slot = turn.wish.next();
      while (ring[slot] != 0) slot = turn.wish.next();
      ring[slot] = turn.id;
      ++filled;
    }
  }
  return ring;
}

std::vector<uint32_t> build_turns(std::span<const RingMember> members, uint32_t size) {
  const std::vector<RingMember> sorted = members_with_weight(members);
  std::vector<uint32_t> ring(size, 0);
  std::priority_queue<Due, std::vector<Due>, std::greater<>> queue;
  for (size_t i = 0; i < sorted.size(); ++i) queue.push({0, sorted[i].weight, i});
  for (uint32_t slot = 0; slot < size && !queue.empty(); ++slot) {
    Due due = queue.top();
    queue.pop();
    ring[slot] = sorted[due.member].id;
    ++due.taken;
    queue.push(due);
  }
  return ring;
}

std::vector<uint32_t> build_ring(std::span<const RingMember> members, const RingRecipe& recipe,
                                 uint32_t size) {
  if (recipe.algorithm == Algorithm::kMaglev) return build_maglev(members, recipe.hash_seed, size);
  if (recipe.algorithm == Algorithm::kWeighted) return build_turns(members, size);
  std::vector<RingMember> equal = members_with_weight(members);
  for (RingMember& member : equal) member.weight = 1;
  return build_turns(equal, size);
}

uint64_t ring_digest(std::span<const RingMember> members, const RingRecipe& recipe, uint32_t size) {
  Digest digest;
  digest.add(recipe.hash_seed).add(uint64_t{size});
  // Maglev adds nothing: rings that an earlier release published are still good.
  if (recipe.algorithm != Algorithm::kMaglev)
    digest.add(uint64_t{static_cast<uint8_t>(recipe.algorithm)});
  for (const RingMember& member : members_with_weight(members))
    digest.add(member_seed(member.endpoint, recipe.hash_seed))
        .add(uint64_t{member.id} << 32 | member.weight);
  return digest.value() == 0 ? 1 : digest.value();
}

bool is_prime(uint32_t value) {
  if (value < 2) return false;
  for (uint64_t divisor = 2; divisor * divisor <= value; ++divisor)
    if (value % divisor == 0) return false;
  return true;
}

}  // namespace loom
