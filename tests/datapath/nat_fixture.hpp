// SPDX-License-Identifier: Apache-2.0
// What the NAT tests share: one VIP, one NAT address, and the packets of one flow.
#pragma once

#include <cstring>

#include "support/bpf_program.hpp"
#include "support/packet_check.hpp"

namespace loom::test {

inline const Ether kFromClient{};
inline const Ether kToBackend{.dst = kBackendMac, .src = kEgressMac};
inline const Ether kFromBackend{.dst = kOurMac, .src = kBackendMac};
inline const Ether kToClient{.dst = kClientMac, .src = kOurMac};
inline const loom_flow kFlow4 = flow_of("192.0.2.1", 40000, kVip4, 80, IPPROTO_TCP);
inline const loom_flow kFlow6 = flow_of("2001:db8::1", 40000, kVip6, 80, IPPROTO_TCP);
inline const Tcp kSyn{.sport = 40000, .dport = 80, .syn = true};
inline const Tcp kNextSyn{.sport = 40000, .dport = 80, .syn = true, .seq = 5000};
inline const Tcp kAck{.sport = 40000, .dport = 80, .ack = true};

class Nat : public Datapath {
 protected:
  void SetUp() override {
    Datapath::SetUp();
    put_vip(kSource4, LOOM_VIP_F_NAT);
    put_vip(kSource6, LOOM_VIP_F_NAT);
  }
  static void serve_tcp4(uint16_t backend_port = 8080) {
    loom_backend backend = backend_of(LOOM_FORWARD_NAT, "10.0.0.2");
    backend.port = htons(backend_port);
    serve(kVip4, 80, IPPROTO_TCP, backend);
  }
  /// The key of the backend's packets, for a flow that got `port`.
  static loom_flow reply_key(uint16_t port) {
    return flow_of("10.0.0.2", 8080, kSource4, port, IPPROTO_TCP);
  }
  /// From the backend, as it answers a flow that got `port`.
  static Bytes answer(uint16_t port, Tcp tcp) {
    tcp.sport = 8080;
    tcp.dport = port;
    return kFromBackend / Ip4{.src = "10.0.0.2", .dst = kSource4} / tcp;
  }
  static Bytes ack() { return kFromClient / Ip4{} / kAck; }
  static uint16_t open() {
    EXPECT_EQ(run(kFromClient / Ip4{} / kSyn).action, XDP_TX);
    return nat_candidate(kFlow4);
  }
  static loom_state state_of(const loom_flow& key) {
    return static_cast<loom_state>(flow(key).value().state);
  }
};

}  // namespace loom::test
