// SPDX-License-Identifier: Apache-2.0
#include "lb/model/desired.hpp"

#include <algorithm>
#include <cerrno>

#include "lb/model/path_mtu.hpp"

namespace loom {
namespace {

bool keeps_family(Forwarding forwarding) {
  return forwarding == Forwarding::kNat || forwarding == Forwarding::kL2;
}

bool has_backend_of(const ServiceSpec& service, Family family) {
  return std::any_of(service.backends.begin(), service.backends.end(),
                     [&](const BackendSpec& b) { return b.endpoint.address.family() == family; });
}

/// The addresses a service answers on now.
std::vector<IpAddr> vips_of(const ServiceSpec& service, const Spec& spec, const Links& links) {
  if (!service.vips_from_interfaces) return service.vips;
  std::vector<IpAddr> vips;
  for (const std::string& name : spec.interfaces) {
    const auto it = links.interfaces.find(name);
    if (it == links.interfaces.end()) continue;
    for (const IpAddr& address : it->second.addresses)
      // Rule 36: an address nobody could be reached from stays with the stack.
      if (!keeps_family(service.forwarding) || has_backend_of(service, address.family()))
        vips.push_back(address);
  }
  return vips;
}

/// Builds the State piece by piece; one object per desired() call.
class Builder {
 public:
  Builder(const Spec& spec, const Links& links, const HealthMap& health)
      : spec_(spec), links_(links), health_(health) {}

  Desired build() {
    add_interfaces();
    for (const ServiceSpec& service : spec_.services) add_vips(service);
    for (const ServiceSpec& service : spec_.services)
      for (const BackendSpec& backend : service.backends) add_backend(service, backend);
    add_passthrough();
    return std::move(out_);
  }

 private:
  void add_interfaces() {
    for (const std::string& name : spec_.interfaces) {
      const auto it = links_.interfaces.find(name);
      if (it == links_.interfaces.end()) continue;
      out_.state.interfaces[name] = {it->second.ifindex, it->second.mac, spec_.mode,
                                     spec_.extra_macs};
      out_.state.egress.insert(it->second.ifindex);
    }
  }

  void add_vips(const ServiceSpec& service) {
    const std::vector<IpAddr> vips = vips_of(service, spec_, links_);
    if (vips.empty())
      out_.service_problems[service.name] =
          service.vips_from_interfaces
              ? "the interfaces have no address of a family that a backend has"
              : "has no VIP";
    for (const IpAddr& vip : vips) {
      ServiceState& state = state_of(service, vip.family());
      VipState& flags = out_.state.vips[vip];
      for (const PortSpec& port : service.ports) {
        flags.ranges = flags.ranges || !port.is_exact();
        add_listeners(state, {vip, port});
      }
      flags.echo = echo_of(service, vip, flags);
      flags.service = true;
      flags.pass_unserved = flags.pass_unserved || passes_unserved(service, vip);
    }
  }

  ServiceState& state_of(const ServiceSpec& service, Family family) {
    const std::string name = datapath_service(service, family);
    out_.recipes[name] = {service.algorithm, service.hash_seed};
    ServiceState& state = out_.state.services[name];
    state.forwarding = service.forwarding;
    state.in_turn = service.algorithm != Algorithm::kMaglev;
    state.affinity = service.affinity;
    if (ring_finds_flows(service)) state.tracking = service.tracking;
    state.on_no_backend = service.on_no_backend;
    if (service.on_no_backend == NoBackendPolicy::kLastKnown) {
      // The datapath has nothing to know about it: it is a matter of who is in the ring.
      out_.keep_last_known.insert(name);
      state.on_no_backend = NoBackendPolicy::kDrop;
    }
    return state;
  }

  static void add_listeners(ServiceState& state, const Listener& listener) {
    if (listener.port.is_exact()) {
      state.listeners.insert(listener);
      return;
    }
    for (const PortSpec& block : blocks_of(listener.port))
      state.listeners.insert({listener.vip, block});
  }

  /// `flags` is what earlier services made of the VIP; a word in the configuration beats a default.
  EchoPolicy echo_of(const ServiceSpec& service, const IpAddr& vip, const VipState& flags) {
    if (service.icmp_echo) {
      echo_configured_.insert(vip);
      return *service.icmp_echo;
    }
    if (flags.service && echo_configured_.contains(vip)) return flags.echo;
    return links_.local_addresses.contains(vip) ? EchoPolicy::kPass : EchoPolicy::kReply;
  }

  /// Rule 35: on an address of this host, refusing unserved ports would lock SSH out.
  bool passes_unserved(const ServiceSpec& service, const IpAddr& vip) const {
    if (service.on_no_service) return *service.on_no_service == UnservedPolicy::kPass;
    return links_.local_addresses.contains(vip);
  }

