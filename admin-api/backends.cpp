// SPDX-License-Identifier: Apache-2.0
// /ebpf/backends and /ebpf/backends/{id}.
#include <algorithm>
#include <cerrno>

#include "admin-api/body.hpp"
#include "admin-api/find_backend.hpp"
#include "admin-api/handlers.hpp"
#include "admin-api/suggest.hpp"
#include "admin-api/view.hpp"
#include "lb/base/log.hpp"

namespace loom::handlers {
namespace {

constexpr std::string_view kSchema = "loom.backend/v1";

std::string describe(const BackendView& backend) {
  return "backend " + std::to_string(backend.id) + " (" + backend.endpoint.to_string() +
         " of service " + backend.service + ")";
}

std::string describe_settings(const BackendView& backend) {
  std::string out = "weight " + std::to_string(backend.weight) + ", state " +
                    std::string(to_string(backend.state));
  if (!backend.name.empty()) out += ", name \"" + backend.name + "\"";
  return out;
}

/// The audit trail: who changed what.
void log_mutation(const Call& call, const std::string& path, const std::string& change) {
  log_info("admin: " + call.request.method + " " + path + " by " + call.request.peer + ": " +
           change);
}

std::vector<std::string> service_names(const Snapshot& snapshot) {
  std::vector<std::string> out;
  for (const ServiceView& service : snapshot.services) out.push_back(service.name);
  return out;
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

/// The backend that is in the way of `wanted`, if it is there still. Control may store it without
/// the port that was asked for.
const BackendView* find_existing(const Snapshot& snapshot, const NewBackend& wanted) {
  const Endpoint& endpoint = wanted.backend.endpoint;
  for (const BackendView* backend : backends_by_id(snapshot)) {
    const bool same_service = !wanted.service || backend->service == *wanted.service;
    const bool same_port = backend->endpoint.port == endpoint.port || backend->endpoint.port == 0;
    if (same_service && same_port && backend->endpoint.address == endpoint.address) return backend;
  }
  return nullptr;
}

/// What Control's errno says, with what the client can do about it.
HttpResponse add_failed(const Snapshot& snapshot, const NewBackend& wanted, const Error& error) {
  Problem problem = to_problem(error);
  const std::vector<std::string> services = service_names(snapshot);
  if (error.code() == ENOENT && wanted.service) {
    std::string suggestion = did_you_mean(*wanted.service, services);
    if (suggestion.empty()) suggestion = "services: " + listed(services);
    problem.errors = {{.pointer = "/service", .detail = error.what(), .suggestion = suggestion}};
    return to_response(problem);
  }
  if (error.code() == EINVAL && !wanted.service && services.size() > 1) {
    problem.errors = {{.pointer = "/service",
                       .detail = "is needed: there are several services",
                       .suggestion = "one of " + listed(services)}};
    return to_response(problem);
  }
  if (const BackendView* existing = find_existing(snapshot, wanted);
      existing && error.code() == EEXIST)
    problem.extra = {{"existing_id", existing->id}, {"existing_path", backend_path(existing->id)}};
  if (problem.kind.status >= problems::kInternal.status) return error_response(error);
  return to_response(problem);
}

}  // namespace

HttpResponse list_backends(const ApiContext& api, const Call&) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  Json backends = Json::array();
  for (const BackendView* backend : backends_by_id(*snapshot))
    backends.push_back(to_json(*backend));
  return json_response("loom.backends/v1",
                       {{"generation", snapshot->generation}, {"backends", std::move(backends)}});
}

HttpResponse add_backend(const ApiContext& api, const Call& call) {
  OrProblem<NewBackend> parsed = parse_new_backend(call.request.body);
  if (const auto* problem = std::get_if<Problem>(&parsed)) return to_response(*problem);
  const NewBackend& wanted = std::get<NewBackend>(parsed);

  const Result<BackendView> added = api.control.add_backend(wanted);
  // The snapshot after the attempt: the one that has what was in the way.
  if (!added) return add_failed(*api.control.snapshot(), wanted, added.error());
  log_mutation(call, "/ebpf/backends",
               "added " + describe(*added) + ", " + describe_settings(*added));
  HttpResponse response = json_response(kSchema, to_json(*added), 201);
  response.headers.emplace_back("Location", backend_path(added->id));
  return response;
}

HttpResponse show_backend(const ApiContext& api, const Call& call) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  const auto found = find_backend(*snapshot, call.parameter);
  if (const auto* problem = std::get_if<Problem>(&found)) return to_response(*problem);
  return json_response(kSchema, to_json(*std::get<const BackendView*>(found)));
}

HttpResponse patch_backend(const ApiContext& api, const Call& call) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  const auto found = find_backend(*snapshot, call.parameter);
  if (const auto* problem = std::get_if<Problem>(&found)) return to_response(*problem);
  const BackendView& before = *std::get<const BackendView*>(found);
  const OrProblem<BackendPatch> patch = parse_backend_patch(call.request.body);
  if (const auto* problem = std::get_if<Problem>(&patch)) return to_response(*problem);

  const Result<BackendView> after =
      api.control.patch_backend(before.id, std::get<BackendPatch>(patch));
  if (!after) return error_response(after.error());
  log_mutation(call, backend_path(before.id),
               "changed " + describe(*after) + " from " + describe_settings(before) + " to " +
                   describe_settings(*after));
  return json_response(kSchema, to_json(*after));
}

HttpResponse remove_backend(const ApiContext& api, const Call& call) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  const auto found = find_backend(*snapshot, call.parameter);
  if (const auto* problem = std::get_if<Problem>(&found)) return to_response(*problem);
  const BackendView& backend = *std::get<const BackendView*>(found);

  const Result<void> removed = api.control.remove_backend(backend.id);
  if (!removed) return error_response(removed.error());
  log_mutation(call, backend_path(backend.id),
               "removed " + describe(backend) + ", " + describe_settings(backend));
  return json_response("loom.backend_removed/v1", {{"removed", to_json(backend)}});
}

}  // namespace loom::handlers
