// SPDX-License-Identifier: Apache-2.0
#include "admin-api/body.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "admin-api/suggest.hpp"

namespace loom {
namespace {

constexpr size_t kMaxName = 63;
constexpr int64_t kMaxPort = 65535;
constexpr std::array kStates = {AdminState::kActive, AdminState::kDrain, AdminState::kMaint};

const std::vector<std::string> kPostMembers = {"address", "port", "weight",
                                               "service", "name", "state"};
const std::vector<std::string> kPatchMembers = {"weight", "state", "name"};
/// Members of a backend as GET shows it that a PATCH cannot change.
const std::vector<std::string> kFixedMembers = {"id",     "service", "address",    "port",
                                                "health", "status",  "slot_ratio", "source"};

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// The members of a body, read one by one; errors are collected and none hides another.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {}

  void fail(std::string_view member, std::string detail, std::string suggestion = "") {
    errors_.push_back({.pointer = json_pointer(member),
                       .detail = std::move(detail),
                       .suggestion = std::move(suggestion)});
  }
  [[nodiscard]] const Json* find(std::string_view member) const {
    const auto found = object_.find(std::string(member));
    return found == object_.end() ? nullptr : &*found;
  }
  /// Unset: not given, or wrong and reported.
  std::optional<std::string> text(std::string_view member) {
    const Json* value = find(member);
    if (!value) return std::nullopt;
    if (!value->is_string()) return wrong_type(member, "a string", *value);
    return value->get_ref<const std::string&>();
  }
  std::optional<uint32_t> integer(std::string_view member, int64_t max) {
    const Json* value = find(member);
    if (!value) return std::nullopt;
    if (!value->is_number_integer()) return wrong_type(member, "an integer", *value);
    // Beyond int64 is beyond every maximum, and reads back as negative.
    const auto number = value->get<int64_t>();
    if (number < 0 || number > max) {
      fail(member, value->dump() + " is not between 0 and " + std::to_string(max));
      return std::nullopt;
    }
    return static_cast<uint32_t>(number);
  }
  [[nodiscard]] std::vector<FieldError> take_errors() { return std::move(errors_); }
  [[nodiscard]] bool ok() const { return errors_.empty(); }

 private:
  std::nullopt_t wrong_type(std::string_view member, std::string_view wanted, const Json& value) {
    std::string suggestion;
    if (value.is_string() && wanted == "an integer") suggestion = "write it without quotes";
    fail(member, "must be " + std::string(wanted) + ", not " + value.type_name(),
         std::move(suggestion));
    return std::nullopt;
  }

