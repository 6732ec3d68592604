// SPDX-License-Identifier: Apache-2.0
#include "lb/config/validate.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "lb/config/validate_service.hpp"

namespace loom {
namespace {

/// What the datapath has room for: LOOM_MAX_LISTENERS and LOOM_MAX_VIPS of abi.h, which only
/// lb/kernel includes.
constexpr size_t kMaxListeners = 65536;
constexpr size_t kMaxVips = 16384;

std::string in_line(const Place& place) {
  return "in line " + std::to_string(place.line);
}

void check_service_names(const Bound& bound, Report& report) {
  std::map<std::string_view, const Place*> seen;
  const std::vector<ServiceSpec>& services = bound.config.spec.services;
  for (size_t i = 0; i < services.size(); ++i) {
    if (services[i].name.empty()) continue;
    const auto [known, fresh] = seen.emplace(services[i].name, &bound.places[i].self);
    if (fresh) continue;
    const Place& self = bound.places[i].self;
    if (services[i].name == "default")
      report.error(self, "duplicate-service",
                   "\"default\" is the service that " + known->second->path + " " +
                       in_line(*known->second) + " defines",
                   "choose another name");
    else
      report.error(self, "duplicate-service",
                   "a service of this name stands " + in_line(*known->second));
  }
}

/// Which service answers where. Interface addresses are not known here: what collides with those
/// of the service `default` shows when the daemon starts.
class Claims {
 public:
  Claims(const Bound& bound, Report& report) : bound_(bound), report_(report) {}

  void claim(size_t service, const IpAddr& vip) {
    const std::vector<PortSpec>& ports = bound_.config.spec.services[service].ports;
    for (size_t i = 0; i < ports.size() && owners_.size() <= kMaxListeners; ++i) {
      if (!ports[i].is_exact()) continue;
      const auto [known, fresh] = owners_.emplace(std::pair(vip, ports[i]), service);
      // A port repeated within one service is reported with the service.
      if (fresh || known->second == service) continue;
      report_.error(bound_.places[service].ports[i], "duplicate-listener",
                    "this port of one of the VIPs belongs to the service " +
                        in_line(bound_.places[known->second].self));
    }
  }

  /// Rule 31: of two ranges that overlap, or two services for any port, neither is more specific.
  void claim_ranges(size_t service, const IpAddr& vip) {
    const std::vector<PortSpec>& ports = bound_.config.spec.services[service].ports;
    for (size_t i = 0; i < ports.size(); ++i) {
      if (ports[i].is_exact()) continue;
      blocks_ += ports[i].is_any() ? 1 : blocks_of(ports[i]).size();
      for (const auto& [other, owner] : ranges_[vip])
        if (owner != service && ports[i].rivals(other))
          report_.error(bound_.places[service].ports[i], "overlapping-ports",
                        "overlaps with " + other.to_string() + " of the service " +
                            in_line(bound_.places[owner].self) +
                            " on one of the VIPs, and neither is more specific");
      ranges_[vip].emplace_back(ports[i], service);
    }
  }

  [[nodiscard]] size_t size() const { return owners_.size(); }
  [[nodiscard]] size_t blocks() const { return blocks_; }

