// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/json.hpp"

namespace loom::cli {

std::optional<Json> parse_json(std::string_view text) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

std::string pretty_json(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string compact_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json& field(const Json& value, std::string_view key) {
  static const Json kNull;
  const size_t dot = key.find('.');
  const auto found = value.find(std::string(key.substr(0, dot)));
  if (!value.is_object() || found == value.end()) return kNull;
  if (dot == std::string_view::npos) return *found;
  return field(*found, key.substr(dot + 1));
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return "";
}

double number_of(const Json& value) {
  return value.is_number() ? value.get<double>() : 0;
}

bool is_true(const Json& value) {
  return value.is_boolean() && value.get<bool>();
}

const Json& list_field(const Json& value, std::string_view key) {
  static const Json kEmpty = Json::array();
  const Json& list = field(value, key);
  return list.is_array() ? list : kEmpty;
}

}  // namespace loom::cli
