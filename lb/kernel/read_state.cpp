// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/read_state.hpp"

#include <algorithm>

#include "lb/kernel/attachments.hpp"
#include "lb/kernel/codec.hpp"

namespace loom {
namespace {

Result<void> read_services(const Datapath& datapath, State& out,
                           std::map<uint32_t, std::string>& names) {
  const auto services =
      datapath.map<uint32_t, loom_service>("loom_services").get_all(LOOM_MAX_SERVICES);
  if (!services) return services.error();
  const auto infos =
      datapath.map<uint32_t, loom_service_info>("loom_service_info").get_all(LOOM_MAX_SERVICES);
  if (!infos) return infos.error();
  for (uint32_t id = 1; id < LOOM_MAX_SERVICES; ++id) {
    const loom_service& entry = (*services)[id];
    if (entry.forwarding == LOOM_FORWARD_NONE) continue;
    std::string name = name_of((*infos)[id].name);
    // Two of one name: an interrupted change of forwarding. Which one is new is not known; the
    // second gets a name nobody wants, so that the planner makes one of them right and removes it.
    if (out.services.contains(name)) name += "#" + std::to_string(id);
    ServiceState state = from_abi(entry);
    state.id = id;
    state.ring_digest = (*infos)[id].ring_digest;
    names[id] = name;
    out.services[name] = std::move(state);
  }
  return {};
}

Result<void> read_backends(const Datapath& datapath, State& out,
                           const std::map<uint32_t, std::string>& names) {
  const auto entries = backends_in_use(datapath);
  if (!entries) return entries.error();
  const auto infos = datapath.map<uint32_t, loom_backend_info>("loom_backend_info")
                         .get_all(datapath.config().max_backends + 1);
  if (!infos) return infos.error();
  for (const auto& [id, entry] : *entries) {
    const loom_backend_info& info = (*infos)[id];
    // Put before its service was: a service of that id, unknown so far, makes the planner see it.
    const auto service = names.find(entry.service);
    const std::string name =
        service != names.end() ? service->second : "#" + std::to_string(entry.service);
    ServiceState& state = out.services[name];
    if (service == names.end()) state.id = entry.service;
    state.backends[endpoint_of(entry, info)] = from_abi(id, entry, info);
  }
  return {};
}

Result<void> read_listeners(const Datapath& datapath, State& out,
                            const std::map<uint32_t, std::string>& names) {
  const auto add = [&](const auto& key, const loom_listener& value) {
    if (value.flags & LOOM_LISTENER_F_PASS) {
      out.passthrough.insert(from_abi(key));
      return;
    }
    const auto service = names.find(value.service);
    out.services[service != names.end() ? service->second : "#" + std::to_string(value.service)]
        .listeners.insert(from_abi(key));
  };
  if (Result<void> done =
          datapath.map<loom_listener_key, loom_listener>("loom_listeners").for_each(add);
      !done)
    return done;
  return datapath.map<loom_range_key, loom_listener>("loom_port_ranges").for_each_by_key(add);
}

Result<void> read_sources(const Datapath& datapath, State& out) {
  const auto sources = datapath.map<uint32_t, loom_addr>("loom_sources").get_all(kMaxSources);
  if (!sources) return sources.error();
  for (size_t index = 0; index < sources->size(); ++index)
    if (const IpAddr address = from_abi((*sources)[index]); address != IpAddr())
      out.sources[static_cast<uint16_t>(index)] = address;
  return {};
}

Result<void> read_interfaces(const Datapath& datapath, State& out) {
  const auto slots =
      datapath.map<uint32_t, loom_interface>("loom_interfaces").get_all(LOOM_INTERFACE_SLOTS);
  if (!slots) return slots.error();
  const Result<std::map<std::string, Attached>> attached = attached_interfaces(datapath);
  if (!attached) return attached.error();
  for (const auto& [name, found] : *attached) {
    InterfaceState state;
    state.ifindex = found.ifindex;
    state.mode = found.mode;
    const loom_interface& slot = (*slots)[state.ifindex % LOOM_INTERFACE_SLOTS];
    const bool knows_xdp = found.mode == XdpMode::kTc || slot.flags & LOOM_INTERFACE_F_XDP;
    const bool is_complete =
        found.current && knows_xdp && (found.tc_beside || !(slot.flags & LOOM_INTERFACE_F_TC));
    // Another program, or none: shown with no MAC, which no plan is content with.
    if (is_complete && slot.ifindex == state.ifindex) copy_macs(slot, state);
    out.interfaces[name] = state;
  }
  return {};
}

Result<void> read_egress(const Datapath& datapath, State& out) {
  uint32_t key = 0;
  const void* previous = nullptr;
  uint32_t next = 0;
  while (bpf_map_get_next_key(datapath.map_fd("loom_egress"), previous, &next) == 0) {
    out.egress.insert(next);
    key = next;
    previous = &key;
  }
  return {};
}

}  // namespace

Result<std::map<uint32_t, loom_backend>> backends_in_use(const Datapath& datapath) {
  const auto entries = datapath.map<uint32_t, loom_backend>("loom_backends")
                           .get_all(datapath.config().max_backends + 1);
  if (!entries) return entries.error();
  std::map<uint32_t, loom_backend> out;
  for (uint32_t id = 1; id < entries->size(); ++id)
    if ((*entries)[id].forwarding != LOOM_FORWARD_NONE) out[id] = (*entries)[id];
  return out;
}

Result<State> read_state(const Datapath& datapath) {
  State out;
  std::map<uint32_t, std::string> names;
  if (Result<void> done = read_services(datapath, out, names); !done) return done.error();
  if (Result<void> done = read_backends(datapath, out, names); !done) return done.error();
  if (Result<void> done = read_listeners(datapath, out, names); !done) return done.error();
  const Result<void> vips = datapath.map<loom_addr, loom_vip>("loom_vips")
                                .for_each([&](const loom_addr& key, const loom_vip& value) {
                                  out.vips[from_abi(key)] = from_abi(value);
                                });
  if (!vips) return vips.error();
  if (Result<void> done = read_sources(datapath, out); !done) return done.error();
  if (Result<void> done = read_interfaces(datapath, out); !done) return done.error();
  if (Result<void> done = read_egress(datapath, out); !done) return done.error();
  return out;
}

}  // namespace loom
