// SPDX-License-Identifier: Apache-2.0
#include "admin-api/routes.hpp"

#include <algorithm>
#include <array>

#include "admin-api/handlers.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/suggest.hpp"

namespace loom {
namespace {

const std::vector<Route>& table() {
  using namespace handlers;
  // Literals before parameters: "stats" is not an id.
  static const std::vector<Route> all = {
      {"GET", "/", "This list", show_index, {}},
      {"GET", "/ebpf/backends", "List the backends", list_backends, {}},
      {"POST", "/ebpf/backends", "Add a backend", add_backend, {}},
      {"GET", "/ebpf/backends/stats", "Counters of each backend", show_backend_stats, {}},
      {"GET", "/ebpf/backends/{id}", "Show a backend", show_backend, {}},
      {"PATCH", "/ebpf/backends/{id}", "Change weight, state or name", patch_backend, {}},
      {"DELETE", "/ebpf/backends/{id}", "Remove a backend", remove_backend, {}},
      {"GET", "/ebpf/stats", "Programs, packets, drops, maps", show_stats, {}},
      {"GET",
       "/ebpf/connections",
       "List tracked connections",
       list_connections,
       {"client", "backend", "limit"}},
      {"GET", "/ebpf/services", "List the services", list_services, {}},
      {"GET", "/ebpf/services/{name}", "Show a service and its backends", show_service, {}},
      {"GET", "/healthz", "Does the daemon answer", show_health, {}},
      {"GET", "/readyz", "Is traffic balanced; 503 with reasons", show_readiness, {}},
      {"GET", "/version", "What is running", show_version, {}},
      {"GET", "/metrics", "Metrics for Prometheus", show_metrics, {}},
  };
  return all;
}

constexpr std::string_view kNoRoute = "none";
constexpr std::array<std::string_view, 7> kMethods = {"GET",   "HEAD",   "POST",   "PUT",
                                                      "PATCH", "DELETE", "OPTIONS"};

/// The parameter's value if `segments` fit `pattern`, "" for patterns without one.
std::optional<std::string> match(std::string_view pattern,
                                 const std::vector<std::string>& segments) {
  const std::optional<Target> wanted = Target::parse(pattern);
  if (!wanted || wanted->segments.size() != segments.size()) return std::nullopt;
  std::string parameter;
  for (size_t i = 0; i < segments.size(); ++i) {
    if (wanted->segments[i].starts_with('{') && !segments[i].empty())
      parameter = segments[i];
    else if (wanted->segments[i] != segments[i])
      return std::nullopt;
  }
  return parameter;
}

Problem no_route(const Target& target) {
  Problem problem{.kind = problems::kNoRoute, .detail = "GET / lists the endpoints"};
  std::vector<std::string> patterns;
  for (const Route& route : routes()) patterns.emplace_back(route.pattern);
  const std::string suggestion = did_you_mean(target.path, patterns);
  if (!suggestion.empty())
    problem.errors.push_back(
        {.pointer = "", .detail = "no endpoint has this path", .suggestion = suggestion});
  return problem;
}

HttpResponse method_not_allowed(std::string_view method, std::string_view pattern) {
  std::string allow;
  for (const Route& route : routes()) {
    if (route.pattern != pattern) continue;
    if (!allow.empty()) allow += ", ";
    allow += route.method == "GET" ? std::string_view("GET, HEAD") : route.method;
  }
  HttpResponse response = to_response(
      {.kind = problems::kMethod, .detail = std::string(method) + " is not one of " + allow});
  response.headers.emplace_back("Allow", allow);
  return response;
}

std::optional<Problem> refuse_query(const Route& route, const Target& target) {
  std::vector<FieldError> errors;
  std::vector<std::string> seen;
  for (const auto& [name, value] : target.query) {
    const bool known = std::find(route.query.begin(), route.query.end(), name) != route.query.end();
    const bool repeated = std::find(seen.begin(), seen.end(), name) != seen.end();
    if (!known)
      errors.push_back({.pointer = "?" + name,
                        .detail = "unknown query parameter",
                        .suggestion = did_you_mean(name, route.query)});
    else if (repeated)
      errors.push_back({.pointer = "?" + name, .detail = "is given twice"});
    seen.push_back(name);
  }
  if (errors.empty()) return std::nullopt;
  Problem problem{.kind = problems::kInvalidQuery,
                  .detail = errors[0].pointer + ": " + errors[0].detail};
  problem.errors = std::move(errors);
  return problem;
}

void add_common_headers(HttpResponse& response) {
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Cache-Control", "no-store");
}

}  // namespace

std::span<const Route> routes() {
  return table();
}

const std::string* Call::find_query(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return &value;
  return nullptr;
}

Router::Router(Control& control, BuildInfo build, Endpoint bound)
    : control_(control), build_(std::move(build)), origin_policy_(bound) {}

HttpResponse Router::handle(const HttpRequest& request) {
  Answer answer = dispatch(request);
  add_common_headers(answer.response);
  const bool known_method =
      std::find(kMethods.begin(), kMethods.end(), request.method) != kMethods.end();
  counts_.add({std::string(answer.pattern), known_method ? request.method : "other",
               answer.response.status});
  return std::move(answer.response);
}

HttpResponse Router::reject(int status, std::string detail) {
  HttpResponse response =
      to_response({.kind = kind_of_status(status), .detail = std::move(detail)});
  response.status = status;
  add_common_headers(response);
  counts_.add({std::string(kNoRoute), "other", status});
  return response;
}

Router::Answer Router::dispatch(const HttpRequest& request) const {
  if (const std::optional<Problem> refused = origin_policy_.refuse(request))
    return {to_response(*refused), kNoRoute};
  const std::optional<Target> target = Target::parse(request.target);
  if (!target)
    return {to_response({.kind = problems::kBadRequest,
                         .detail = "the target is not a path, or its percent-encoding is broken"}),
            kNoRoute};

  const std::string_view method =
      request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  const Route* same_path = nullptr;
  for (const Route& route : routes()) {
    std::optional<std::string> parameter = match(route.pattern, target->segments);
    // A parameter never hides a literal: the first pattern that fits is the only one.
    if (!parameter || (same_path && same_path->pattern != route.pattern)) continue;
    same_path = &route;
    if (route.method != method) continue;
    if (const std::optional<Problem> refused = refuse_query(route, *target))
      return {to_response(*refused), route.pattern};
    // ETags are not built: applying a change that was to be conditional would lose somebody's
    // update.
    if (method != "GET" && (request.header("If-Match") || request.header("If-None-Match")))
      return {to_response({.kind = problems::kPrecondition,
                           .detail = "If-Match is not supported yet: no object has an ETag"}),
              route.pattern};
    const ApiContext api{control_, build_, counts_};
    return {route.handler(api, {request, std::move(*parameter), target->query}), route.pattern};
  }
  if (same_path)
    return {method_not_allowed(request.method, same_path->pattern), same_path->pattern};
  return {to_response(no_route(*target)), kNoRoute};
}

}  // namespace loom
