// SPDX-License-Identifier: Apache-2.0
// The words of the datapath tests: addresses, keys, backends, and the hash every balancer uses.
#pragma once

#include <cstdint>
#include <string>

#include "loom/abi.h"
#include "loom/verdict.h"
#include "support/packet.hpp"

namespace loom::test {

// The maps are small, so that filling and clearing them costs nothing. The ring is prime, as real
// ones are.
constexpr uint32_t kRingSize = 251;
constexpr uint32_t kMaxBackends = 64;
constexpr uint32_t kMaxFlows = 2048;  ///< Of either flow table.

/// The loopback device: the one ingress that BPF_PROG_TEST_RUN has on every kernel.
constexpr uint32_t kIngress = 1;
constexpr MacBytes kOurMac{2, 0, 0, 0, 0, 1};       ///< Of kIngress; what Ether{} is addressed to.
constexpr MacBytes kClientMac{2, 0, 0, 0, 0, 2};    ///< What Ether{} comes from.
constexpr MacBytes kEgressMac{2, 0, 0, 0, 0, 0xe};  ///< Of egress(), and Ether source of backends.
constexpr MacBytes kBackendMac{2, 0, 0, 0, 0, 0xb};

constexpr uint32_t kService = 1;
constexpr const char* kVip4 = "198.51.100.1";
constexpr const char* kVip6 = "2001:db8:1::1";
constexpr const char* kSource4 = "10.0.0.1";  ///< Outer source, NAT address.
constexpr const char* kSource6 = "fc00::1";
constexpr uint16_t kNatPortMin = 1024;
constexpr uint16_t kNatPortMax = 32767;

loom_addr addr(const std::string& text);
/// The key of a packet of that 5-tuple.
loom_flow flow_of(const std::string& src, uint16_t sport, const std::string& dst, uint16_t dport,
                  uint8_t proto);
struct FlowLess {
  bool operator()(const loom_flow& a, const loom_flow& b) const {
    return bytes_of(a) < bytes_of(b);
  }
};

/// A backend with a known next hop on kIngress, its source in the family of its address.
loom_backend backend_of(loom_forwarding forwarding, const std::string& address);

/// "DROP_NO_SERVICE".
const char* name_of(loom_verdict verdict);
int action_of(loom_verdict verdict);

/// The contract of ebpf/src/flow.h, written a second time.
uint32_t flow_hash(const loom_flow& flow);
uint32_t ring_slot(const loom_flow& flow);
/// The NAT port a new flow tries first (0), second (1), ...
uint16_t nat_candidate(const loom_flow& flow, uint32_t probe = 0);

}  // namespace loom::test
