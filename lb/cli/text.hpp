// SPDX-License-Identifier: Apache-2.0
// Text for people and from people: units, durations, numbers, near misses.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/base/result.hpp"

namespace loom::cli {

[[nodiscard]] std::string human_count(double value);  ///< "999", "12.3k", "4.5M"
[[nodiscard]] std::string human_bytes(double value);  ///< "999 B", "1.2 KiB"
[[nodiscard]] std::string human_duration(std::chrono::milliseconds value);  ///< "350ms", "1h02m"
[[nodiscard]] std::string human_share(double ratio);                        ///< 0.3333: "33.3%"
/// "1 backend", "2 backends".
[[nodiscard]] std::string plural(uint64_t count, std::string_view noun);

/// "250ms", "30s", "5m", "1h30m". A bare number is an error that names the unit to add.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

struct NumberRange {
  uint32_t min = 0;
  uint32_t max = UINT32_MAX;
};
/// Decimal digits only.
[[nodiscard]] Result<uint32_t> parse_number(std::string_view text, NumberRange range);

/// The candidate within two edits of `word`, if any: what the user probably meant.
[[nodiscard]] std::optional<std::string> closest(std::string_view word,
                                                 const std::vector<std::string>& candidates);

/// Without control characters: text from elsewhere must not steer the terminal.
[[nodiscard]] std::string printable(std::string_view text);

/// Everything but letters, digits and "-._~:" as %XX (RFC 3986 3.3).
[[nodiscard]] std::string percent_encode(std::string_view text);

[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace loom::cli
