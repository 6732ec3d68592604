// SPDX-License-Identifier: Apache-2.0
#include "lb/model/overlay.hpp"

#include <algorithm>
#include <cerrno>

namespace loom {
namespace {

void apply_to(ServiceSpec& service, const Endpoint& endpoint, const OverlayBackend& change) {
  const auto it = std::find_if(service.backends.begin(), service.backends.end(),
                               [&](const BackendSpec& b) { return b.endpoint == endpoint; });
  if (change.removed) {
    if (it != service.backends.end()) service.backends.erase(it);
    return;
  }
  BackendSpec* backend = it != service.backends.end() ? &*it : nullptr;
  // Over a backend of the file: that one was removed, and this one added in its place.
  if (backend && change.added) *backend = *change.added;
  if (!backend && change.added) backend = &service.backends.emplace_back(*change.added);
  if (!backend) return;
  backend->weight = change.weight.value_or(backend->weight);
  backend->state = change.state.value_or(backend->state);
  backend->name = change.name.value_or(backend->name);
}

}  // namespace

Spec Overlay::apply(Spec file) const {
  for (const auto& [name, backends] : services) {
    ServiceSpec* service = file.find(name);
    if (!service) continue;
    for (const auto& [endpoint, change] : backends) apply_to(*service, endpoint, change);
  }
  return file;
}

size_t Overlay::objects() const {
  size_t count = 0;
  for (const auto& [name, backends] : services) count += backends.size();
  return count;
}

bool Overlay::touches(const std::string& service, const Endpoint& endpoint) const {
  const auto it = services.find(service);
  return it != services.end() && it->second.contains(endpoint);
}

Result<void> normalize_backend(const ServiceSpec& service, BackendSpec& backend) {
  const IpAddr& address = backend.endpoint.address;
  if (address.is_unspecified() || address.is_multicast() || address.is_loopback())
    return Error(EINVAL, address.to_string() + " cannot be a backend: packets are sent to it");
  if (backend.weight > kMaxWeight)
    return Error(EINVAL, "weight must be 0 to " + std::to_string(kMaxWeight));
  if (service.forwarding == Forwarding::kNat || backend.endpoint.port == 0) return {};

  for (const PortSpec& port : service.ports)
    if (!port.is_exact() || port.port != backend.endpoint.port)
      return Error(EINVAL, "service " + service.name +
                               " forwards by DSR, which cannot rewrite ports: leave out port" +
                               (port.is_exact() ? ", or make it " + port.to_string() : ""));
  backend.endpoint.port = 0;
  return {};
}

}  // namespace loom
