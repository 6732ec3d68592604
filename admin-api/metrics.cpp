// SPDX-License-Identifier: Apache-2.0
#include "admin-api/metrics.hpp"

#include <map>

#include "admin-api/families.hpp"
#include "admin-api/find_backend.hpp"
#include "admin-api/process_stats.hpp"
#include "admin-api/traffic.hpp"

namespace loom {
namespace {

/// One moment. The snapshot is older than the counters: see service_count().
struct Reading {
  std::shared_ptr<const Snapshot> snapshot;
  Counters counters;
  FlowSweep sweep;
  std::vector<MapFill> maps;
};

Result<Reading> read(const Control& control) {
  Reading reading{.snapshot = control.snapshot()};
  Result<Counters> counters = control.counters();
  if (!counters) return counters.error().in("metrics");
  reading.counters = std::move(*counters);
  Result<std::vector<MapFill>> maps = control.maps();
  if (!maps) return maps.error().in("metrics");
  reading.maps = std::move(*maps);
  reading.sweep = control.sweep();
  return reading;
}

/// Endpoint as the page labels it; the same one in two services is one backend there.
struct EndpointTotals {
  uint64_t packets = 0;
  uint64_t active = 0;
};

void add_page_backends(Families& out, const Reading& reading) {
  std::map<Endpoint, EndpointTotals> totals;
  for (const BackendView* backend : backends_by_id(*reading.snapshot)) {
    EndpointTotals& total = totals[backend->endpoint];
    total.packets += backend_count(reading.counters, backend->datapath_id).packets;
    total.active += active_connections(reading.sweep, backend->datapath_id);
  }
  out.counter("loom_ebpf_backend_packets_total",
              "Packets sent to the backend, over all services that have it.");
  for (const auto& [endpoint, total] : totals)
    out.add({{"backend", endpoint.to_string()}}, total.packets);
  out.gauge("loom_ebpf_backend_connections_active",
            "Tracked connections of the backend that have not expired, over all services that have "
            "it; at most 5 s old.");
  for (const auto& [endpoint, total] : totals)
    out.add({{"backend", endpoint.to_string()}}, total.active);
}

/// The names and labels the Loom page promises.
void add_page(Families& out, const Reading& reading) {
  const Traffic traffic = total_traffic(reading.counters);
  out.counter(
      "loom_ebpf_packets_total",
      "Every packet the datapath saw, by what became of it; replies of NAT backends sent on "
      "to clients count as forward.");
  out.add({{"action", "forward"}}, traffic.forward);
  out.add({{"action", "drop"}}, traffic.drop);
  out.add({{"action", "pass"}}, traffic.pass);
  out.counter("loom_ebpf_bytes_total", "Bytes of frames, as received (rx) and as sent (tx).");
  out.add({{"direction", "rx"}}, traffic.rx_bytes);
  out.add({{"direction", "tx"}}, traffic.tx_bytes);
  out.gauge("loom_ebpf_connections_active",
            "Tracked connections that have not expired; at most 5 s old.");
  out.add({}, reading.sweep.total);
  out.counter("loom_ebpf_connections_total", "Connections that were given a backend.");
  out.add({}, traffic.connections);
  add_page_backends(out, reading);
  out.counter("loom_ebpf_errors_total",
              "What went wrong in the datapath without deciding a packet's fate.");
  for (const ErrorInfo& error : datapath_errors())
    out.add({{"type", std::string(error.type)}}, error_count(reading.counters, error.error));
}

void add_reasons(Families& out, const Counters& counters) {
  out.counter("loom_drops_total", "Packets for a VIP that were dropped, by reason.");
  for (const VerdictInfo& verdict : verdicts())
    if (verdict.outcome == Outcome::kDrop || verdict.outcome == Outcome::kAbort)
      out.add({{"reason", verdict.reason}}, verdict_count(counters, verdict.verdict).packets);
  out.counter("loom_passes_total", "Packets left to the host's network stack, by reason.");
  for (const VerdictInfo& verdict : verdicts())
    if (verdict.outcome == Outcome::kPass)
      out.add({{"reason", verdict.reason}}, verdict_count(counters, verdict.verdict).packets);
}

struct CountMetric {
  std::string_view suffix;
  std::string_view help;
  uint64_t Count::*member;
};
constexpr CountMetric kCountMetrics[] = {
    {"_packets_total", "Packets sent to ", &Count::packets},
    {"_bytes_total", "Bytes of frames, as received, of packets sent to ", &Count::rx_bytes},
    {"_connections_total", "Connections given to ", &Count::flows},
};

void add_services(Families& out, const Reading& reading) {
  for (const CountMetric& metric : kCountMetrics) {
    out.counter(
        "loom_service" + std::string(metric.suffix),
        std::string(metric.help) +
            "backends of the service, removed ones included; VIPs and protocols of a service are "
            "counted together.");
    for (const ServiceView& service : reading.snapshot->services)
      out.add({{"service", service.name}}, service_count(reading.counters, service).*metric.member);
  }
  out.gauge("loom_service_backends",
            "Backends of the service by what becomes of packets for them: up takes new "
            "connections, drain keeps the old ones, down and maint have none.");
  for (const ServiceView& service : reading.snapshot->services) {
    std::map<std::string_view, uint64_t> counts;
    for (const BackendView& backend : service.backends) ++counts[backend_status(backend)];
    for (const std::string_view status : kBackendStatuses)
      out.add({{"service", service.name}, {"state", std::string(status)}}, counts[status]);
  }
}

template <class Value>
void add_backend_samples(Families& out, const Reading& reading, Value value) {
  for (const ServiceView& service : reading.snapshot->services)
    for (const BackendView& backend : service.backends)
      out.add({{"service", service.name}, {"backend", backend.endpoint.to_string()}},
              value(backend));
}

void add_backends(Families& out, const Reading& reading) {
  for (const CountMetric& metric : kCountMetrics) {
    out.counter("loom_backend" + std::string(metric.suffix),
                std::string(metric.help) + "the backend for the service.");
    add_backend_samples(out, reading, [&](const BackendView& backend) {
      return backend_count(reading.counters, backend.datapath_id).*metric.member;
    });
  }
  out.gauge("loom_backend_up", "1: packets can be sent to the backend (status up or drain).");
  add_backend_samples(out, reading, [](const BackendView& backend) -> uint64_t {
    const std::string_view status = backend_status(backend);
    return status == "up" || status == "drain" ? 1 : 0;
  });
  out.gauge("loom_backend_weight", "Configured weight of the backend.");
  add_backend_samples(out, reading,
                      [](const BackendView& backend) -> uint64_t { return backend.weight; });
  out.gauge("loom_backend_slot_ratio", "Share of the ring's slots that belong to the backend.");
  add_backend_samples(out, reading, [](const BackendView& backend) { return backend.slot_ratio; });
  out.gauge(
      "loom_backend_mtu_bytes",
      "The largest IP packet that is sent to the backend, headers of its tunnel included: what "
      "the route allows and routers on the way said; 0: none is sent.");
  add_backend_samples(out, reading, [](const BackendView& backend) {
    return uint64_t{backend.next_hop ? backend.next_hop->mtu : 0};
  });
  out.gauge("loom_backend_connections_active",
            "Tracked connections of the backend that have not expired; at most 5 s old.");
  add_backend_samples(out, reading, [&](const BackendView& backend) {
    return active_connections(reading.sweep, backend.datapath_id);
  });
}

void add_programs(Families& out, const Snapshot& snapshot) {
  out.gauge("loom_ebpf_program_info", "The XDP programs that are attached; always 1.");
  for (const ProgramInfo& program : snapshot.programs)
    out.add({{"interface", program.interface}, {"mode", program.mode}, {"attach", program.attach}},
            uint64_t{1});
  out.gauge("loom_ebpf_program_attached", "1: the program is attached to the interface.");
  for (const InterfaceView& interface : snapshot.interfaces)
    out.add({{"interface", interface.name}}, uint64_t{interface.attached ? 1u : 0u});
}

void add_maps(Families& out, const std::vector<MapFill>& maps) {
  out.gauge("loom_map_entries", "Entries in the BPF map.");
  for (const MapFill& map : maps) out.add({{"map", map.name}}, map.entries);
  out.gauge("loom_map_max_entries", "Entries the BPF map has room for.");
  for (const MapFill& map : maps) out.add({{"map", map.name}}, map.max_entries);
}

void add_daemon(Families& out, const ApiContext& api, const Snapshot& snapshot) {
  out.gauge("loom_build_info", "What is running; always 1.");
  out.add({{"version", api.build.version},
           {"revision", api.build.revision},
           {"compiler", api.build.compiler},
           {"kernel", api.build.kernel}},
          uint64_t{1});
  out.gauge("loom_config_generation", "Grows with every change of the desired state.");
  out.add({}, snapshot.generation);
  out.gauge("loom_runtime_overlay_objects", "Objects that were changed through the API.");
  out.add({}, uint64_t{snapshot.overlay_objects});
  out.counter("loom_http_requests_total", "Requests to the admin API, by route and status.");
  for (const auto& [key, count] : api.request_counts.read()) {
    const auto& [route, method, code] = key;
    out.add({{"route", route}, {"method", method}, {"code", std::to_string(code)}}, count);
  }
}

void add_process(Families& out) {
  const ProcessStats stats = read_process_stats();
  out.counter("process_cpu_seconds_total", "User and system CPU time of the daemon in seconds.");
  out.add({}, stats.cpu_seconds);
  out.gauge("process_resident_memory_bytes", "Resident memory of the daemon in bytes.");
  out.add({}, stats.resident_bytes);
  out.gauge("process_virtual_memory_bytes", "Virtual memory of the daemon in bytes.");
  out.add({}, stats.virtual_bytes);
  out.gauge("process_open_fds", "Open file descriptors of the daemon.");
  out.add({}, stats.open_fds);
  out.gauge("process_max_fds", "Most file descriptors the daemon may have open.");
  out.add({}, stats.max_fds);
  out.gauge("process_start_time_seconds", "Start of the daemon in seconds since the epoch.");
  out.add({}, stats.start_time_seconds);
}

}  // namespace

Result<std::string> metrics_text(const ApiContext& api) {
  Result<Reading> reading = read(api.control);
  if (!reading) return reading.error();
  Families out;
  add_page(out, *reading);
  add_reasons(out, reading->counters);
  add_services(out, *reading);
  add_backends(out, *reading);
  add_programs(out, *reading->snapshot);
  add_maps(out, reading->maps);
  add_daemon(out, api, *reading->snapshot);
  add_process(out);
  return out.text();
}

}  // namespace loom
