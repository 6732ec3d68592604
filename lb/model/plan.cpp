// SPDX-License-Identifier: Apache-2.0
#include "lb/model/plan.hpp"

#include <algorithm>

#include "lb/model/desired.hpp"

namespace loom {
namespace {

std::string text(const Listener& listener) {
  const std::string vip = listener.vip.to_string();
  return (listener.vip.is_v4() ? vip : "[" + vip + "]") + ":" + listener.port.to_string() + "/" +
         std::string(to_string(listener.port.protocol));
}

template <class Map>
const typename Map::mapped_type* find(const Map& map, const typename Map::key_type& key) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

/// Whose packets go where: service id by listener; 0 is passthrough.
std::map<Listener, uint32_t> listeners_of(const State& state) {
  std::map<Listener, uint32_t> out;
  for (const auto& [name, service] : state.services)
    for (const Listener& listener : service.listeners) out[listener] = service.id;
  for (const Listener& listener : state.passthrough) out[listener] = 0;
  return out;
}

bool attached_as_wanted(const InterfaceState* have, const InterfaceState& want) {
  return have && have->ifindex == want.ifindex && have->mac == want.mac &&
         have->extra_macs == want.extra_macs &&
         (want.mode == XdpMode::kAuto || want.mode == have->mode);
}

/// One plan() call: the two halves are collected apart and joined at the end.
class Planner {
 public:
  Planner(const State& have, const State& want, const std::map<std::string, RingRecipe>& recipes)
      : have_(have), want_(want), recipes_(recipes) {}

  std::vector<Step> plan() {
    for (const uint32_t ifindex : want_.egress)
      if (!have_.egress.contains(ifindex)) steps_.emplace_back(PutEgress{ifindex});
    put_sources();
    put_backends();
    put_services();
    put_listeners();
    attach();

    detach();
    remove_listeners();
    remove_services();
    remove_sources();
    for (const uint32_t ifindex : have_.egress)
      if (!want_.egress.contains(ifindex)) steps_.emplace_back(RemoveEgress{ifindex});
    return std::move(steps_);
  }

 private:
  /// The service of that name with the same id, or null: under another id it is another service.
  const ServiceState* same_service(const State& state, const std::string& name, uint32_t id) const {
    const ServiceState* service = find(state.services, name);
    return service && service->id == id ? service : nullptr;
  }

  void put_sources() {
    PutSources step;
    for (const auto& [index, address] : want_.sources) {
      const IpAddr* old = find(have_.sources, index);
      if (!old || *old != address) step.sources[index] = address;
    }
    if (!step.sources.empty()) steps_.emplace_back(std::move(step));
  }

  void remove_sources() {
    RemoveSources step;
    for (const auto& [index, address] : have_.sources)
      if (!want_.sources.contains(index)) step.indexes.insert(index);
    if (!step.indexes.empty()) steps_.emplace_back(std::move(step));
  }

  static bool same_entry(const ServiceState& a, const ServiceState& b) {
    return a.forwarding == b.forwarding && a.in_turn == b.in_turn && a.affinity == b.affinity &&
           a.tracking == b.tracking && a.on_no_backend == b.on_no_backend;
  }

  void put_backends() {
    for (const auto& [name, service] : want_.services) {
      const ServiceState* old = same_service(have_, name, service.id);
      for (const auto& [endpoint, backend] : service.backends) {
        const BackendState* before = old ? find(old->backends, endpoint) : nullptr;
        if (before && *before == backend) continue;
        const bool fresh = !before || before->id != backend.id;
        steps_.emplace_back(
            PutBackend{name, service.id, service.forwarding, endpoint, backend, fresh});
      }
    }
  }

  void put_services() {
    PutRings rings;
    std::vector<Step> services;
    for (const auto& [name, service] : want_.services) {
      const ServiceState* old = same_service(have_, name, service.id);
      if (!old || !same_entry(*old, service)) services.emplace_back(PutService{name, service});
      if (old && old->ring_digest == service.ring_digest) continue;
      const RingRecipe* recipe = find(recipes_, name);
      rings.rings.push_back({name, service.id, service.ring_digest, recipe ? *recipe : RingRecipe{},
                             ring_members(service)});
    }
    // The service entry first: it carries the name under which the ring is pinned.
    steps_.insert(steps_.end(), services.begin(), services.end());
    if (!rings.rings.empty()) steps_.emplace_back(std::move(rings));
  }

