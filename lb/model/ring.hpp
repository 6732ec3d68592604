// SPDX-License-Identifier: Apache-2.0
// The ring of a service: which backend each hash slot belongs to.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lb/model/service.hpp"
#include "lb/net/endpoint.hpp"

namespace loom {

constexpr uint32_t kDefaultRingSize = 65537;
constexpr uint32_t kMinRingSize = 251;
constexpr uint32_t kMaxRingSize = 5000011;

struct RingMember {
  Endpoint endpoint;    ///< Identity: the same on every balancer, whatever its id.
  uint32_t id = 0;      ///< What the slots hold; never 0.
  uint32_t weight = 0;  ///< Share of the slots; 0: none.
};

/// What decides, beside the members, which slot is whose.
struct RingRecipe {
  Algorithm algorithm = Algorithm::kMaglev;
  std::string hash_seed;  ///< Maglev only.
};

/// Where two members' seeds would collide the endpoint order decides; see build_ring().
[[nodiscard]] uint64_t member_seed(const Endpoint& endpoint, std::string_view hash_seed);

/// Maglev table (Eisenbud et al., NSDI 2016, 3.4) with weights by credit: per turn a member gains
/// weight / max_weight and takes one slot per whole credit. A function of the *set* of (endpoint,
/// weight), the seed and the size: neither order nor ids decide who owns a slot.
/// `size` must be prime. Slot values are ids; all 0 when no member has weight.
[[nodiscard]] std::vector<uint32_t> build_maglev(std::span<const RingMember> members,
                                                 std::string_view hash_seed, uint32_t size);

/// For a counter that walks the ring: members take turns in the order of their endpoints, those of
/// a higher weight more often and spread out. In every whole turn (as many slots as the weights add
/// up to) a member has exactly `weight` slots. A function of the set, as build_maglev().
[[nodiscard]] std::vector<uint32_t> build_turns(std::span<const RingMember> members, uint32_t size);

/// The ring of an algorithm. Round robin gives every member with weight the same share.
[[nodiscard]] std::vector<uint32_t> build_ring(std::span<const RingMember> members,
                                               const RingRecipe& recipe, uint32_t size);

/// Equal digests mean equal rings, ids included; never 0.
[[nodiscard]] uint64_t ring_digest(std::span<const RingMember> members, const RingRecipe& recipe,
                                   uint32_t size);

[[nodiscard]] bool is_prime(uint32_t value);

}  // namespace loom
