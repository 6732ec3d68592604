// SPDX-License-Identifier: Apache-2.0
// Mac: an Ethernet address.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace loom {

struct Mac {
  std::array<uint8_t, 6> bytes{};

  [[nodiscard]] bool is_zero() const { return bytes == std::array<uint8_t, 6>{}; }
  /// "02:00:00:00:00:01".
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const Mac&) const = default;
};

}  // namespace loom
