// SPDX-License-Identifier: Apache-2.0
// Endpoints about the daemon itself: index, health, readiness, version, metrics.
#include "admin-api/handlers.hpp"
#include "admin-api/metrics.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/view.hpp"

namespace loom::handlers {

HttpResponse show_index(const ApiContext& api, const Call&) {
  Json endpoints = Json::array();
  for (const Route& route : routes())
    endpoints.push_back(
        {{"method", route.method}, {"path", route.pattern}, {"summary", route.summary}});
  return json_response(
      "loom.index/v1",
      {{"name", "loom"}, {"version", api.build.version}, {"endpoints", std::move(endpoints)}});
}

HttpResponse show_health(const ApiContext&, const Call&) {
  return json_response("loom.health/v1", {{"status", "ok"}});
}

HttpResponse show_readiness(const ApiContext& api, const Call&) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  const std::vector<std::string> reasons = snapshot->not_ready();
  return json_response("loom.ready/v1",
                       {{"ready", reasons.empty()},
                        {"generation", snapshot->generation},
                        {"last_error", text_or_null(snapshot->last_error)},
                        {"reasons", reasons}},
                       reasons.empty() ? 200 : 503);
}

HttpResponse show_version(const ApiContext& api, const Call&) {
  return json_response("loom.version/v1", {{"version", api.build.version},
                                           {"revision", text_or_null(api.build.revision)},
                                           {"compiler", api.build.compiler},
                                           {"kernel", api.build.kernel}});
}

HttpResponse show_metrics(const ApiContext& api, const Call&) {
  Result<std::string> text = metrics_text(api);
  if (!text) return error_response(text.error());
  return {.status = 200,
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .headers = {},
          .body = std::move(*text)};
}

}  // namespace loom::handlers
