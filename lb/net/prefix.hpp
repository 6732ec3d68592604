// SPDX-License-Identifier: Apache-2.0
// Prefix: an address block, "10.0.0.0/8" or "2001:db8::/32".
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "lb/base/result.hpp"
#include "lb/net/ip_addr.hpp"

namespace loom {

struct Prefix {
  IpAddr address;
  uint8_t length = 0;  ///< As written: 0-32 for IPv4, 0-128 for IPv6.

  /// "a.b.c.d/len", or a bare address (a host prefix). Host bits must be zero.
  static Result<Prefix> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddr& addr) const;
  /// Length over the 128 bits of an IpAddr: 96 more for IPv4.
  [[nodiscard]] uint8_t mapped_length() const;
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const Prefix&) const = default;
};

}  // namespace loom
