// SPDX-License-Identifier: Apache-2.0
// Model values as short literals for tests.
#pragma once

#include <stdexcept>
#include <string>

#include "lb/model/links.hpp"
#include "lb/model/service.hpp"

namespace loom::test {

inline IpAddr ip(const std::string& text) {
  const Result<IpAddr> out = IpAddr::parse(text);
  if (!out) throw std::invalid_argument(out.error().message());
  return *out;
}

inline Endpoint ep(const std::string& text) {
  const Result<Endpoint> out = Endpoint::parse(text);
  if (!out) throw std::invalid_argument(out.error().message());
  return *out;
}

inline BackendSpec backend(const std::string& endpoint, uint32_t weight = kDefaultWeight) {
  BackendSpec out;
  out.endpoint = ep(endpoint);
  out.weight = weight;
  return out;
}

inline ServiceSpec service(const std::string& name, const std::string& vip, Forwarding forwarding,
                           std::vector<BackendSpec> backends) {
  ServiceSpec out;
  out.name = name;
  out.vips = {ip(vip)};
  out.ports = {{80, Protocol::kTcp}};
  out.forwarding = forwarding;
  out.backends = std::move(backends);
  return out;
}

/// eth0 (index 2) with 10.0.0.1 and 2001:db8::1, and a next hop to every address asked for.
inline Links links_to(const Spec& spec) {
  Links out;
  const Mac ours{{2, 0, 0, 0, 0, 1}};
  out.interfaces["eth0"] = {2, "eth0", ours, 1500, true, {ip("10.0.0.1"), ip("2001:db8::1")}};
  out.local_addresses = {ip("10.0.0.1"), ip("2001:db8::1")};
  for (const ServiceSpec& s : spec.services)
    for (const BackendSpec& b : s.backends) {
      NextHop hop{2, ours, {{2, 0, 0, 0, 1, b.endpoint.address.bytes()[15]}}, 1500, {}};
      hop.source_address = b.endpoint.address.is_v4() ? ip("10.0.0.1") : ip("2001:db8::1");
      out.next_hops[b.endpoint.address] = hop;
    }
  return out;
}

}  // namespace loom::test
