// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/codec.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <bit>
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

loom_range_key to_range_abi(const Listener& listener) {
  const auto size = static_cast<uint32_t>(listener.port.last - listener.port.port + 1);
  const auto free_bits = static_cast<uint32_t>(std::countr_zero(size));
  return {.prefixlen = LOOM_RANGE_PREFIX + 16 - free_bits,
          .vip = to_abi(listener.vip),
          .pad = 0,
          .proto = static_cast<uint8_t>(listener.port.protocol),
          .port = htons(listener.port.port)};
}

Listener from_abi(const loom_range_key& key) {
  const uint32_t size = 1u << (LOOM_RANGE_PREFIX + 16 - key.prefixlen);
  const uint16_t first = ntohs(key.port);
  const auto last = static_cast<uint16_t>(first + size - 1);
  return {from_abi(key.vip), {first, static_cast<Protocol>(key.proto), last}};
}

loom_vip to_abi(const VipState& vip) {
  uint32_t flags = 0;
  if (vip.service) flags |= LOOM_VIP_F_SERVICE;
  if (vip.nat) flags |= LOOM_VIP_F_NAT;
  if (vip.pass_unserved) flags |= LOOM_VIP_F_PASS_UNSERVED;
  if (vip.ranges) flags |= LOOM_VIP_F_RANGES;
  if (vip.echo == EchoPolicy::kReply) flags |= LOOM_VIP_F_ECHO_REPLY;
  if (vip.echo == EchoPolicy::kDrop) flags |= LOOM_VIP_F_ECHO_DROP;
  return {flags, 0};
}

VipState from_abi(const loom_vip& vip) {
  const auto has = [&](uint32_t flag) { return (vip.flags & flag) != 0; };
  VipState out;
  out.service = has(LOOM_VIP_F_SERVICE);
  out.nat = has(LOOM_VIP_F_NAT);
  out.pass_unserved = has(LOOM_VIP_F_PASS_UNSERVED);
  out.ranges = has(LOOM_VIP_F_RANGES);
  if (has(LOOM_VIP_F_ECHO_REPLY)) out.echo = EchoPolicy::kReply;
  if (has(LOOM_VIP_F_ECHO_DROP)) out.echo = EchoPolicy::kDrop;
  return out;
}

loom_service to_abi(const ServiceState& service) {
  loom_service out{};
  out.forwarding = static_cast<uint8_t>(service.forwarding);
  out.algorithm = service.in_turn ? LOOM_ALGORITHM_ROTOR : LOOM_ALGORITHM_MAGLEV;
  out.affinity = static_cast<uint8_t>(service.affinity);
  if (service.tracking == Tracking::kAtRisk) out.flags |= LOOM_SERVICE_F_AT_RISK;
  if (service.on_no_backend == NoBackendPolicy::kReject) out.on_no_backend = LOOM_NO_BACKEND_REJECT;
  if (service.on_no_backend == NoBackendPolicy::kPass) out.on_no_backend = LOOM_NO_BACKEND_PASS;
  return out;
}

ServiceState from_abi(const loom_service& service) {
  ServiceState out;
  out.forwarding = static_cast<Forwarding>(service.forwarding);
  out.in_turn = service.algorithm == LOOM_ALGORITHM_ROTOR;
  out.affinity = static_cast<Affinity>(service.affinity);
  if (service.flags & LOOM_SERVICE_F_AT_RISK) out.tracking = Tracking::kAtRisk;
  if (service.on_no_backend == LOOM_NO_BACKEND_REJECT) out.on_no_backend = NoBackendPolicy::kReject;
  if (service.on_no_backend == LOOM_NO_BACKEND_PASS) out.on_no_backend = NoBackendPolicy::kPass;
  return out;
}

loom_interface to_abi(const InterfaceState& interface) {
  loom_interface out{};
  out.ifindex = interface.ifindex;
  std::copy(interface.mac.bytes.begin(), interface.mac.bytes.end(), out.mac);
  for (const Mac& mac : interface.extra_macs) {
    if (out.extra_count == LOOM_EXTRA_MACS) break;  // more were refused by validate
    std::copy(mac.bytes.begin(), mac.bytes.end(), out.extra[out.extra_count++]);
  }
  return out;
}

void copy_macs(const loom_interface& entry, InterfaceState& out) {
  std::copy(std::begin(entry.mac), std::end(entry.mac), out.mac.bytes.begin());
  for (uint8_t i = 0; i < std::min<uint8_t>(entry.extra_count, LOOM_EXTRA_MACS); ++i) {
    Mac& mac = out.extra_macs.emplace_back();
    std::copy(std::begin(entry.extra[i]), std::end(entry.extra[i]), mac.bytes.begin());
  }
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
  if (state.local) out.entry.flags |= LOOM_BACKEND_F_LOCAL;
  out.entry.source_first = state.sources.first;
  out.entry.source_count = state.sources.count;

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
  out.local = (entry.flags & LOOM_BACKEND_F_LOCAL) != 0;
  out.sources = {entry.source_first, entry.source_count};
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
