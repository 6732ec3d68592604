// SPDX-License-Identifier: Apache-2.0
#include "lb/model/path_mtu.hpp"

#include <algorithm>

namespace loom {
namespace {

constexpr uint8_t kIpv4InIp = 4, kUdp = 17, kIpv6InIp = 41;
constexpr uint32_t kIpv4Header = 20, kIpv6Header = 40, kGueHeaders = 12;

}  // namespace

uint32_t tunnel_overhead(Forwarding forwarding, Family outer) {
  if (!is_tunnel(forwarding)) return 0;
  const uint32_t header = outer == Family::kV4 ? kIpv4Header : kIpv6Header;
  return forwarding == Forwarding::kGue ? header + kGueHeaders : header;
}

void PathMtus::follow(const State& state) {
  sources_.clear();
  tunnels_.clear();
  for (const auto& [index, address] : state.sources) sources_.insert(address);
  for (const auto& [name, service] : state.services) {
    if (!is_tunnel(service.forwarding)) continue;
    for (const auto& [endpoint, backend] : service.backends) {
      Tunnels& tunnels = tunnels_[endpoint.address];
      if (!backend.source.is_unspecified()) sources_.insert(backend.source);
      if (backend.next_hop) tunnels.mtu = std::max(tunnels.mtu, backend.next_hop->mtu);
      if (service.forwarding == Forwarding::kGue)
        tunnels.kinds.insert({kUdp, backend.gue_port});
      else
        tunnels.kinds.insert({{kIpv4InIp, uint16_t{0}}, {kIpv6InIp, uint16_t{0}}});
    }
  }
  std::erase_if(learned_, [this](const auto& entry) { return !tunnels_.contains(entry.first); });
}

const PathMtus::Tunnels* PathMtus::find(const TooBig& message) const {
  const auto tunnels = tunnels_.find(message.destination);
  const bool ours = tunnels != tunnels_.end() && sources_.contains(message.source) &&
                    tunnels->second.kinds.contains({message.protocol, message.port});
  return ours ? &tunnels->second : nullptr;
}

bool PathMtus::learn(const TooBig& message, Clock::time_point now) {
  const Tunnels* tunnels = find(message);
  if (!tunnels || message.length <= message.mtu) return false;
  const uint32_t mtu = std::max(message.mtu, message.destination.is_v4() ? kLeastV4 : kLeastV6);
  if (mtu >= tunnels->mtu) return false;
  const auto [entry, fresh] = learned_.try_emplace(message.destination);
  // Packets under way when the first message came bring more of them.
  if (!fresh && mtu >= entry->second.mtu) return false;
  entry->second = {mtu, now + kLifetime};
  return true;
}

bool PathMtus::expire(Clock::time_point now) {
  return std::erase_if(learned_, [now](const auto& entry) { return entry.second.expires <= now; }) >
         0;
}

}  // namespace loom
