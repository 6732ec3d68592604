// SPDX-License-Identifier: Apache-2.0
#include "admin-api/json.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

namespace loom {
namespace {

/// Every body of this API is flat; anything deeper is an attack or a mistake.
constexpr int kMaxDepth = 32;

/// Watches the parser for what it lets through: duplicate members and depth.
class Strictness {
 public:
  bool on_event(int depth, Json::parse_event_t event, const Json& parsed) {
    if (error_) return false;
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        if (depth >= kMaxDepth) {
          error_ = {.detail = "nested deeper than " + std::to_string(kMaxDepth) + " levels"};
          return false;
        }
        members_.emplace_back();
        break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        members_.pop_back();
        break;
      case Json::parse_event_t::key:
        return on_key(parsed.get_ref<const std::string&>());
      case Json::parse_event_t::value:
        break;
    }
    return true;
  }
  [[nodiscard]] const std::optional<JsonError>& error() const { return error_; }

 private:
  bool on_key(const std::string& name) {
    if (members_.back().insert(name).second) {
      if (members_.size() == 1) outermost_ = name;
      return true;
    }
    // Of a nested object the outermost member is named: enough to find it.
    error_ = {.detail = "\"" + name + "\" is given twice",
              .pointer = json_pointer(members_.size() == 1 ? name : outermost_)};
    return false;
  }

  std::vector<std::set<std::string>> members_;
  std::string outermost_;
  std::optional<JsonError> error_;
};

/// nlohmann's text without its own prefix and position.
std::string reason_of(const Json::parse_error& error) {
  const std::string_view text = error.what();
  const size_t column = text.find("column ");
  const size_t colon = text.find(": ", column == std::string_view::npos ? 0 : column);
  return std::string(colon == std::string_view::npos ? text : text.substr(colon + 2));
}

JsonError locate(std::string_view text, const Json::parse_error& error) {
  const std::string_view before = text.substr(0, error.byte == 0 ? 0 : error.byte - 1);
  const size_t line_start =
      before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return {.detail = reason_of(error),
          .byte = std::min(error.byte, text.size() + 1),
          .line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n')),
          .column = 1 + before.size() - line_start};
}

}  // namespace

std::variant<Json, JsonError> parse_json(std::string_view text) {
  Strictness strictness;
  try {
    Json value = Json::parse(text.begin(), text.end(),
                             [&](int depth, Json::parse_event_t event, Json& parsed) {
                               return strictness.on_event(depth, event, parsed);
                             });
    if (strictness.error()) return *strictness.error();
    return value;
  } catch (const Json::parse_error& error) {
    return strictness.error() ? *strictness.error() : locate(text, error);
  } catch (const Json::exception& error) {
    // A number beyond double's range.
    return JsonError{.detail = error.what()};
  }
}

std::string to_text(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

HttpResponse json_response(std::string_view schema, const Json& members, int status) {
  Json body = {{"schema", schema}};
  for (const auto& [key, value] : members.items()) body[key] = value;
  return {
      .status = status, .content_type = "application/json", .headers = {}, .body = to_text(body)};
}

std::string json_pointer(std::string_view member) {
  std::string out = "/";
  for (const char c : member) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

}  // namespace loom
