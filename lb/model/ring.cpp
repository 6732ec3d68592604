// SPDX-License-Identifier: Apache-2.0
#include "lb/model/ring.hpp"

#include <algorithm>
#include <cassert>

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

std::vector<uint32_t> build_ring(std::span<const RingMember> members, std::string_view hash_seed,
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

uint64_t ring_digest(std::span<const RingMember> members, std::string_view hash_seed,
                     uint32_t size) {
  std::vector<RingMember> sorted(members.begin(), members.end());
  std::erase_if(sorted, [](const RingMember& member) { return member.weight == 0; });
  std::sort(sorted.begin(), sorted.end(),
            [](const RingMember& a, const RingMember& b) { return a.endpoint < b.endpoint; });

  Digest digest;
  digest.add(hash_seed).add(uint64_t{size});
  for (const RingMember& member : sorted)
    digest.add(member_seed(member.endpoint, hash_seed))
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