  const Json& object_;
  std::vector<FieldError> errors_;
};

Problem json_problem(const JsonError& error) {
  Problem problem{.kind = problems::kInvalidJson, .detail = error.detail};
  if (error.byte > 0) {
    problem.detail = "line " + std::to_string(error.line) + ", column " +
                     std::to_string(error.column) + ": " + error.detail;
    problem.extra = {{"line", error.line}, {"column", error.column}, {"byte", error.byte}};
  }
  problem.errors.push_back({.pointer = error.pointer, .detail = error.detail});
  return problem;
}

OrProblem<Json> parse_object(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return json_problem({.detail = "the body is empty; a JSON object is needed"});
  std::variant<Json, JsonError> parsed = parse_json(body);
  if (const auto* error = std::get_if<JsonError>(&parsed)) return json_problem(*error);
  Json& value = std::get<Json>(parsed);
  if (value.is_object()) return std::move(value);
  const std::string detail =
      "the body must be a JSON object, not " + std::string(value.type_name());
  return Problem{.kind = problems::kInvalidBody,
                 .detail = detail,
                 .errors = {{.pointer = "", .detail = detail}}};
}

std::string name_error(std::string_view name) {
  if (name.size() > kMaxName) return "is longer than " + std::to_string(kMaxName) + " characters";
  // It ends up in logs, metric labels and terminals.
  const bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  return printable ? "" : "has characters that are not printable ASCII";
}

std::optional<std::string> read_name(Members& members) {
  std::optional<std::string> name = members.text("name");
  if (!name) return std::nullopt;
  if (std::string error = name_error(*name); !error.empty()) members.fail("name", std::move(error));
  return name;
}

std::optional<AdminState> read_state(Members& members) {
  const std::optional<std::string> text = members.text("state");
  if (!text) return std::nullopt;
  std::vector<std::string> names;
  for (const AdminState state : kStates) {
    if (*text == to_string(state)) return state;
    names.emplace_back(to_string(state));
  }
  members.fail("state", "must be \"active\", \"drain\" or \"maint\"", did_you_mean(*text, names));
  return std::nullopt;
}

void read_address(Members& members, Endpoint& endpoint) {
  if (!members.find("address")) {
    members.fail("address", "is missing", R"(for example "address": "10.0.1.12")");
    return;
  }
  const std::optional<std::string> text = members.text("address");
  if (!text) return;
  if (const Result<IpAddr> address = IpAddr::parse(*text)) {
    endpoint.address = *address;
    return;
  }
  const Result<Endpoint> with_port = Endpoint::parse(*text);
  members.fail("address",
               Json(*text).dump(-1, ' ', true, Json::error_handler_t::replace) +
                   " is not an IPv4 or IPv6 address",
               with_port && with_port->port != 0 ? R"(give the port as "port")" : "");
}

/// In the order of the body.
void refuse_unknown(Members& members, const Json& object, const std::vector<std::string>& known) {
  for (const auto& [name, value] : object.items())
    if (!contains(known, name)) members.fail(name, "unknown member", did_you_mean(name, known));
}

Problem body_problem(Members& members) {
  std::vector<FieldError> errors = members.take_errors();
  std::string detail = errors.size() == 1 ? errors[0].pointer + ": " + errors[0].detail
                                          : std::to_string(errors.size()) + " errors in the body";
  return {.kind = problems::kInvalidBody, .detail = std::move(detail), .errors = std::move(errors)};
}

/// RFC 7396 2: null removes a member, which leaves its default.
void null_to_default(Json& patch) {
  const BackendSpec defaults;
  for (auto& [name, value] : patch.items()) {
    if (!value.is_null()) continue;
    if (name == "weight") value = defaults.weight;
    if (name == "state") value = to_string(defaults.state);
    if (name == "name") value = defaults.name;
  }
}

}  // namespace

OrProblem<NewBackend> parse_new_backend(std::string_view body) {
  OrProblem<Json> parsed = parse_object(body);
  if (auto* problem = std::get_if<Problem>(&parsed)) return std::move(*problem);
  const Json& object = std::get<Json>(parsed);

  Members members(object);
  NewBackend out;
  read_address(members, out.backend.endpoint);
  if (const auto port = members.integer("port", kMaxPort))
    out.backend.endpoint.port = static_cast<uint16_t>(*port);
  if (const auto weight = members.integer("weight", kMaxWeight)) out.backend.weight = *weight;
  if (const auto state = read_state(members)) out.backend.state = *state;
  out.backend.name = read_name(members).value_or("");
  out.service = members.text("service");
  refuse_unknown(members, object, kPostMembers);
  if (!members.ok()) return body_problem(members);
  return out;
}

OrProblem<BackendPatch> parse_backend_patch(std::string_view body) {
  OrProblem<Json> parsed = parse_object(body);
  if (auto* problem = std::get_if<Problem>(&parsed)) return std::move(*problem);
  Json& object = std::get<Json>(parsed);
  if (object.empty())
    return Problem{.kind = problems::kInvalidBody,
                   .detail = "the body changes nothing",
                   .errors = {{.pointer = "",
                               .detail = "the body changes nothing",
                               .suggestion = "give weight, state or name"}}};

  null_to_default(object);
  Members members(object);
  BackendPatch out;
  out.weight = members.integer("weight", kMaxWeight);
  out.state = read_state(members);
  out.name = read_name(members);
  std::vector<std::string> known = kPatchMembers;
  for (const std::string& fixed : kFixedMembers) {
    if (!members.find(fixed)) continue;
    known.push_back(fixed);
    members.fail(fixed, "cannot be changed", "remove this backend and add another");
  }
  refuse_unknown(members, object, known);
  if (!members.ok()) return body_problem(members);
  return out;
}

}  // namespace loom
