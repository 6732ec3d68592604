// SPDX-License-Identifier: Apache-2.0
// JSON text to values and back. Members keep the order they were written in.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "admin-api/http.hpp"

namespace loom {

using Json = nlohmann::ordered_json;

/// Why a text is not a JSON document.
struct JsonError {
  std::string detail;
  size_t byte = 0;  ///< From 1; 0: no place in the text.
  size_t line = 0;
  size_t column = 0;
  std::string pointer;  ///< Of a duplicate member; else empty.
};

/// Refuses what RFC 8259 allows and nobody means: one name twice in an object. Never throws.
[[nodiscard]] std::variant<Json, JsonError> parse_json(std::string_view text);

/// Indented, with a final newline; bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string to_text(const Json& value);

/// `schema` becomes the first member.
[[nodiscard]] HttpResponse json_response(std::string_view schema, const Json& members,
                                         int status = 200);

/// A member name as RFC 6901 writes it.
[[nodiscard]] std::string json_pointer(std::string_view member);

}  // namespace loom
