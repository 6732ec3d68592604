// SPDX-License-Identifier: Apache-2.0
// Verifies every checksum of a frame, inner packets of tunnels included. Knows nothing of the
// datapath's code: it is the second opinion.
#pragma once

#include <map>
#include <string>

#include "common.hpp"

namespace loom::tools {

struct Tally {
  size_t good = 0;
  size_t bad = 0;
  size_t partial = 0;  // only the pseudo header is summed: offload to a device that does not exist
  size_t unset = 0;    // UDP checksum 0
};

class ChecksumChecker {
 public:
  /// A frame with an Ethernet header. `partial`: the kernel says the L4 checksum is not filled in.
  void check(std::span<const uint8_t> frame, bool partial);

  /// By what was checked: "ipv4" (headers), "tcp4", "udp6", "ipip/tcp4", "gue6/udp" ...
  [[nodiscard]] const std::map<std::string, Tally>& tallies() const { return tallies_; }

 private:
  struct Packet {
    std::span<const uint8_t> addresses;  // source and destination
    std::span<const uint8_t> payload;    // what the IP header says is there, no padding
    uint8_t protocol = 0;
    bool v6 = false;
  };

  void check_ip(std::span<const uint8_t> bytes, const std::string& path, bool partial);
  void check_l4(const Packet& packet, const std::string& path, bool partial);
  void check_udp(const Packet& packet, const std::string& path, bool partial);
  void count(const std::string& what, bool good);

  std::map<std::string, Tally> tallies_;
};

}  // namespace loom::tools
