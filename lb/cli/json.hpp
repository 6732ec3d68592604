// SPDX-License-Identifier: Apache-2.0
// JSON documents read without exceptions: what is missing or of another type reads as empty.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace loom::cli {

/// Keeps the order of the keys.
using Json = nlohmann::ordered_json;

[[nodiscard]] std::optional<Json> parse_json(std::string_view text);
/// Indented, with a final newline. Bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string pretty_json(const Json& value);
/// On one line, without a newline.
[[nodiscard]] std::string compact_json(const Json& value);

/// `value[key]`, or null. A dotted key goes down: "bytes.rx".
[[nodiscard]] const Json& field(const Json& value, std::string_view key);
/// A string as it is, a number or boolean in its JSON spelling, "" for anything else.
[[nodiscard]] std::string text_of(const Json& value);
[[nodiscard]] double number_of(const Json& value);
[[nodiscard]] bool is_true(const Json& value);

[[nodiscard]] inline std::string text_field(const Json& value, std::string_view key) {
  return text_of(field(value, key));
}
[[nodiscard]] inline double number_field(const Json& value, std::string_view key) {
  return number_of(field(value, key));
}
/// `value[key]` if it is an array, else an empty array.
[[nodiscard]] const Json& list_field(const Json& value, std::string_view key);

}  // namespace loom::cli
