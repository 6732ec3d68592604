// SPDX-License-Identifier: Apache-2.0
// /ebpf/connections: the tracked flows, one line each.
#include <algorithm>
#include <charconv>
#include <map>

#include "admin-api/find_backend.hpp"
#include "admin-api/handlers.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/view.hpp"

namespace loom::handlers {
namespace {

constexpr size_t kMaxLimit = 100'000;

Problem wrong_query(std::string_view name, const std::string& detail) {
  const std::string pointer = "?" + std::string(name);
  return {.kind = problems::kInvalidQuery,
          .detail = pointer + ": " + detail,
          .errors = {{.pointer = pointer, .detail = detail}}};
}

OrProblem<size_t> parse_limit(const std::string& text) {
  size_t limit = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (err != std::errc() || end != text.data() + text.size() || limit < 1 || limit > kMaxLimit)
    return wrong_query("limit", "must be a number from 1 to " + std::to_string(kMaxLimit));
  return limit;
}

/// A backend the datapath does not have yet has no connections: its id 0 matches nobody.
OrProblem<ConnectionQuery> parse_query(const Snapshot& snapshot, const Call& call) {
  ConnectionQuery query;
  if (const std::string* text = call.find_query("limit")) {
    OrProblem<size_t> limit = parse_limit(*text);
    if (auto* problem = std::get_if<Problem>(&limit)) return std::move(*problem);
    query.limit = std::get<size_t>(limit);
  }
  if (const std::string* text = call.find_query("client")) {
    const Result<IpAddr> client = IpAddr::parse(*text);
    if (!client) return wrong_query("client", "must be an IPv4 or IPv6 address");
    query.client = *client;
  }
  if (const std::string* text = call.find_query("backend")) {
    OrProblem<const BackendView*> backend = find_backend(snapshot, *text);
    if (auto* problem = std::get_if<Problem>(&backend)) return std::move(*problem);
    query.backend_id = std::get<const BackendView*>(backend)->datapath_id;
  }
  return query;
}

using BackendIndex = std::map<uint32_t, const BackendView*>;

BackendIndex by_datapath_id(const Snapshot& snapshot) {
  BackendIndex out;
  for (const BackendView* backend : backends_by_id(snapshot))
    if (backend->datapath_id != 0) out[backend->datapath_id] = backend;
  return out;
}

Json connection_json(const Connection& connection, const BackendIndex& backends) {
  const auto found = backends.find(connection.backend_id);
  // A flow may outlive its backend.
  const BackendView* backend = found == backends.end() ? nullptr : found->second;
  return {
      {"protocol", to_string(connection.protocol)},
      {"client", connection.client.to_string()},
      {"vip", connection.vip.to_string()},
      {"service", backend ? Json(backend->service) : Json(nullptr)},
      {"backend_id", backend ? Json(backend->id) : Json(nullptr)},
      {"backend", backend ? Json(backend->endpoint.to_string()) : Json(nullptr)},
      {"state", to_string(connection.state)},
      {"age_ms", connection.age.count()},
      {"idle_ms", connection.idle.count()},
      {"packets", connection.packets},
      {"bytes", connection.bytes},
      {"reply_packets", connection.reply_packets},
      {"reply_bytes", connection.reply_bytes},
      {"nat", connection.nat ? Json(connection.nat->to_string()) : Json(nullptr)},
  };
}

/// Written line by line: 100 000 connections as one JSON value would take some 300 MB.
std::string connections_text(const ConnectionList& list, const BackendIndex& backends) {
  std::string out =
      "{\n  \"schema\": \"loom.connections/v1\",\n  \"total\": " + std::to_string(list.total) +
      ",\n  \"shown\": " + std::to_string(list.connections.size()) + ",\n  \"connections\": [";
  std::string_view separator = "\n    ";
  for (const Connection& connection : list.connections) {
    out += separator;
    out += connection_json(connection, backends).dump();
    separator = ",\n    ";
  }
  out += list.connections.empty() ? "]\n}\n" : "\n  ]\n}\n";
  return out;
}

}  // namespace

HttpResponse list_connections(const ApiContext& api, const Call& call) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  const OrProblem<ConnectionQuery> query = parse_query(*snapshot, call);
  if (const auto* problem = std::get_if<Problem>(&query)) return to_response(*problem);
  const Result<ConnectionList> list = api.control.connections(std::get<ConnectionQuery>(query));
  if (!list) return error_response(list.error());
  return {.status = 200,
          .content_type = "application/json",
          .headers = {},
          .body = connections_text(*list, by_datapath_id(*snapshot))};
}

}  // namespace loom::handlers
