// SPDX-License-Identifier: Apache-2.0
// ICMP messages that say "too big", as raw sockets deliver them, as values. Nothing here has state.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "lb/model/path_mtu.hpp"

namespace loom {

/// From the IP header on; the checksum is verified, because raw sockets get the packet before the
/// kernel does that. Where the router names no MTU (before RFC 1191), the next plateau below the
/// packet's length is its MTU. Empty: not such a message, or too short to say whose packet it was.
[[nodiscard]] std::optional<TooBig> parse_too_big_v4(std::span<const uint8_t> packet);

/// From the ICMPv6 header on, as ICMPv6 sockets deliver it; the kernel has verified the checksum.
[[nodiscard]] std::optional<TooBig> parse_too_big_v6(std::span<const uint8_t> message,
                                                     const IpAddr& router);

}  // namespace loom
