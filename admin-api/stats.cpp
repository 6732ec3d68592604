// SPDX-License-Identifier: Apache-2.0
// /ebpf/stats and /ebpf/backends/stats: the counters, for people and scripts.
#include "admin-api/find_backend.hpp"
#include "admin-api/handlers.hpp"
#include "admin-api/problem.hpp"
#include "admin-api/traffic.hpp"
#include "admin-api/view.hpp"

namespace loom::handlers {
namespace {

Json packets_by_reason(const Counters& counters, std::initializer_list<Outcome> outcomes) {
  Json out = Json::object();
  for (const Outcome outcome : outcomes)
    for (const VerdictInfo& verdict : verdicts())
      if (verdict.outcome == outcome)
        out[verdict.reason] = verdict_count(counters, verdict.verdict).packets;
  return out;
}

Json errors_json(const Counters& counters) {
  Json out = Json::object();
  for (const ErrorInfo& error : datapath_errors())
    out[std::string(error.type)] = error_count(counters, error.error);
  return out;
}

template <class T>
Json list_json(const std::vector<T>& items) {
  Json out = Json::array();
  for (const T& item : items) out.push_back(to_json(item));
  return out;
}

}  // namespace

HttpResponse show_stats(const ApiContext& api, const Call&) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  const Result<Counters> counters = api.control.counters();
  if (!counters) return error_response(counters.error());
  const Result<std::vector<MapFill>> maps = api.control.maps();
  if (!maps) return error_response(maps.error());
  const FlowSweep sweep = api.control.sweep();
  const Traffic traffic = total_traffic(*counters);

  const Json body = {
      {"generation", snapshot->generation},
      {"start",
       {{"config_file", text_or_null(snapshot->config_file)},
        {"adopted", snapshot->adopted},
        {"first_plan_steps", snapshot->steps_at_start}}},
      {"programs", list_json(snapshot->programs)},
      {"interfaces", list_json(snapshot->interfaces)},
      {"packets",
       {{"forward", traffic.forward},
        {"drop", traffic.drop},
        {"pass", traffic.pass},
        {"total", traffic.forward + traffic.drop + traffic.pass}}},
      {"bytes", {{"rx", traffic.rx_bytes}, {"tx", traffic.tx_bytes}}},
      {"connections",
       {{"active", sweep.total}, {"total", traffic.connections}, {"entries", sweep.entries}}},
      {"replies", packets_by_reason(*counters, {Outcome::kReply})},
      {"drops", packets_by_reason(*counters, {Outcome::kDrop, Outcome::kAbort})},
      {"passes", packets_by_reason(*counters, {Outcome::kPass})},
      {"errors", errors_json(*counters)},
      {"maps", list_json(*maps)},
  };
  return json_response("loom.stats/v1", body);
}

HttpResponse show_backend_stats(const ApiContext& api, const Call&) {
  const std::shared_ptr<const Snapshot> snapshot = api.control.snapshot();
  const Result<Counters> counters = api.control.counters();
  if (!counters) return error_response(counters.error());
  const FlowSweep sweep = api.control.sweep();

  Json backends = Json::array();
  for (const BackendView* backend : backends_by_id(*snapshot)) {
    Json entry = {
        {"id", backend->id},
        {"service", backend->service},
        {"address", backend->endpoint.address.to_string()},
        {"port", backend->endpoint.port},
        {"status", backend_status(*backend)},
        {"slot_ratio", backend->slot_ratio},
    };
    entry.update(to_json(backend_count(*counters, backend->datapath_id)));
    entry["connections_active"] = active_connections(sweep, backend->datapath_id);
    backends.push_back(std::move(entry));
  }
  Json services = Json::array();
  for (const ServiceView& service : snapshot->services) {
    Json entry = {{"name", service.name}};
    entry.update(to_json(service_count(*counters, service)));
    services.push_back(std::move(entry));
  }
  return json_response("loom.backend_stats/v1",
                       {{"backends", std::move(backends)}, {"services", std::move(services)}});
}

}  // namespace loom::handlers