  void add_backend(const ServiceSpec& service, const BackendSpec& spec) {
    const std::string name = datapath_service(service, spec.endpoint.address.family());
    const auto it = out_.state.services.find(name);
    if (it == out_.state.services.end()) {
      constexpr const char* kWhy = "has an address family that no VIP of the service has";
      problem(service, spec, kWhy);
      out_.unusable[{service.name, spec.endpoint}] = kWhy;
      return;
    }
    BackendState state;
    state.api_id = spec.api_id;
    state.name = spec.name;
    state.weight = spec.weight;
    state.admin = spec.state;
    state.down = spec.state == AdminState::kMaint || is_down(spec.endpoint);
    if (service.forwarding == Forwarding::kGue) {
      state.gue_port = service.gue_port;
      state.udp6_zero_checksum = service.udp6_zero_checksum;
    }
    const IpAddr& address = spec.endpoint.address;
    state.local = links_.local_addresses.contains(address);
    if (!state.local) set_next_hop(service, spec, state);
    if (state.local && service.forwarding == Forwarding::kNat && spec.endpoint.port != 0)
      problem(service, spec,
              "is this host, where packets arrive as they came: its port is not put into them");
    add_sources(service, address.family());
    it->second.backends[spec.endpoint] = std::move(state);
  }

  void add_sources(const ServiceSpec& service, Family family) {
    if (keeps_family(service.forwarding)) return;  // no outer header
    std::vector<IpAddr> pool;
    for (const IpAddr& address : service.source_pool)
      if (address.family() == family) pool.push_back(address);
    if (!pool.empty())
      out_.source_pools[{datapath_service(service, family), family}] = std::move(pool);
  }

  bool is_down(const Endpoint& endpoint) const {
    const auto it = health_.find(endpoint);
    return it != health_.end() && it->second == Health::kDown;
  }

  void set_next_hop(const ServiceSpec& service, const BackendSpec& spec, BackendState& state) {
    const IpAddr& address = spec.endpoint.address;
    const auto resolved = links_.next_hops.find(address);
    const auto incomplete = links_.incomplete.find(address);
    if (resolved == links_.next_hops.end()) {
      const auto why = links_.unresolved.find(address);
      problem(service, spec, why == links_.unresolved.end() ? "next hop unknown" : why->second);
    }
    if (resolved == links_.next_hops.end() && incomplete == links_.incomplete.end()) {
      state.down = true;  // no way to it: slots would be a hole
      return;
    }
    const NextHop& hop = resolved != links_.next_hops.end() ? resolved->second : incomplete->second;
    const std::string refusal = refuse(service, address, hop);
    if (!refusal.empty()) {
      problem(service, spec, refusal);
      out_.unusable[{service.name, spec.endpoint}] = refusal;
      state.down = true;
      return;
    }
    set_way(service, address, hop, state);
    if (resolved == links_.next_hops.end()) return;  // the datapath asks the kernel meanwhile
    state.next_hop = hop;
    state.next_hop->source_address = state.source;
    state.next_hop->mtu = mtu_of(service, address, hop);
  }

  /// Not below what the clients' packets need that cannot be made smaller: a router's word, which
  /// may be a forgery, must not shut out what a path of ours has to carry anyway.
  uint32_t mtu_of(const ServiceSpec& service, const IpAddr& address, const NextHop& hop) const {
    const auto path = links_.path_mtus.find(address);
    if (!is_tunnel(service.forwarding) || path == links_.path_mtus.end()) return hop.mtu;
    uint32_t least = PathMtus::kLeastV4;
    for (const IpAddr& vip : vips_of(service, spec_, links_))
      if (!vip.is_v4()) least = PathMtus::kLeastV6;
    least += tunnel_overhead(service.forwarding, address.family());
    return std::min(hop.mtu, std::max(path->second.mtu, least));
  }

  void set_way(const ServiceSpec& service, const IpAddr& address, const NextHop& hop,
               BackendState& state) {
    state.source = source_of(service, address, hop);
    out_.state.egress.insert(hop.ifindex);
    if (service.forwarding != Forwarding::kNat) return;
    VipState& nat = out_.state.vips[state.source];
    nat.nat = true;
    nat.pass_unserved = nat.pass_unserved || links_.local_addresses.contains(state.source);
  }

  /// Why packets must not be sent this way; empty: they may.
  std::string refuse(const ServiceSpec& service, const IpAddr& address, const NextHop& hop) const {
    const auto vip = out_.state.vips.find(address);
    if (vip != out_.state.vips.end() && vip->second.service)
      return "is a VIP of this balancer: packets would come back";
    if (service.forwarding == Forwarding::kL2) {
      const auto gateway = links_.gateways.find(address);
      if (gateway != links_.gateways.end())
        return "is behind gateway " + gateway->second.to_string() +
               "; encap none needs it on the same layer-2 network";
    }
    if (service.forwarding == Forwarding::kNat && !attached(hop.ifindex))
      return "is reached through an interface that is not listed under interfaces; its replies "
             "would not come back through Loom";
    return {};
  }

  bool attached(uint32_t ifindex) const {
    return std::any_of(out_.state.interfaces.begin(), out_.state.interfaces.end(),
                       [&](const auto& entry) { return entry.second.ifindex == ifindex; });
  }

