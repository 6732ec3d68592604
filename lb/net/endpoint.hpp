// SPDX-License-Identifier: Apache-2.0
// Endpoint: an address and a port, "10.0.0.1:80" or "[2001:db8::1]:80".
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "lb/base/result.hpp"
#include "lb/net/ip_addr.hpp"

namespace loom {

struct Endpoint {
  IpAddr address;
  uint16_t port = 0;  ///< Host order. 0: no port; printed and parsed without ":port".

  static Result<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace loom
