// SPDX-License-Identifier: Apache-2.0
#include "lb/config/bind_service.hpp"

#include <array>

namespace loom {
namespace {

Forwarding forwarding_of(const std::optional<std::string>& encap) {
  if (encap == "gue") return Forwarding::kGue;
  return encap == "none" ? Forwarding::kL2 : Forwarding::kIpip;
}

Protocol protocol_of(const std::optional<std::string>& text, Protocol otherwise) {
  if (!text) return otherwise;
  return *text == "udp" ? Protocol::kUdp : Protocol::kTcp;
}

AdminState state_of(const std::optional<std::string>& text) {
  if (text == "drain") return AdminState::kDrain;
  return text == "maint" ? AdminState::kMaint : AdminState::kActive;
}

Algorithm algorithm_of(const std::optional<std::string>& text, Algorithm otherwise) {
  if (!text) return otherwise;
  if (*text == "round_robin") return Algorithm::kRoundRobin;
  return *text == "weighted" ? Algorithm::kWeighted : Algorithm::kMaglev;
}

Affinity affinity_of(const std::optional<std::string>& text, Affinity otherwise) {
  if (!text) return otherwise;
  if (*text == "source_ip") return Affinity::kSourceIp;
  return *text == "none" ? Affinity::kNone : Affinity::kFiveTuple;
}

NoBackendPolicy no_backend_of(const std::optional<std::string>& text) {
  if (text == "reject") return NoBackendPolicy::kReject;
  if (text == "pass") return NoBackendPolicy::kPass;
  return text == "last_known" ? NoBackendPolicy::kLastKnown : NoBackendPolicy::kDrop;
}

Tracking tracking_of(const std::optional<std::string>& text, Tracking otherwise) {
  if (!text) return otherwise;
  return *text == "at_risk" ? Tracking::kAtRisk : Tracking::kAll;
}

std::optional<EchoPolicy> echo_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  if (*text == "pass") return EchoPolicy::kPass;
  return *text == "drop" ? EchoPolicy::kDrop : EchoPolicy::kReply;
}

/// What the page says for services that say nothing.
void bind_selection_defaults(const Reader& root, ServiceSpec& service) {
  const Reader xdp = root.at("ebpf.xdp");
  service.algorithm = algorithm_of(xdp.at("load_balancing.algorithm").text(), Algorithm::kMaglev);
  if (!xdp.at("connection_affinity.enabled").boolean().value_or(true))
    service.affinity = Affinity::kNone;
  service.tracking = tracking_of(root.at("ebpf.conntrack.tracking").text(), Tracking::kAll);
}

/// Blocks of addresses as the addresses in them; no more than would be refused anyway.
void bind_source_pool(const Reader& list, ServiceSpec& service, ServicePlaces& places) {
  for (size_t i = 0; i < list.size(); ++i) {
    const auto prefix = list.item(i).prefix();
    if (!prefix) continue;
    places.source_pool.emplace_back(*prefix, list.item(i).place());
    std::array<uint8_t, 16> bytes = prefix->address.bytes();
    for (IpAddr address(bytes);
         prefix->contains(address) && service.source_pool.size() <= kMaxSources;
         address = IpAddr(bytes)) {
      service.source_pool.push_back(address);
      for (size_t byte = bytes.size(); byte-- > 0 && ++bytes[byte] == 0;) {
      }
    }
  }
}

void bind_backends(const Reader& list, ServiceSpec& service, ServicePlaces& places) {
  places.complete = places.complete && list.valid();
  for (size_t i = 0; i < list.size(); ++i) {
    const Reader item = list.item(i);
    const auto address = item.at("address").address();
    if (!address) continue;
    BackendSpec backend;
    backend.name = item.at("name").text().value_or("");
    backend.endpoint = {*address, item.at("port").number<uint16_t>().value_or(0)};
    backend.weight = item.at("weight").number<uint32_t>().value_or(kDefaultWeight);
    backend.state = state_of(item.at("state").text());
    backend.api_id = item.at("id").number<uint32_t>().value_or(0);
    service.backends.push_back(std::move(backend));
    places.backends.push_back(item.place());
  }
}

void ignored(const Reader& key, const std::string& why, Report& report) {
  if (key.exists()) report.warning(key.place(), "no-effect", "has no effect " + why);
}

struct DefaultPorts {
  std::string_view path;
  Protocol protocol;
};

void bind_default_ports(const Reader& root, ServiceSpec& service, ServicePlaces& places) {
  for (const DefaultPorts& entry : {DefaultPorts{"ebpf.xdp.protocols.tcp", Protocol::kTcp},
                                    DefaultPorts{"ebpf.xdp.protocols.udp", Protocol::kUdp}}) {
    const Reader section = root.at(entry.path);
    const Reader ports = section.at("ports");
    places.complete = places.complete && section.valid();
    if (!section.at("enabled").boolean().value_or(true)) continue;
    for (size_t i = 0; i < ports.size(); ++i) {
      const auto port = ports.item(i).number<uint16_t>();
      if (!port) continue;
      service.ports.push_back({*port, entry.protocol});
      places.ports.push_back(ports.item(i).place());
    }
  }
}

/// The page's ports and backends, if there are any: NAT or DSR on the interfaces' own addresses.
void bind_default(const Reader& root, Bound& out, Report& report) {
  const Reader protocols = root.at("ebpf.xdp.protocols");
  const Reader backends = root.at("ebpf.backends");
  const Reader dsr = root.at("ebpf.xdp.dsr");
  const bool dsr_enabled = dsr.at("enabled").boolean().value_or(false);
  ServiceSpec service;
  service.name = "default";
  service.vips_from_interfaces = true;
  bind_selection_defaults(root, service);
  if (dsr_enabled) service.forwarding = forwarding_of(dsr.at("encap").text());
  ServicePlaces places;
  places.self = (backends.exists() ? backends : protocols).place();
  bind_default_ports(root, service, places);
  bind_backends(backends, service, places);

  const bool used_by_others = root.at("ebpf.services").size() > 0;
  if (!dsr_enabled && !used_by_others)
    ignored(dsr.at("encap"), "as long as dsr.enabled is not true", report);
  if (!backends.exists() && service.ports.empty()) return;
  out.config.spec.services.push_back(std::move(service));
  out.places.push_back(std::move(places));
}

void bind_ports(const Reader& list, Protocol protocol, ServiceSpec& service,
                ServicePlaces& places) {
  for (size_t i = 0; i < list.size(); ++i) {
    const Reader item = list.item(i);
    const auto ports = (item.is_map() ? item.at("port") : item).ports();
    if (!ports) continue;
    service.ports.push_back(
        {ports->first, protocol_of(item.at("protocol").text(), protocol), ports->last});
    places.ports.push_back(item.place());
  }
}

struct Target {
  ServiceSpec& service;
  ServicePlaces& places;
};

void bind_forwarding(const Reader& root, const Reader& item, Target target, Report& report) {
  auto& [service, places] = target;
  const Reader page = root.at("ebpf.xdp.dsr");
  const Reader encap = item.at("encap");
  const Reader nat = item.at("nat");
  const auto forwarding = item.at("forwarding").text();
  const bool dsr = forwarding ? *forwarding == "dsr" : page.at("enabled").boolean().value_or(false);
  if (!dsr) return ignored(encap, "with forwarding: nat", report);

  const auto type = encap.at("type").text();
  service.forwarding = forwarding_of(type ? type : page.at("encap").text());
  ignored(nat, "with forwarding: dsr", report);
  if (service.forwarding == Forwarding::kL2)
    ignored(encap.at("source_pool"), "with the encap type none", report);
  else
    bind_source_pool(encap.at("source_pool"), service, places);
  if (service.forwarding == Forwarding::kGue) return;
  ignored(encap.at("port"), "unless the encap type is gue", report);
  ignored(encap.at("udp6_zero_checksum"), "unless the encap type is gue", report);
}

void bind_service(const Reader& root, const Reader& item, Bound& out, Report& report) {
  ServiceSpec service;
  ServicePlaces places;
  places.self = item.place();
  places.complete = item.valid();
  service.name = item.at("name").text().value_or("");
  const Reader vips = item.at("vips");
  for (size_t i = 0; i < vips.size(); ++i) {
    const auto vip = vips.item(i).address();
    if (!vip) continue;
    service.vips.push_back(*vip);
    places.vips.push_back(vips.item(i).place());
  }
  bind_ports(item.at("ports"), protocol_of(item.at("protocol").text(), Protocol::kTcp), service,
             places);
  bind_selection_defaults(root, service);
  service.algorithm = algorithm_of(item.at("algorithm").text(), service.algorithm);
  service.affinity = affinity_of(item.at("affinity.mode").text(), service.affinity);
  service.tracking = tracking_of(item.at("tracking").text(), service.tracking);
  if (item.at("tracking").text()) places.tracking = item.at("tracking").place();
  service.hash_seed = item.at("hash_seed").text().value_or("");
  if (service.algorithm != Algorithm::kMaglev)
    ignored(item.at("hash_seed"), "unless the algorithm is maglev", report);
  bind_forwarding(root, item, {service, places}, report);
  service.gue_port = item.at("encap.port").number<uint16_t>().value_or(kDefaultGuePort);
  service.udp6_zero_checksum = item.at("encap.udp6_zero_checksum").boolean().value_or(false);
  const Reader addresses = item.at("nat.addresses");
  for (size_t i = 0; i < addresses.size(); ++i)
    if (const auto address = addresses.item(i).address()) service.nat_addresses.push_back(*address);
  if (const auto policy = item.at("on_no_service").text())
    service.on_no_service = *policy == "pass" ? UnservedPolicy::kPass : UnservedPolicy::kDrop;
  service.icmp_echo = echo_of(item.at("icmp_echo").text());
  service.on_no_backend = no_backend_of(item.at("on_no_backend").text());
  bind_backends(item.at("backends"), service, places);
  out.config.spec.services.push_back(std::move(service));
  out.places.push_back(std::move(places));
}

}  // namespace

void bind_services(const Reader& root, Bound& out, Report& report) {
  bind_default(root, out, report);
  const Reader services = root.at("ebpf.services");
  for (size_t i = 0; i < services.size(); ++i)
    if (services.item(i).is_map()) bind_service(root, services.item(i), out, report);
}

}  // namespace loom
