// SPDX-License-Identifier: Apache-2.0
// Slots that changed hands lately: what opens a flow goes to the owner, everything else that no
// table knows to who owned the slot before.
#include "support/bpf_program.hpp"

namespace loom::test {
namespace {

constexpr uint32_t kOwner = 1, kFormer = 2;

loom_slot flagged(uint32_t current, uint32_t previous) {
  return current | previous << 15 | 1u << 30;
}

/// Backends are told apart by their MAC.
class Flagged : public Datapath {
 protected:
  void SetUp() override {
    Datapath::SetUp();
    track(0);
    for (const uint32_t id : {kOwner, kFormer}) put_backend(id, backend(id));
    put_vip(kVip4);
    put_listener(kVip4, 80, IPPROTO_TCP);
    put_listener(kVip4, 53, IPPROTO_UDP);
    put_ring(kService, flagged(kOwner, kFormer));
  }
  static void track(uint32_t flags) {
    loom_service service{};
    service.forwarding = LOOM_FORWARD_L2;
    service.flags = flags;
    put_service(kService, service);
  }
  static loom_backend backend(uint32_t id) {
    loom_backend out = backend_of(LOOM_FORWARD_L2, "10.0.0." + std::to_string(id));
    out.dmac[5] = static_cast<uint8_t>(id);
    return out;
  }
  static uint32_t sent_to(const Bytes& frame) {
    const Outcome got = run(frame);
    return got.action == XDP_TX ? got.packet[5] : 0;
  }
  static uint32_t syn() { return sent_to(Ether{} / Ip4{} / Tcp{.syn = true}); }
  static uint32_t data() { return sent_to(Ether{} / Ip4{} / Tcp{.ack = true}); }
  static uint32_t udp() { return sent_to(Ether{} / Ip4{} / Udp{}); }
};

TEST_F(Flagged, ASynGoesToTheOwnerAndIsRemembered) {
  EXPECT_EQ(syn(), kOwner);
  EXPECT_EQ(data(), kOwner);
  EXPECT_EQ(flows().size(), 1u);
}

TEST_F(Flagged, AnUnknownFlowGoesToTheFormerOwnerAndIsRemembered) {
  EXPECT_EQ(data(), kFormer);
  EXPECT_EQ(data(), kFormer);
  put_ring(kService, kOwner);
  EXPECT_EQ(data(), kFormer) << "the entry, not the ring";
}

TEST_F(Flagged, ADatagramThatNoTableKnowsMayBeOfAnOldFlow) {
  EXPECT_EQ(udp(), kFormer);
  put_ring(kService, kOwner);
  EXPECT_EQ(udp(), kFormer);
}

TEST_F(Flagged, AnUnflaggedSlotHasNoFormerOwner) {
  put_ring(kService, std::vector<loom_slot>(kRingSize, kOwner | kFormer << 15));
  EXPECT_EQ(data(), kOwner);
  EXPECT_EQ(udp(), kOwner);
}

TEST_F(Flagged, AFormerOwnerThatIsDownGoneOrAnotherServicesIsNone) {
  loom_backend down = backend(kFormer);
  down.flags |= LOOM_BACKEND_F_DOWN;
  loom_backend foreign = backend(kFormer);
  foreign.service = kService + 1;
  for (const loom_backend& former : {down, foreign, loom_backend{}}) {
    put_backend(kFormer, former);
    EXPECT_EQ(data(), kOwner);
    delete_flow(flow_of("192.0.2.1", 40000, kVip4, 80, IPPROTO_TCP));
  }
}

TEST_F(Flagged, WithoutAnOwnerOldFlowsStayAndNewOnesDoNotOpen) {
  put_ring(kService, flagged(0, kFormer));
  EXPECT_EQ(data(), kFormer);
  EXPECT_EQ(verdict(Ether{} / Ip4{} / Tcp{.sport = 7, .syn = true}), "DROP_NO_BACKEND");
}

TEST_F(Flagged, AnErrorAboutAnUnknownFlowGoesWhereTheFlowWouldGo) {
  const Bytes error = Ether{} / Ip4{.src = "198.51.100.9"} / Icmp{.type = 3, .code = 4} /
                      Ip4{.src = kVip4, .dst = "192.0.2.1"} / Tcp{.sport = 80, .dport = 40000};
  EXPECT_EQ(sent_to(error), kFormer);
}

TEST_F(Flagged, TrackingOnlyAtRiskAnUnflaggedSlotTouchesNoTable) {
  track(LOOM_SERVICE_F_AT_RISK);
  put_ring(kService, kOwner);
  EXPECT_EQ(syn(), kOwner);
  EXPECT_EQ(data(), kOwner);
  EXPECT_EQ(udp(), kOwner);
  EXPECT_EQ(flows().size(), 0u);
}

TEST_F(Flagged, TrackingOnlyAtRiskAFlaggedSlotRemembersAndLooksUp) {
  track(LOOM_SERVICE_F_AT_RISK);
  EXPECT_EQ(data(), kFormer);
  EXPECT_EQ(flows().size(), 1u);
  put_ring(kService, flagged(kOwner, kOwner));
  EXPECT_EQ(data(), kFormer) << "an exception keeps its slot flagged, and is looked up";
}

}  // namespace
}  // namespace loom::test
