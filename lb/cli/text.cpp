// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <numeric>
#include <utility>

namespace loom::cli {
namespace {

std::string format_double(const char* format, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, value);
  return buffer.data();
}

struct Scale {
  double step;
  std::vector<std::string_view> units;  ///< The first is for values below `step`.
};

std::string scaled(double value, const Scale& scale) {
  size_t unit = 0;
  // 999.95 would print as "1000.0" of the smaller unit.
  while (unit + 1 < scale.units.size() && value >= scale.step - 0.05) {
    value /= scale.step;
    ++unit;
  }
  return format_double(unit == 0 ? "%.0f" : "%.1f", value) + std::string(scale.units[unit]);
}

/// Optimal string alignment: insert, delete, replace, or swap two neighbours.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last;
  std::vector<size_t> last(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    std::vector<size_t> row(b.size() + 1, i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = std::exchange(last, std::move(row));
  }
  return last.back();
}

size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                             a.begin());
}

/// Milliseconds in one of a unit; 0: no such unit.
int64_t unit_ms(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s") return 1000;
  if (unit == "m") return 60'000;
  if (unit == "h") return 3'600'000;
  return 0;
}

Error bad_duration(std::string_view text) {
  const bool bare = !text.empty() && std::all_of(text.begin(), text.end(),
                                                 [](char c) { return c >= '0' && c <= '9'; });
  if (bare) {
    return Error(EINVAL, "duration " + printable(text) + " needs a unit")
        .with_hint("try: " + printable(text) + "s");
  }
  return Error(EINVAL, "\"" + printable(text) + "\" is not a duration")
      .with_hint("write it like 250ms, 30s, 5m or 1h30m");
}

}  // namespace

std::string human_count(double value) {
  if (value < 10'000) return format_double("%.0f", value);
  return scaled(value, {1000, {"", "k", "M", "G", "T", "P"}});
}

std::string human_bytes(double value) {
  return scaled(value, {1024, {" B", " KiB", " MiB", " GiB", " TiB", " PiB"}});
}

std::string human_duration(std::chrono::milliseconds value) {
  const int64_t ms = value.count();
  if (ms < 1000) return std::to_string(ms) + "ms";
  const int64_t seconds = ms / 1000;
  const auto pair = [](int64_t high, const char* high_unit, int64_t low, const char* low_unit) {
    std::array<char, 48> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%lld%s%02lld%s", static_cast<long long>(high),
                  high_unit, static_cast<long long>(low), low_unit);
    return std::string(buffer.data());
  };
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return pair(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86'400) return pair(seconds / 3600, "h", seconds / 60 % 60, "m");
  return pair(seconds / 86'400, "d", seconds / 3600 % 24, "h");
}

std::string human_share(double ratio) {
  return format_double("%.1f%%", ratio * 100);
}

std::string plural(uint64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr int64_t kMaxMs = int64_t{366} * 24 * 3'600'000;
  int64_t total = 0;
  int64_t last_unit = INT64_MAX;
  std::string_view rest = text;
  if (rest.empty()) return bad_duration(text);
  while (!rest.empty()) {
    uint32_t number = 0;
    const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (status != std::errc{}) return bad_duration(text);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    const size_t length = std::min(rest.find_first_of("0123456789"), rest.size());
    const int64_t unit = unit_ms(rest.substr(0, length));
    if (unit == 0 || unit >= last_unit) return bad_duration(text);
    last_unit = unit;
    total += number * unit;
    if (total > kMaxMs) return bad_duration(text);
    rest.remove_prefix(length);
  }
  return std::chrono::milliseconds(total);
}

Result<uint32_t> parse_number(std::string_view text, NumberRange range) {
  uint32_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status == std::errc{} && end == text.data() + text.size() && value >= range.min &&
      value <= range.max) {
    return value;
  }
  return Error(EINVAL, "\"" + printable(text) + "\" is not a number from " +
                           std::to_string(range.min) + " to " + std::to_string(range.max));
}

std::optional<std::string> closest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  constexpr size_t kMaxEdits = 2;
  const std::string* best = nullptr;
  size_t best_distance = kMaxEdits + 1;
  for (const std::string& candidate : candidates) {
    if (word.size() > candidate.size() + kMaxEdits) continue;
    const size_t distance = edit_distance(word, candidate);
    // Two edits turn any short word into any other.
    if (distance > kMaxEdits || distance * 2 >= candidate.size()) continue;
    const bool tie_won = best != nullptr && distance == best_distance &&
                         common_prefix(word, candidate) > common_prefix(word, *best);
    if (distance >= best_distance && !tie_won) continue;
    best = &candidate;
    best_distance = distance;
  }
  return best == nullptr ? std::nullopt : std::optional(*best);
}

std::string printable(std::string_view text) {
  std::string clean;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    clean += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return clean;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~:";
  std::string encoded;
  for (const char c : text) {
    const bool alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (alphanumeric || kPlain.find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kHex[byte >> 4];
    encoded += kHex[byte & 15];
  }
  return encoded;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) joined += separator;
    joined += parts[i];
  }
  return joined;
}

}  // namespace loom::cli
