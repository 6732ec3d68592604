// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/codec.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace loom {

loom_addr to_abi(const IpAddr& address) {
  loom_addr out;
  std::memcpy(&out, address.bytes().data(), sizeof(out));
  return out;
}

IpAddr from_abi(const loom_addr& address) {
  std::array<uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &address, sizeof(address));
  return IpAddr(bytes);
}

loom_listener_key to_abi(const Listener& listener) {
  return {.vip = to_abi(listener.vip),
          .port = htons(listener.port.port),
          .proto = static_cast<uint8_t>(listener.port.protocol),
          .pad = 0};
}

Listener from_abi(const loom_listener_key& key) {
  return {from_abi(key.vip), {ntohs(key.port), static_cast<Protocol>(key.proto)}};
}

loom_vip to_abi(const VipState& vip) {
  uint32_t flags = 0;
  if (vip.service) flags |= LOOM_VIP_F_SERVICE;
  if (vip.nat) flags |= LOOM_VIP_F_NAT;
  if (vip.pass_unserved) flags |= LOOM_VIP_F_PASS_UNSERVED;
  return {flags, 0};
}

VipState from_abi(const loom_vip& vip) {
  return {(vip.flags & LOOM_VIP_F_SERVICE) != 0, (vip.flags & LOOM_VIP_F_NAT) != 0,
          (vip.flags & LOOM_VIP_F_PASS_UNSERVED) != 0};
}

BackendEntry to_abi(const PutBackend& step, uint32_t generation) {
  const BackendState& state = step.backend;
  BackendEntry out{};
  out.entry.addr = to_abi(step.endpoint.address);
  out.entry.source = to_abi(state.source);
  out.entry.generation = generation;
  out.entry.service = step.service_id;
  out.entry.forwarding = static_cast<uint8_t>(step.forwarding);
  out.entry.port = htons(step.forwarding == Forwarding::kGue ? state.gue_port : step.endpoint.port);
  if (state.next_hop) {
    const NextHop& hop = *state.next_hop;
    std::copy(hop.destination.bytes.begin(), hop.destination.bytes.end(), out.entry.dmac);
    std::copy(hop.source.bytes.begin(), hop.source.bytes.end(), out.entry.smac);
    out.entry.ifindex = hop.ifindex;
    out.entry.mtu = static_cast<uint16_t>(std::min<uint32_t>(hop.mtu, 0xffff));
    out.entry.flags |= LOOM_BACKEND_F_NEXT_HOP;
  }
  if (state.down) out.entry.flags |= LOOM_BACKEND_F_DOWN;
  if (state.udp6_zero_checksum) out.entry.flags |= LOOM_BACKEND_F_UDP6_ZERO_CSUM;

  copy_name(out.info.name, state.name);
  out.info.api_id = state.api_id;
  out.info.weight = state.weight;
  out.info.state = static_cast<uint32_t>(state.admin);
  out.info.port = htons(step.endpoint.port);
  return out;
}

BackendState from_abi(uint32_t id, const loom_backend& entry, const loom_backend_info& info) {
  BackendState out;
  out.id = id;
  out.api_id = info.api_id;
  out.name = name_of(info.name);
  out.weight = info.weight;
  out.admin = static_cast<AdminState>(info.state);
  out.down = (entry.flags & LOOM_BACKEND_F_DOWN) != 0;
  out.source = from_abi(entry.source);
  if (entry.flags & LOOM_BACKEND_F_NEXT_HOP) {
    NextHop hop;
    hop.ifindex = entry.ifindex;
    std::copy(std::begin(entry.smac), std::end(entry.smac), hop.source.bytes.begin());
    std::copy(std::begin(entry.dmac), std::end(entry.dmac), hop.destination.bytes.begin());
    hop.mtu = entry.mtu;
    hop.source_address = out.source;
    out.next_hop = hop;
  }
  if (entry.forwarding == LOOM_FORWARD_GUE) out.gue_port = ntohs(entry.port);
  out.udp6_zero_checksum = (entry.flags & LOOM_BACKEND_F_UDP6_ZERO_CSUM) != 0;
  return out;
}

Endpoint endpoint_of(const loom_backend& entry, const loom_backend_info& info) {
  return {from_abi(entry.addr), ntohs(info.port)};
}

Count from_abi(const loom_counter& counter) {
  return {counter.packets, counter.rx_bytes, counter.tx_bytes, counter.flows};
}

void add(loom_counter& sum, const loom_counter& counter) {
  sum.packets += counter.packets;
  sum.rx_bytes += counter.rx_bytes;
  sum.tx_bytes += counter.tx_bytes;
  sum.flows += counter.flows;
}

void copy_name(char (&field)[LOOM_NAME_SIZE], std::string_view name) {
  std::memset(field, 0, sizeof(field));
  std::memcpy(field, name.data(), std::min(name.size(), sizeof(field) - 1));
}

std::string name_of(const char (&field)[LOOM_NAME_SIZE]) {
  return {field, strnlen(field, sizeof(field))};
}

std::string pin_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '.')
      out += "%2e";
    else if (c == '%')
      out += "%25";
    else
      out += c;
  }
  return out;
}

std::string name_from_pin(std::string_view pin) {
  std::string out;
  for (size_t i = 0; i < pin.size(); ++i) {
    if (pin.substr(i, 3) == "%2e" || pin.substr(i, 3) == "%25") {
      out += pin[i + 2] == 'e' ? '.' : '%';
      i += 2;
    } else {
      out += pin[i];
    }
  }
  return out;
}

}  // namespace loom
