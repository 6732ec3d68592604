// SPDX-License-Identifier: Apache-2.0
#include "lb/model/service.hpp"

#include <algorithm>

namespace loom {

std::string_view to_string(Protocol value) {
  return value == Protocol::kTcp ? "tcp" : "udp";
}

std::string_view to_string(Forwarding value) {
  switch (value) {
    case Forwarding::kNat:
      return "nat";
    case Forwarding::kIpip:
      return "ipip";
    case Forwarding::kGue:
      return "gue";
    case Forwarding::kL2:
      return "l2";
  }
  return "invalid";
}

std::string_view to_string(Algorithm value) {
  switch (value) {
    case Algorithm::kMaglev:
      return "maglev";
    case Algorithm::kRoundRobin:
      return "round_robin";
    case Algorithm::kWeighted:
      return "weighted";
  }
  return "invalid";
}

std::string_view to_string(AdminState value) {
  switch (value) {
    case AdminState::kActive:
      return "active";
    case AdminState::kDrain:
      return "drain";
    case AdminState::kMaint:
      return "maint";
  }
  return "invalid";
}

std::string_view to_string(Health value) {
  switch (value) {
    case Health::kUnknown:
      return "unknown";
    case Health::kUp:
      return "up";
    case Health::kDown:
      return "down";
  }
  return "invalid";
}

std::string_view to_string(XdpMode value) {
  switch (value) {
    case XdpMode::kAuto:
      return "auto";
    case XdpMode::kNative:
      return "native";
    case XdpMode::kGeneric:
      return "generic";
    case XdpMode::kTc:
      return "tc";
  }
  return "invalid";
}

std::string_view to_string(UnservedPolicy value) {
  return value == UnservedPolicy::kPass ? "pass" : "drop";
}

std::string_view to_string(Affinity value) {
  switch (value) {
    case Affinity::kFiveTuple:
      return "five_tuple";
    case Affinity::kSourceIp:
      return "source_ip";
    case Affinity::kNone:
      return "none";
  }
  return "invalid";
}

std::string_view to_string(Tracking value) {
  return value == Tracking::kAll ? "all" : "at_risk";
}

bool ring_finds_flows(const ServiceSpec& service) {
  return service.forwarding != Forwarding::kNat && service.algorithm == Algorithm::kMaglev &&
         service.affinity != Affinity::kNone;
}

std::string_view to_string(EchoPolicy value) {
  switch (value) {
    case EchoPolicy::kReply:
      return "reply";
    case EchoPolicy::kPass:
      return "pass";
    case EchoPolicy::kDrop:
      return "drop";
  }
  return "invalid";
}

std::string_view to_string(NoBackendPolicy value) {
  switch (value) {
    case NoBackendPolicy::kDrop:
      return "drop";
    case NoBackendPolicy::kReject:
      return "reject";
    case NoBackendPolicy::kPass:
      return "pass";
    case NoBackendPolicy::kLastKnown:
      return "last_known";
  }
  return "invalid";
}

bool PortSpec::rivals(const PortSpec& other) const {
  if (protocol != other.protocol || is_exact() != other.is_exact() || is_any() != other.is_any())
    return false;
  if (is_exact()) return port == other.port;
  return port <= other.last && other.port <= last;
}

std::string PortSpec::to_string() const {
  if (is_any()) return "any";
  if (is_exact()) return std::to_string(port);
  return std::to_string(port) + "-" + std::to_string(last);
}

std::vector<PortSpec> blocks_of(const PortSpec& range) {
  std::vector<PortSpec> blocks;
  uint32_t next = range.port;
  while (next <= range.last) {
    uint32_t size = 65536;
    while (next % size != 0 || next + size - 1 > range.last) size /= 2;
    blocks.push_back(
        {static_cast<uint16_t>(next), range.protocol, static_cast<uint16_t>(next + size - 1)});
    next += size;
  }
  return blocks;
}

const ServiceSpec* Spec::find(std::string_view service) const {
  const auto it = std::find_if(services.begin(), services.end(),
                               [&](const ServiceSpec& spec) { return spec.name == service; });
  return it == services.end() ? nullptr : &*it;
}

ServiceSpec* Spec::find(std::string_view service) {
  return const_cast<ServiceSpec*>(std::as_const(*this).find(service));
}

}  // namespace loom