  static IpAddr source_of(const ServiceSpec& service, const IpAddr& backend, const NextHop& hop) {
    if (service.forwarding == Forwarding::kNat)
      for (const IpAddr& address : service.nat_addresses)
        if (address.family() == backend.family()) return address;
    return hop.source_address;
  }

  void add_passthrough() {
    for (const auto& [vip, flags] : out_.state.vips) {
      if (!flags.service) continue;
      for (const uint16_t port : spec_.passthrough_ports)
        for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
          const Listener listener{vip, {port, protocol}};
          out_.state.passthrough.insert(listener);
          for (auto& [name, service] : out_.state.services) service.listeners.erase(listener);
        }
    }
  }

  void problem(const ServiceSpec& service, const BackendSpec& spec, std::string text) {
    out_.backend_problems[{service.name, spec.endpoint}] = std::move(text);
  }

  const Spec& spec_;
  const Links& links_;
  const HealthMap& health_;
  std::set<IpAddr> echo_configured_;
  Desired out_;
};

template <class Map>
std::set<uint32_t> ids_of(const Map& entries) {
  std::set<uint32_t> ids;
  for (const auto& [key, entry] : entries) ids.insert(entry.id);
  return ids;
}

/// Ids held over, or 0.
uint32_t known_id(const std::map<Endpoint, BackendState>* known, const Endpoint& endpoint) {
  if (!known) return 0;
  const auto it = known->find(endpoint);
  return it == known->end() ? 0 : it->second.id;
}

Result<uint32_t> new_id(IdPool& pool, std::set<uint32_t>& used, const std::string& whose) {
  const uint32_t id = pool.take(used);
  if (id == 0) return Error(ENOSPC, "no free id for " + whose);
  used.insert(id);
  return id;
}

}  // namespace

std::string datapath_service(const ServiceSpec& service, Family family) {
  if (!keeps_family(service.forwarding)) return service.name;
  return service.name + (family == Family::kV4 ? "@v4" : "@v6");
}

std::set<IpAddr> next_hop_targets(const Spec& spec) {
  std::set<IpAddr> targets;
  for (const ServiceSpec& service : spec.services)
    for (const BackendSpec& backend : service.backends) targets.insert(backend.endpoint.address);
  return targets;
}

Desired desired(const Spec& spec, const Links& links, const HealthMap& health) {
  return Builder(spec, links, health).build();
}

uint32_t IdPool::take(const std::set<uint32_t>& used) {
  for (uint32_t tried = 0; tried < max_; ++tried) {
    last_ = last_ % max_ + 1;
    if (!used.contains(last_)) return last_;
  }
  return 0;
}

Result<void> assign_ids(Desired& want, const State& have, IdPool& services, IdPool& backends) {
  std::set<uint32_t> used_services = ids_of(have.services);
  std::set<uint32_t> used_backends;
  for (const auto& [name, service] : have.services) used_backends.merge(ids_of(service.backends));

  for (auto& [name, service] : want.state.services) {
    const auto known = have.services.find(name);
    // Another forwarding means other flows: under a new id no packet meets a half-changed service.
    const bool same =
        known != have.services.end() && known->second.forwarding == service.forwarding;
    const std::map<Endpoint, BackendState>* members = same ? &known->second.backends : nullptr;
    if (same) {
      service.id = known->second.id;
    } else {
      const Result<uint32_t> id = new_id(services, used_services, "service " + name);
      if (!id) return id.error();
      service.id = *id;
    }
    for (auto& [endpoint, backend] : service.backends) {
      backend.id = known_id(members, endpoint);
      if (backend.id != 0) continue;
      const Result<uint32_t> id =
          new_id(backends, used_backends, "backend " + endpoint.to_string() + " of " + name);
      if (!id) return id.error();
      backend.id = *id;
    }
  }
  return {};
}

void keep_last_known(Desired& want, const State& have) {
  for (const std::string& name : want.keep_last_known) {
    ServiceState& service = want.state.services[name];
    const auto in_ring = [](const auto& entry) { return entry.second.in_ring(); };
    if (std::any_of(service.backends.begin(), service.backends.end(), in_ring)) continue;
    const auto known = have.services.find(name);
    if (known == have.services.end()) continue;
    for (auto& [endpoint, backend] : service.backends) {
      const auto last = known->second.backends.find(endpoint);
      const bool was_last = last != known->second.backends.end() && last->second.in_ring();
      const bool reachable = backend.local || !backend.source.is_unspecified();
      if (was_last && reachable && backend.admin == AdminState::kActive) backend.down = false;
    }
  }
}

std::vector<RingMember> ring_members(const ServiceState& service) {
  std::vector<RingMember> members;
  for (const auto& [endpoint, backend] : service.backends)
    if (backend.in_ring()) members.push_back({endpoint, backend.id, backend.weight});
  return members;
}

void set_ring_digests(Desired& want, uint32_t ring_size) {
  for (auto& [name, service] : want.state.services)
    service.ring_digest = ring_digest(ring_members(service), want.recipes[name], ring_size);
}

}  // namespace loom
