// SPDX-License-Identifier: Apache-2.0
#include "admin-api/view.hpp"

#include <algorithm>
#include <chrono>

#include "admin-api/traffic.hpp"

namespace loom {
namespace {

Json next_hop_json(const std::optional<NextHop>& next_hop) {
  if (!next_hop) return nullptr;
  return {
      {"ifindex", next_hop->ifindex},
      {"source_mac", next_hop->source.to_string()},
      {"destination_mac", next_hop->destination.to_string()},
      {"mtu", next_hop->mtu},
      {"source_address", next_hop->source_address.to_string()},
  };
}

Json path_mtu_json(const std::optional<PathMtu>& path) {
  if (!path) return nullptr;
  const auto left = path->expires - std::chrono::steady_clock::now();
  return {
      {"mtu", path->mtu},
      {"expires_in_s", std::max<int64_t>(0, std::chrono::ceil<std::chrono::seconds>(left).count())},
  };
}

/// As in the configuration file: a number, "8000-8099" or "any".
Json port_json(const PortSpec& port) {
  return port.is_exact() ? Json(port.port) : Json(port.to_string());
}

}  // namespace

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

Json to_json(const BackendView& backend) {
  return {
      {"id", backend.id},
      {"service", backend.service},
      {"name", text_or_null(backend.name)},
      {"address", backend.endpoint.address.to_string()},
      {"port", backend.endpoint.port},
      {"weight", backend.weight},
      {"state", to_string(backend.state)},
      {"health", to_string(backend.health)},
      {"status", backend_status(backend)},
      {"slot_ratio", backend.slot_ratio},
      {"source", to_string(backend.source)},
      {"next_hop", next_hop_json(backend.next_hop)},
      {"path_mtu", path_mtu_json(backend.path_mtu)},
      {"local", backend.local},
      {"problem", text_or_null(backend.problem)},
  };
}

Json to_json(const ServiceView& service) {
  Json vips = Json::array();
  for (const IpAddr& vip : service.vips) vips.push_back(vip.to_string());
  Json ports = Json::array();
  for (const PortSpec& port : service.ports)
    ports.push_back({{"port", port_json(port)}, {"protocol", to_string(port.protocol)}});
  return {
      {"name", service.name},
      {"vips", std::move(vips)},
      {"ports", std::move(ports)},
      {"algorithm", to_string(service.algorithm)},
      {"affinity", to_string(service.affinity)},
      {"tracking", to_string(service.tracking)},
      {"forwarding", to_string(service.forwarding)},
      {"icmp_echo", service.icmp_echo ? to_string(*service.icmp_echo) : "default"},
      {"on_no_backend", to_string(service.on_no_backend)},
      {"source_addresses", service.source_addresses},
      {"backend_count", service.backends.size()},
      {"problem", text_or_null(service.problem)},
  };
}

Json to_json(const ProgramInfo& program) {
  return {
      {"id", program.program_id}, {"tag", program.tag},       {"interface", program.interface},
      {"mode", program.mode},     {"attach", program.attach}, {"note", text_or_null(program.note)},
  };
}

Json to_json(const InterfaceView& interface) {
  return {
      {"name", interface.name},
      {"present", interface.present},
      {"attached", interface.attached},
      {"problem", text_or_null(interface.problem)},
  };
}

Json to_json(const MapFill& map) {
  const double fill = map.max_entries == 0
                          ? 0.0
                          : static_cast<double>(map.entries) / static_cast<double>(map.max_entries);
  return {
      {"name", map.name},
      {"entries", map.entries},
      {"max_entries", map.max_entries},
      {"fill", fill},
      {"memory_bytes", map.bytes == 0 ? Json(nullptr) : Json(map.bytes)},
  };
}

Json to_json(const Count& count) {
  return {
      {"packets", count.packets},
      {"rx_bytes", count.rx_bytes},
      {"tx_bytes", count.tx_bytes},
      {"connections", count.flows},
  };
}

}  // namespace loom
