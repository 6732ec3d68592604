// SPDX-License-Identifier: Apache-2.0
// IpAddr: an IPv6 address, or an IPv4 address as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "lb/base/result.hpp"

namespace loom {

enum class Family { kV4, kV6 };

class IpAddr {
 public:
  /// "::", the unspecified address.
  IpAddr() = default;
  /// 16 bytes in network order.
  explicit IpAddr(const std::array<uint8_t, 16>& bytes) : bytes_(bytes) {}

  /// Dotted quad or RFC 4291 text; no scope, no prefix length, no octal, no surrounding blanks.
  /// "::ffff:a.b.c.d" is refused: an IPv4 address has one spelling.
  static Result<IpAddr> parse(std::string_view text);
  static IpAddr from_v4(const std::array<uint8_t, 4>& bytes);

  [[nodiscard]] Family family() const;
  [[nodiscard]] bool is_v4() const { return family() == Family::kV4; }
  [[nodiscard]] bool is_unspecified() const;  ///< "::" or "0.0.0.0".
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] bool is_multicast() const;
  [[nodiscard]] bool is_link_local() const;
  /// Network order; the v4 bytes are the last four.
  [[nodiscard]] const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  [[nodiscard]] std::array<uint8_t, 4> v4_bytes() const;
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const IpAddr&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{};
};

}  // namespace loom