  void put_listeners() {
    const auto have = listeners_of(have_);
    for (const auto& [listener, id] : listeners_of(want_)) {
      const uint32_t* old = find(have, listener);
      if (!old || *old != id) steps_.emplace_back(PutListener{listener, id});
    }
    for (const auto& [address, vip] : want_.vips) {
      const VipState* old = find(have_.vips, address);
      if (!old || *old != vip) steps_.emplace_back(PutVip{address, vip});
    }
  }

  void attach() {
    for (const auto& [name, interface] : want_.interfaces)
      if (!attached_as_wanted(find(have_.interfaces, name), interface))
        steps_.emplace_back(Attach{name, interface});
  }

  void detach() {
    for (const auto& [name, interface] : have_.interfaces)
      if (!want_.interfaces.contains(name)) steps_.emplace_back(Detach{name, interface});
  }

  void remove_listeners() {
    for (const auto& [address, vip] : have_.vips)
      if (!want_.vips.contains(address)) steps_.emplace_back(RemoveVip{address});
    const auto want = listeners_of(want_);
    for (const auto& [listener, id] : listeners_of(have_))
      if (!want.contains(listener)) steps_.emplace_back(RemoveListener{listener});
  }

  void remove_services() {
    for (const auto& [name, service] : have_.services) {
      const ServiceState* kept = same_service(want_, name, service.id);
      if (!kept) steps_.emplace_back(RemoveService{name, service.id});
      for (const auto& [endpoint, backend] : service.backends) {
        const BackendState* stays = kept ? find(kept->backends, endpoint) : nullptr;
        if (!stays || stays->id != backend.id)
          steps_.emplace_back(RemoveBackend{name, service.id, endpoint, backend.id});
      }
    }
  }

  const State& have_;
  const State& want_;
  const std::map<std::string, RingRecipe>& recipes_;
  std::vector<Step> steps_;
};

struct Describe {
  std::string operator()(const PutEgress& s) const {
    return "allow egress " + std::to_string(s.ifindex);
  }
  std::string operator()(const PutSources& s) const {
    return "put " + std::to_string(s.sources.size()) + " source addresses";
  }
  std::string operator()(const RemoveSources& s) const {
    return "remove " + std::to_string(s.indexes.size()) + " source addresses";
  }
  std::string operator()(const PutBackend& s) const {
    return "put backend " + s.service + " " + s.endpoint.to_string();
  }
  std::string operator()(const PutService& s) const { return "put service " + s.service; }
  std::string operator()(const PutRings& s) const {
    return s.rings.size() == 1 ? "publish ring of " + s.rings[0].service
                               : "publish " + std::to_string(s.rings.size()) + " rings";
  }
  std::string operator()(const PutListener& s) const { return "put listener " + text(s.listener); }
  std::string operator()(const PutVip& s) const { return "put VIP " + s.address.to_string(); }
  std::string operator()(const Attach& s) const { return "attach to " + s.interface; }
  std::string operator()(const Detach& s) const { return "detach from " + s.interface; }
  std::string operator()(const RemoveVip& s) const { return "remove VIP " + s.address.to_string(); }
  std::string operator()(const RemoveListener& s) const {
    return "remove listener " + text(s.listener);
  }
  std::string operator()(const RemoveService& s) const { return "remove service " + s.service; }
  std::string operator()(const RemoveBackend& s) const {
    return "remove backend " + s.service + " " + s.endpoint.to_string();
  }
  std::string operator()(const RemoveEgress& s) const {
    return "remove egress " + std::to_string(s.ifindex);
  }
};

}  // namespace

std::string describe(const Step& step) {
  return std::visit(Describe{}, step);
}

std::vector<Step> plan(const State& have, const State& want,
                       const std::map<std::string, RingRecipe>& recipes) {
  return Planner(have, want, recipes).plan();
}

}  // namespace loom
