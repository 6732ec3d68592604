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
  }
  return "invalid";
}

std::string_view to_string(UnservedPolicy value) {
  return value == UnservedPolicy::kPass ? "pass" : "drop";
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
