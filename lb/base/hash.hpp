// SPDX-License-Identifier: Apache-2.0
// Digest: an order-dependent 64-bit hash that is the same on every machine and in every release.
#pragma once

#include <cstdint>
#include <string_view>

namespace loom {

/// splitmix64's finaliser (Steele et al., OOPSLA 2014): every output bit depends on every input
/// bit.
constexpr uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/// Not cryptographic: for comparing what we wrote ourselves.
class Digest {
 public:
  constexpr Digest& add(uint64_t value) {
    hash_ = mix64(hash_ ^ value);
    return *this;
  }
  constexpr Digest& add(std::string_view bytes) {
    for (const char c : bytes) {
      hash_ ^= static_cast<unsigned char>(c);
      hash_ *= 0x100000001b3u;  // FNV-1a
    }
    return add(uint64_t{bytes.size()});
  }
  [[nodiscard]] constexpr uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace loom
