// SPDX-License-Identifier: Apache-2.0
#include "lb/config/validate_service.hpp"

#include <algorithm>
#include <map>

namespace loom {
namespace {

std::string in_line(const Place& place) {
  return "in line " + std::to_string(place.line);
}

bool has_family(const ServiceSpec& service, Family family) {
  return std::any_of(
      service.backends.begin(), service.backends.end(),
      [&](const BackendSpec& backend) { return backend.endpoint.address.family() == family; });
}

std::string_view name_of(Family family) {
  return family == Family::kV4 ? "IPv4" : "IPv6";
}

/// NAT and L2 keep the packet's family (rule 36); tunnels carry either in either.
bool keeps_family(Forwarding forwarding) {
  return forwarding == Forwarding::kNat || forwarding == Forwarding::kL2;
}

template <class T>
void check_unique(const std::vector<T>& values, const std::vector<Place>& places,
                  std::string_view code, Report& report) {
  std::map<T, const Place*> seen;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto [known, fresh] = seen.emplace(values[i], &places[i]);
    if (!fresh) report.error(places[i], code, "is already listed " + in_line(*known->second));
  }
}

void settle_dsr_ports(ServiceSpec& service, const ServicePlaces& places, Report& report) {
  for (size_t i = 0; i < service.backends.size(); ++i) {
    uint16_t& port = service.backends[i].endpoint.port;
    const bool fits =
        port == 0 ||
        std::all_of(service.ports.begin(), service.ports.end(), [&](const PortSpec& listener) {
          return listener.is_exact() && listener.port == port;
        });
    if (!fits)
      report.error(places.backends[i], "dsr-port",
                   "with DSR the backend gets the packet as it came, so its port must be absent or "
                   "equal every port of the service",
                   "remove the port");
    port = 0;
  }
}

/// Rule 31. The same port twice, and the same range twice, are check_unique()'s.
void check_overlaps(const ServiceSpec& service, const ServicePlaces& places, Report& report) {
  for (size_t i = 0; i < service.ports.size(); ++i) {
    if (service.ports[i].is_exact()) continue;
    for (size_t j = 0; j < i; ++j)
      if (service.ports[i].rivals(service.ports[j]) && service.ports[i] != service.ports[j])
        report.error(
            places.ports[i], "overlapping-ports",
            "overlaps with " + service.ports[j].to_string() + " " + in_line(places.ports[j]));
  }
}

void check_source_pool(const ServiceSpec& service, const ServicePlaces& places, Report& report) {
  for (const auto& [prefix, place] : places.source_pool) {
    const Family family = prefix.address.family();
    if (!has_family(service, family))
      report.error(place, "no-backend-of-family",
                   "never used: the service has no " + std::string(name_of(family)) + " backend");
  }
}

/// Taking turns needs flows that are remembered, and clients that are not.
void check_turns(const ServiceSpec& service, const ServicePlaces& places, Report& report) {
  const bool forgets =
      service.affinity == Affinity::kNone && service.forwarding != Forwarding::kNat;
  if (service.algorithm == Algorithm::kMaglev) return;
  if (service.affinity == Affinity::kSourceIp || forgets)
    report.warning(places.self, "no-effect",
                   "with affinity " + std::string(to_string(service.affinity)) +
                       " a hash picks the backend: " + std::string(to_string(service.algorithm)) +
                       " takes no turns",
                   "use maglev, which moves the fewest flows when backends change");
}

void check_tracking(const ServiceSpec& service, const ServicePlaces& places, Report& report) {
  if (places.tracking && service.tracking == Tracking::kAtRisk && !ring_finds_flows(service))
    report.warning(*places.tracking, "no-effect",
                   "all flows are tracked: only with DSR and maglev a ring finds them by itself");
}

void check_backends(const ServiceSpec& service, const ServicePlaces& places, Report& report) {
  std::map<Endpoint, const Place*> endpoints;
  std::map<std::string_view, const Place*> names;
  for (size_t i = 0; i < service.backends.size(); ++i) {
    const BackendSpec& backend = service.backends[i];
    const Place& place = places.backends[i];
    if (const auto [known, fresh] = endpoints.emplace(backend.endpoint, &place); !fresh)
      report.error(place, "duplicate-backend",
                   "the same backend stands " + in_line(*known->second));
    if (backend.name.empty()) continue;
    if (const auto [known, fresh] = names.emplace(backend.name, &place); !fresh)
      report.error(place, "duplicate-name",
                   "a backend of this name stands " + in_line(*known->second));
  }
}

void check_families(const ServiceSpec& service, const ServicePlaces& places, Report& report) {
  if (!keeps_family(service.forwarding) || service.vips_from_interfaces) return;
  const std::string mode(service.forwarding == Forwarding::kNat ? "NAT" : "encap: none");
  for (size_t i = 0; i < service.vips.size(); ++i) {
    const Family family = service.vips[i].family();
    if (!has_family(service, family))
      report.error(places.vips[i], "no-backend-of-family",
                   "with " + mode + " an " + std::string(name_of(family)) + " VIP needs an " +
                       std::string(name_of(family)) + " backend");
  }
  for (size_t i = 0; i < service.backends.size(); ++i) {
    const Family family = service.backends[i].endpoint.address.family();
    const bool used = std::any_of(service.vips.begin(), service.vips.end(),
                                  [&](const IpAddr& vip) { return vip.family() == family; });
    if (!used)
      report.warning(places.backends[i], "no-vip-of-family",
                     "never gets a packet: with " + mode + " an " + std::string(name_of(family)) +
                         " backend needs an " + std::string(name_of(family)) + " VIP");
  }
}

void check_presence(const ServiceSpec& service, const ServicePlaces& places, Report& report) {
  if (service.backends.empty())
    report.warning(places.self, "no-backends", "the service has no backends");
  if (service.ports.empty() && service.vips_from_interfaces)
    report.warning(places.self, "no-ports",
                   "no ports are set under ebpf.xdp.protocols: nothing is balanced");
  if (service.vips.empty() && !service.vips_from_interfaces)
    report.error(places.self, "no-vips", "the service has no VIPs");
  if (service.ports.empty() && !service.vips_from_interfaces)
    report.error(places.self, "no-ports", "the service has no ports");
}

}  // namespace

void validate_service(ServiceSpec& service, const ServicePlaces& places, Report& report) {
  if (service.forwarding != Forwarding::kNat) settle_dsr_ports(service, places, report);
  check_unique(service.vips, places.vips, "duplicate-vip", report);
  check_unique(service.ports, places.ports, "duplicate-port", report);
  check_overlaps(service, places, report);
  check_turns(service, places, report);
  check_tracking(service, places, report);
  check_backends(service, places, report);
  // With parts left out because of errors these would be follow-ups, not findings.
  if (!places.complete) return;
  check_presence(service, places, report);
  if (!service.backends.empty()) check_source_pool(service, places, report);
  if (!service.backends.empty() && !service.vips.empty()) check_families(service, places, report);
}

}  // namespace loom
