// SPDX-License-Identifier: Apache-2.0
// /ebpf/services and /ebpf/services/{name}.
#include "admin-api/handlers.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/suggest.hpp"
#include "admin-api/view.hpp"

namespace loom::handlers {

HttpResponse list_services(const ApiContext& api, const Call&) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  Json services = Json::array();
  for (const ServiceView& service : snapshot->services) services.push_back(to_json(service));
  return json_response("loom.services/v1",
                       {{"generation", snapshot->generation}, {"services", std::move(services)}});
}

HttpResponse show_service(const ApiContext& api, const Call& call) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  std::vector<std::string> names;
  for (const ServiceView& service : snapshot->services) {
    names.push_back(service.name);
    if (service.name != call.parameter) continue;
    Json body = to_json(service);
    body["backends"] = Json::array();
    for (const BackendView& backend : service.backends)
      body["backends"].push_back(to_json(backend));
    return json_response("loom.service/v1", body);
  }
  Problem problem{.kind = problems::kNotFound, .detail = "no service has this name"};
  if (std::string suggestion = did_you_mean(call.parameter, names); !suggestion.empty())
    problem.errors = {
        {.pointer = "", .detail = problem.detail, .suggestion = std::move(suggestion)}};
  return to_response(problem);
}

}  // namespace loom::handlers
