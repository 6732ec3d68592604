// SPDX-License-Identifier: Apache-2.0
// How the oracle reads, writes and adds up bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "loom/abi.h"
#include "support/packet.hpp"

namespace loom::test {

constexpr uint32_t kOnes = 65535;  // Ones' complement sums are numbers modulo this.

inline bool is_v4(const loom_addr& address) {
  return !address.w[0] && !address.w[1] && address.w[2] == htonl(0xffff);
}

inline uint32_t sum_of(const uint8_t* data, size_t length) {
  uint64_t sum = 0;
  for (size_t i = 0; i < length; ++i) sum += i % 2 ? data[i] : uint32_t{data[i]} << 8;
  return static_cast<uint32_t>(sum % kOnes);
}
inline uint32_t sum_of(const Bytes& bytes) {
  return sum_of(bytes.data(), bytes.size());
}
template <class Part>
inline uint32_t sum_of_part(const Part& part) {
  return sum_of(reinterpret_cast<const uint8_t*>(&part), sizeof(part));
}
/// Addresses and ports.
inline uint32_t sum_of_ends(const loom_flow& flow) {
  return sum_of_part(flow.src) + sum_of_part(flow.dst) + sum_of_part(flow.sport) +
         sum_of_part(flow.dport);
}

/// The checksum of what adds up to `sum`.
inline uint16_t complement(uint32_t sum) {
  const uint32_t rest = sum % kOnes;
  return static_cast<uint16_t>(rest ? kOnes - rest : 0);
}
inline uint16_t nonzero(uint16_t check) {
  return check ? check : uint16_t{0xffff};
}

inline void put16(Bytes& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}
inline uint16_t get16(const Bytes& bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

/// The field at `at` after something that it covers went from one sum to another.
inline void adjust(Bytes& bytes, size_t at, uint32_t from, uint32_t to) {
  const uint32_t covered = kOnes - get16(bytes, at);
  put16(bytes, at, complement(covered + (kOnes - from % kOnes) + to % kOnes));
}

inline loom_flow reversed(const loom_flow& flow) {
  return {flow.dst, flow.src, flow.dport, flow.sport, flow.proto, {}};
}

/// Source and destination into an IP header.
inline void put_ends(Bytes& bytes, bool v4, const loom_addr& src, const loom_addr& dst) {
  const size_t size = v4 ? 4 : 16;
  size_t at = v4 ? 12 : 8;
  for (const loom_addr* address : {&src, &dst}) {
    std::memcpy(&bytes.at(at + size - 1) - (size - 1), &address->w[v4 ? 3 : 0], size);
    at += size;
  }
}

}  // namespace loom::test
