// SPDX-License-Identifier: Apache-2.0
#include "lb/config/bind_service.hpp"

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
    const auto port = (item.is_map() ? item.at("port") : item).number<uint16_t>();
    if (!port) continue;
    service.ports.push_back({*port, protocol_of(item.at("protocol").text(), protocol)});
    places.ports.push_back(item.place());
  }
}

void bind_forwarding(const Reader& root, const Reader& item, ServiceSpec& service, Report& report) {
  const Reader page = root.at("ebpf.xdp.dsr");
  const Reader encap = item.at("encap");
  const Reader nat = item.at("nat");
  const auto forwarding = item.at("forwarding").text();
  const bool dsr = forwarding ? *forwarding == "dsr" : page.at("enabled").boolean().value_or(false);
  if (!dsr) return ignored(encap, "with forwarding: nat", report);

  const auto type = encap.at("type").text();
  service.forwarding = forwarding_of(type ? type : page.at("encap").text());
  ignored(nat, "with forwarding: dsr", report);
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
  service.hash_seed = item.at("hash_seed").text().value_or("");
  bind_forwarding(root, item, service, report);
  service.gue_port = item.at("encap.port").number<uint16_t>().value_or(kDefaultGuePort);
  service.udp6_zero_checksum = item.at("encap.udp6_zero_checksum").boolean().value_or(false);
  const Reader addresses = item.at("nat.addresses");
  for (size_t i = 0; i < addresses.size(); ++i)
    if (const auto address = addresses.item(i).address()) service.nat_addresses.push_back(*address);
  if (const auto policy = item.at("on_no_service").text())
    service.on_no_service = *policy == "pass" ? UnservedPolicy::kPass : UnservedPolicy::kDrop;
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
