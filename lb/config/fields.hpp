// SPDX-License-Identifier: Apache-2.0
// The one table of every key the configuration file may contain. Checking, the warnings about what
// is not built yet, and config/README.md follow it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loom {

enum class FieldType : uint8_t {
  kMap,
  kNamedMap,  ///< Keys are names the user chooses; values match ".*".
  kList,      ///< Items match "[]".
  kBool,
  kInteger,   ///< limits: "min..max".
  kRingSize,  ///< limits: "min..max", and prime.
  kDuration,  ///< limits: "min..max".
  kText,      ///< limits: characters, "min..max".
  kChoice,    ///< limits: see Field.
  kName,
  kInterface,
  kAddress,  ///< A unicast address, neither loopback nor unspecified.
  kPrefix,
  kMac,
  kListen,
  kPortEntry,  ///< kPorts, or a map of ports and protocol.
  kPorts,      ///< A port, "8000-8099", or "any".
  kPortRange,  ///< A port, or "8000-8099".
  kStatusRange,
  kPercent,
  kCpus,  ///< "all", or a list of CPU numbers.
};

/// kNotBuilt: accepted and checked; a warning says that it has no effect yet.
enum class FieldStatus : uint8_t { kBuilt, kNotBuilt };

struct Field {
  /// "[]" is any item of a list, ".*" any name: "ebpf.services[].vips[]".
  std::string_view path;
  FieldType type = FieldType::kMap;
  FieldStatus status = FieldStatus::kBuilt;
  /// The default as it would be written; "required"; empty: there is none. For what is not built
  /// it is what Loom does now, so that writing it down earns no warning.
  std::string_view fallback;
  /// Of kChoice: the words, with "|" between. In parentheses: not built yet. "!": refused, and
  /// `instead` says why.
  std::string_view limits;
  std::string_view help;
  /// What happens as long as the feature is not built.
  std::string_view instead = "it has no effect";
};

struct Choice {
  enum class Kind { kBuilt, kNotBuilt, kRefused };
  std::string_view word;
  Kind kind = Kind::kBuilt;
};

[[nodiscard]] std::span<const Field> fields();
/// nullptr: no such key.
[[nodiscard]] const Field* find_field(std::string_view path);
/// The keys right below a map.
[[nodiscard]] std::vector<const Field*> children_of(std::string_view path);
/// The last part of the path.
[[nodiscard]] std::string_view key_of(const Field& field);
[[nodiscard]] std::vector<Choice> choices_of(const Field& field);
/// The two sides of "min..max"; empty if the field has no such limits.
[[nodiscard]] std::pair<std::string_view, std::string_view> bounds_of(const Field& field);

}  // namespace loom