 private:
  const Bound& bound_;
  Report& report_;
  std::map<std::pair<IpAddr, PortSpec>, size_t> owners_;
  std::map<IpAddr, std::vector<std::pair<PortSpec, size_t>>> ranges_;
  size_t blocks_ = 0;
};

void check_listeners(const Bound& bound, Report& report) {
  Claims claims(bound, report);
  std::set<IpAddr> vips;
  for (size_t i = 0; i < bound.places.size(); ++i) {
    for (const IpAddr& vip : bound.config.spec.services[i].vips) {
      claims.claim(i, vip);
      claims.claim_ranges(i, vip);
      vips.insert(vip);
    }
  }
  if (claims.size() > kMaxListeners || claims.blocks() > kMaxListeners)
    report.error({.path = "ebpf.services"}, "too-many-listeners",
                 "more than 65536 combinations of VIP, port and protocol");
  if (vips.size() > kMaxVips)
    report.error({.path = "ebpf.services"}, "too-many-vips", "more than 16384 VIPs");
}

/// One VIP cannot answer pings and not answer them.
void check_echo(const Bound& bound, Report& report) {
  std::map<IpAddr, size_t> seen;
  const std::vector<ServiceSpec>& services = bound.config.spec.services;
  for (size_t i = 0; i < services.size(); ++i) {
    if (!services[i].icmp_echo) continue;
    for (const IpAddr& vip : services[i].vips) {
      const auto [known, fresh] = seen.emplace(vip, i);
      if (fresh || services[known->second].icmp_echo == services[i].icmp_echo) continue;
      report.error(bound.places[i].self, "conflict",
                   "icmp_echo differs from that of the service " +
                       in_line(bound.places[known->second].self) + ", which shares the VIP " +
                       vip.to_string());
      break;
    }
  }
}

void check_sources(const Bound& bound, Report& report) {
  size_t total = 0;
  for (size_t i = 0; i < bound.places.size(); ++i) {
    if (total > kMaxSources) return;  // said already
    total += bound.config.spec.services[i].source_pool.size();
    if (total > kMaxSources)
      report.error(
          bound.places[i].source_pool.back().second, "too-many-sources",
          "more than " + std::to_string(kMaxSources) + " source addresses, over all services");
  }
}

void check_ids(const Bound& bound, Report& report) {
  std::map<uint32_t, const Place*> seen;
  for (size_t i = 0; i < bound.places.size(); ++i) {
    const std::vector<BackendSpec>& backends = bound.config.spec.services[i].backends;
    for (size_t b = 0; b < backends.size(); ++b) {
      if (backends[b].api_id == 0) continue;
      const Place& place = bound.places[i].backends[b];
      const auto [known, fresh] = seen.emplace(backends[b].api_id, &place);
      if (!fresh) report.error(place, "duplicate-id", "the id is used " + in_line(*known->second));
    }
  }
}

void check_totals(const Reader& root, const Bound& bound, Report& report) {
  size_t total = 0;
  for (const ServiceSpec& service : bound.config.spec.services) total += service.backends.size();
  const uint32_t limit = bound.config.max_backends;
  const Reader size = root.at("ebpf.maps.backends.max_entries");
  if (total > limit && size.valid())
    report.error(size.place(), "too-many-backends",
                 std::to_string(total) + " backends, at most " + std::to_string(limit),
                 limit < kMaxBackends ? "raise ebpf.maps.backends.max_entries" : "");
  if (bound.places.size() > kMaxServices)
    report.error(
        {.path = "ebpf.services"}, "too-many-services",
        std::to_string(bound.places.size()) + " services, at most " + std::to_string(kMaxServices));
}

void check_ring_size(const Bound& bound, Report& report) {
  for (size_t i = 0; i < bound.places.size(); ++i)
    if (bound.config.spec.services[i].backends.size() > bound.config.ring_size)
      report.error(bound.places[i].self, "ring-too-small", "more backends than the ring has slots",
                   "raise ebpf.xdp.load_balancing.maglev_table_size");
}

void check_passthrough(const Reader& root, const Bound& bound, Report& report) {
  const Reader list = root.at("ebpf.xdp.passthrough_ports");
  for (size_t i = 0; i < bound.places.size(); ++i) {
    const std::vector<PortSpec>& ports = bound.config.spec.services[i].ports;
    for (size_t p = 0; p < ports.size(); ++p)
      if (ports[p].is_exact() && bound.config.spec.passthrough_ports.contains(ports[p].port))
        report.warning(bound.places[i].ports[p], "passed-through",
                       "the port is never balanced, because passthrough_ports " +
                           in_line(list.place()) + " lists it");
  }
}

/// Names in keys of features that are not built are checked all the same.
void check_health_names(const Reader& root, Report& report) {
  const Reader services = root.at("ebpf.services");
  for (size_t i = 0; i < services.size(); ++i) {
    const Reader health = services.item(i).at("health");
    if (health.text() && !root.at("ebpf.health_checks").has(*health.text()))
      report.error(health.place(), "unknown-reference",
                   "no entry of ebpf.health_checks has this name");
  }
  const Reader integration = root.at("ebpf.health_integration");
  const Reader upstream = integration.at("upstream");
  if (integration.at("enabled").boolean().value_or(false) && upstream.text() &&
      !root.at("upstreams").has(*upstream.text()))
    report.warning(upstream.place(), "unknown-reference", "no entry of upstreams has this name");
}

void check_runtime(const Reader& root, Report& report) {
  for (const std::string_view path : {"runtime.pin_path", "runtime.state_dir"}) {
    const Reader directory = root.at(path);
    if (directory.text() && !directory.text()->starts_with('/'))
      report.error(directory.place(), "bad-value", "must be an absolute path");
  }
}

void say_notes(const Reader& root, const Config& config, Report& report) {
  const Reader ebpf = root.at("ebpf");
  if (config.enabled && config.spec.interfaces.empty() && !report.has_errors())
    report.note({ebpf.place().line, ebpf.place().column, "ebpf.xdp.interface"}, "no-interface",
                "not set: this is a fragment, on which loomd would not start");
  const Reader stats = root.at("ebpf.maps.stats.max_entries");
  if (stats.exists())
    report.note(stats.place(), "lower-bound",
                "a lower bound: Loom sizes this map for the backends there may be");
}

}  // namespace

void validate(const Reader& root, Bound& bound, Report& report) {
  check_service_names(bound, report);
  check_ids(bound, report);
  check_totals(root, bound, report);
  check_ring_size(bound, report);
  check_listeners(bound, report);
  check_echo(bound, report);
  check_sources(bound, report);
  check_passthrough(root, bound, report);
  check_health_names(root, report);
  check_runtime(root, report);
  for (size_t i = 0; i < bound.places.size(); ++i)
    validate_service(bound.config.spec.services[i], bound.places[i], report);
  say_notes(root, bound.config, report);
}

}  // namespace loom
