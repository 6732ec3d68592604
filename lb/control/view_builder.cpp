// SPDX-License-Identifier: Apache-2.0
#include "lb/control/view_builder.hpp"

#include <algorithm>
#include <set>

#include "lb/model/path_mtu.hpp"

namespace loom {
namespace {

const ServiceState* state_of(const Desired& want, const ServiceSpec& service, Family family) {
  const auto it = want.state.services.find(datapath_service(service, family));
  return it == want.state.services.end() ? nullptr : &it->second;
}

}  // namespace

std::vector<ServiceView> ViewBuilder::services(const ViewInput& input) {
  std::vector<ServiceView> out;
  for (const ServiceSpec& service : input.spec.services) out.push_back(view(service, input));
  std::sort(out.begin(), out.end(),
            [](const ServiceView& a, const ServiceView& b) { return a.name < b.name; });
  return out;
}

ServiceView ViewBuilder::view(const ServiceSpec& service, const ViewInput& input) {
  ServiceView out;
  out.name = service.name;
  out.ports = service.ports;
  out.algorithm = service.algorithm;
  out.affinity = service.affinity;
  out.tracking = ring_finds_flows(service) ? service.tracking : Tracking::kAll;
  out.icmp_echo = service.icmp_echo;
  out.on_no_backend = service.on_no_backend;
  out.source_addresses = service.source_pool.size();
  out.forwarding = service.forwarding;
  const auto problem = input.want.service_problems.find(service.name);
  if (problem != input.want.service_problems.end()) out.problem = problem->second;

  std::set<IpAddr> vips;
  std::set<uint32_t> ids;
  for (const Family family : {Family::kV4, Family::kV6}) {
    const ServiceState* state = state_of(input.want, service, family);
    if (!state) continue;
    ids.insert(state->id);
    for (const Listener& listener : state->listeners) vips.insert(listener.vip);
  }
  out.vips.assign(vips.begin(), vips.end());
  out.datapath_ids.assign(ids.begin(), ids.end());
  for (const BackendSpec& backend : service.backends)
    out.backends.push_back(view(service, backend, input));
  return out;
}

BackendView ViewBuilder::view(const ServiceSpec& service, const BackendSpec& spec,
                              const ViewInput& input) {
  BackendView out;
  out.id = spec.api_id;
  out.service = service.name;
  out.name = spec.name;
  out.endpoint = spec.endpoint;
  out.weight = spec.weight;
  out.state = spec.state;
  out.source = input.overlay.touches(service.name, spec.endpoint) ? Source::kApi : Source::kFile;
  if (const auto it = input.health.find(spec.endpoint); it != input.health.end())
    out.health = it->second;
  const auto problem = input.want.backend_problems.find({service.name, spec.endpoint});
  if (problem != input.want.backend_problems.end()) out.problem = problem->second;

  const Family family = spec.endpoint.address.family();
  const ServiceState* state = state_of(input.want, service, family);
  if (!state) return out;
  const auto backend = state->backends.find(spec.endpoint);
  if (backend == state->backends.end()) return out;
  out.id = backend->second.api_id;
  out.datapath_id = backend->second.id;
  out.next_hop = backend->second.next_hop;
  const auto path = input.links.path_mtus.find(spec.endpoint.address);
  if (is_tunnel(service.forwarding) && path != input.links.path_mtus.end())
    out.path_mtu = path->second;
  out.local = backend->second.local;
  out.slot_ratio = slot_ratio(datapath_service(service, family), *state, out.datapath_id);
  return out;
}

double ViewBuilder::slot_ratio(const std::string& service, const ServiceState& state, uint32_t id) {
  Slots& slots = slots_[service];
  if (slots.digest != state.ring_digest) {
    Result<std::map<uint32_t, uint32_t>> read = dataplane_.ring_slots(service);
    if (!read) return 0;
    slots = {state.ring_digest, std::move(*read)};
  }
  const auto it = slots.by_id.find(id);
  return it == slots.by_id.end() ? 0 : double(it->second) / ring_size_;
}

}  // namespace loom
