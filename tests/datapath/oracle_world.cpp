// SPDX-License-Identifier: Apache-2.0
#include "oracle_world.hpp"

#include <algorithm>
#include <functional>

#include "oracle_bytes.hpp"

namespace loom::test {
namespace {

using Change = std::function<void(loom_backend&)>;

/// Adds a member to the newest service.
void add(World& world, loom_forwarding forwarding, const char* address, const Change& change = {}) {
  loom_backend backend = backend_of(forwarding, address);
  backend.service = world.services.rbegin()->first;
  backend.generation = static_cast<uint32_t>(world.backends.size()) + 10;
  if (change) change(backend);
  const auto id = static_cast<loom_slot>(world.backends.size());
  world.backends.push_back(backend);
  std::vector<loom_slot>& ring = world.rings[backend.service];
  ring.push_back(id);
}

void begin_service(World& world, loom_forwarding forwarding) {
  const uint32_t id = static_cast<uint32_t>(world.services.size()) + 1;
  loom_service service{};
  service.forwarding = static_cast<uint8_t>(forwarding);
  world.services[id] = service;
}

void add_service(World& world, loom_forwarding forwarding, const char* address,
                 const Change& change = {}) {
  begin_service(world, forwarding);
  add(world, forwarding, address, change);
}

void add_good_services(World& world, uint32_t egress) {
  const Change redirect = [egress](loom_backend& b) { b.ifindex = egress; };
  add_service(world, LOOM_FORWARD_IPIP, "10.0.0.2");
  add_service(world, LOOM_FORWARD_IPIP, "fc00::2");
  add_service(world, LOOM_FORWARD_GUE, "10.0.0.3");
  add_service(world, LOOM_FORWARD_GUE, "fc00::3");
  add_service(world, LOOM_FORWARD_GUE, "fc00::4",
              [](loom_backend& b) { b.flags |= LOOM_BACKEND_F_UDP6_ZERO_CSUM; });
  add_service(world, LOOM_FORWARD_L2, "10.0.0.5");
  add_service(world, LOOM_FORWARD_L2, "fc00::5", redirect);
  add_service(world, LOOM_FORWARD_NAT, "10.0.0.6", [](loom_backend& b) { b.port = htons(8080); });
  add_service(world, LOOM_FORWARD_NAT, "fc00::6");
  add_service(world, LOOM_FORWARD_IPIP, "10.0.0.7", redirect);
  add_service(world, LOOM_FORWARD_NAT, "10.0.0.8", redirect);
  begin_service(world, LOOM_FORWARD_NAT);
  for (const char* address : {"10.0.1.1", "10.0.1.2", "10.0.1.3"})
    add(world, LOOM_FORWARD_NAT, address);
  begin_service(world, LOOM_FORWARD_GUE);
  add(world, LOOM_FORWARD_GUE, "10.0.2.1");
  add(world, LOOM_FORWARD_GUE, "fc00:2::2", [](loom_backend& b) { b.mtu = 0; });
  add(world, LOOM_FORWARD_IPIP, "10.0.2.3");
  add(world, LOOM_FORWARD_L2, "10.0.2.4");
}

void add_bad_services(World& world) {
  begin_service(world, LOOM_FORWARD_IPIP);
  add(world, LOOM_FORWARD_IPIP, "10.0.3.1", [](loom_backend& b) { b.ifindex = 999; });
  add(world, LOOM_FORWARD_IPIP, "10.0.3.2", [](loom_backend& b) { b.flags = 0; });
  add(world, LOOM_FORWARD_GUE, "10.0.3.3", [](loom_backend& b) {
    b.flags = 0;
    b.source = {};
  });
  add(world, LOOM_FORWARD_IPIP, "10.0.3.4", [](loom_backend& b) { b.source = addr(kSource6); });
  add(world, LOOM_FORWARD_GUE, "fc00:3::5", [](loom_backend& b) { b.source = addr(kSource4); });
  add(world, LOOM_FORWARD_L2, "10.0.3.6", [](loom_backend& b) { b.forwarding = 9; });
  add(world, LOOM_FORWARD_IPIP, "10.0.3.7", [](loom_backend& b) { b.mtu = 76; });
  add(world, LOOM_FORWARD_NONE, "10.0.3.8");
  add(world, LOOM_FORWARD_L2, "10.0.3.9", [](loom_backend& b) { b.flags |= LOOM_BACKEND_F_DOWN; });
  world.rings.rbegin()->second.push_back(0);
  world.rings.rbegin()->second.push_back(kMaxBackends);
  begin_service(world, LOOM_FORWARD_L2);  // Without a ring.
  add_service(world, LOOM_FORWARD_NONE, "10.0.3.10");
}

/// Two members, one of which is this host.
void add_local_services(World& world) {
  const Change local = [](loom_backend& b) { b.flags |= LOOM_BACKEND_F_LOCAL; };
  for (const loom_forwarding forwarding : {LOOM_FORWARD_IPIP, LOOM_FORWARD_L2, LOOM_FORWARD_NAT}) {
    begin_service(world, forwarding);
    add(world, forwarding, "10.0.4.1", local);
    add(world, forwarding, "10.0.4.2");
    if (forwarding != LOOM_FORWARD_IPIP)
      world.services.rbegin()->second.algorithm = LOOM_ALGORITHM_ROTOR;
  }
}

/// All ways to choose a member, and to remember it or not.
void add_choosing_services(World& world) {
  const auto begin = [&world](loom_forwarding forwarding, loom_algorithm algorithm,
                              loom_affinity affinity) {
    begin_service(world, forwarding);
    loom_service& service = world.services.rbegin()->second;
    service.algorithm = static_cast<uint8_t>(algorithm);
    service.affinity = static_cast<uint8_t>(affinity);
    for (const char* address : {"10.0.5.1", "10.0.5.2", "10.0.5.3"})
      add(world, forwarding, address);
  };
  begin(LOOM_FORWARD_L2, LOOM_ALGORITHM_ROTOR, LOOM_AFFINITY_FIVE_TUPLE);
  begin(LOOM_FORWARD_NAT, LOOM_ALGORITHM_ROTOR, LOOM_AFFINITY_FIVE_TUPLE);
  begin(LOOM_FORWARD_GUE, LOOM_ALGORITHM_MAGLEV, LOOM_AFFINITY_SOURCE_IP);
  begin(LOOM_FORWARD_NAT, LOOM_ALGORITHM_ROTOR, LOOM_AFFINITY_SOURCE_IP);
  begin(LOOM_FORWARD_IPIP, LOOM_ALGORITHM_ROTOR, LOOM_AFFINITY_NONE);
  begin(LOOM_FORWARD_NAT, LOOM_ALGORITHM_MAGLEV, LOOM_AFFINITY_NONE);
}

/// Good ones, one with an address of the other family in it, and one beyond the end of the map.
void add_source_pools(World& world) {
  world.sources.resize(kSourceSlots);
  for (uint32_t i = 0; i < 5; ++i) {
    world.sources[i] = addr("10.0.9." + std::to_string(i));
    world.sources[5 + i] = addr("fc00:9::" + std::to_string(i));
  }
  const auto pool = [](uint32_t first, uint32_t count) {
    return [first, count](loom_backend& b) {
      b.source_first = static_cast<uint16_t>(first);
      b.source_count = static_cast<uint16_t>(count);
    };
  };
  add_service(world, LOOM_FORWARD_GUE, "10.0.6.1", pool(0, 5));
  add(world, LOOM_FORWARD_GUE, "fc00:6::2", pool(5, 5));
  add(world, LOOM_FORWARD_IPIP, "10.0.6.3", pool(3, 4));
  add(world, LOOM_FORWARD_GUE, "fc00:6::4", pool(kSourceSlots - 1, 3));
}

/// 9000 to 9007 with one exception, and on another VIP everything that is left.
void add_ranges(World& world) {
  for (const uint8_t proto : {IPPROTO_TCP, IPPROTO_UDP}) {
    world.ranges.push_back({addr(kVip4), proto, kFirstRangePort, 13, {1, 0}});
    world.ranges.push_back({addr(kVip4), proto, kFirstRangePort + 4, 16, {6, 0}});
    world.ranges.push_back({addr(kMixedVip4), proto, 0, 0, {3, 0}});
    world.ranges.push_back({addr(kVip6), proto, kFirstRangePort, 13, {7, 0}});
  }
  world.vips[addr(kVip6)].flags |= LOOM_VIP_F_RANGES;
  world.vips[addr(kVip4)].flags |= LOOM_VIP_F_RANGES;
  world.vips[addr(kMixedVip4)].flags |= LOOM_VIP_F_RANGES;
}

/// From a list of members to a whole ring.
void fill_rings(World& world) {
  for (auto& [service, ring] : world.rings) {
    const std::vector<loom_slot> members = ring;
    ring.resize(kRingSize);
    for (uint32_t slot = 0; slot < kRingSize; ++slot) ring[slot] = members[slot % members.size()];
  }
}

loom_interface interface_of(uint32_t ifindex, const MacBytes& mac) {
  loom_interface out{};
  out.ifindex = ifindex;
  std::copy(mac.begin(), mac.end(), out.mac);
  return out;
}

void add_listeners(World& world) {
  for (const char* vip : {kVip4, kVip6, kHostVip4, kMixedVip4}) {
    for (const uint8_t proto : {IPPROTO_TCP, IPPROTO_UDP}) {
      const auto listen = [&](uint32_t port, loom_listener value) {
        world.listeners[{addr(vip), htons(static_cast<uint16_t>(port)), proto, 0}] = value;
      };
      for (const auto& [id, service] : world.services) listen(kFirstPort + id - 1, {id, 0});
      listen(kPassedPort, {0, LOOM_LISTENER_F_PASS});
      listen(kLostPort, {LOOM_MAX_SERVICES, 0});
    }
  }
}

}  // namespace

uint16_t port_of(uint32_t service) {
  return static_cast<uint16_t>(kFirstPort + service - 1);
}

std::string text_of(const loom_addr& address) {
  char out[INET6_ADDRSTRLEN] = "";
  const bool v4 = is_v4(address);
  inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &address.w[3] : &address.w[0], out, sizeof(out));
  return out;
}

Payload raw(const Bytes& bytes) {
  return {std::string(bytes.begin(), bytes.end())};
}

World oracle_world(uint32_t egress) {
  World out;
  out.interfaces[kIngress] = interface_of(kIngress, kOurMac);
  out.interfaces[egress] = interface_of(egress, kEgressMac);
  out.egress = {egress};
  out.interfaces[kIngress].extra_count = 1;
  std::copy(kExtraMac.begin(), kExtraMac.end(), out.interfaces[kIngress].extra[0]);
  out.vips[addr(kVip4)] = {LOOM_VIP_F_SERVICE, 0};
  out.vips[addr(kVip6)] = {LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY, 0};
  out.vips[addr(kHostVip4)] = {
      LOOM_VIP_F_SERVICE | LOOM_VIP_F_PASS_UNSERVED | LOOM_VIP_F_ECHO_REPLY, 0};
  out.vips[addr(kMixedVip4)] = {LOOM_VIP_F_SERVICE | LOOM_VIP_F_NAT | LOOM_VIP_F_ECHO_DROP, 0};
  out.vips[addr(kSource4)] = out.vips[addr(kSource6)] = {LOOM_VIP_F_NAT, 0};
  out.backends.resize(1);  // Id 0 is nobody.
  add_good_services(out, egress);
  add_bad_services(out);
  out.services[kBadService].on_no_backend = LOOM_NO_BACKEND_REJECT;
  out.services[kBadService + 1].on_no_backend = LOOM_NO_BACKEND_PASS;
  add_local_services(out);
  add_choosing_services(out);
  add_source_pools(out);
  fill_rings(out);
  add_listeners(out);
  add_ranges(out);
  out.backends.resize(kMaxBackends);
  return out;
}

}  // namespace loom::test
