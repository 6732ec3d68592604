// SPDX-License-Identifier: Apache-2.0
// Rings in the running kernel: what they say of the past, through changes, restarts and time.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "dataplane_fixture.hpp"
#include "lb/kernel/ring_map.hpp"
#include "lb/kernel/ring_publisher.hpp"

namespace loom::test {
namespace {

using namespace std::chrono_literals;

/// A service that a ring finds the flows of.
Spec hashed(std::vector<BackendSpec> backends) {
  Spec spec;
  spec.services = {service("web", "203.0.113.1", Forwarding::kIpip, std::move(backends))};
  return spec;
}

class RingsTest : public DataplaneTest {
 protected:
  std::vector<loom_slot> ring() {
    const Result<UniqueFd> fd = open_pin(pins_.path() + "/" + generation_ + "/rings/web");
    EXPECT_TRUE(fd) << fd.error().message();
    const auto slots = read_ring(fd->get(), size_);
    EXPECT_TRUE(slots);
    return *slots;
  }
  static size_t flagged(const std::vector<loom_slot>& ring) {
    return static_cast<size_t>(
        std::count_if(ring.begin(), ring.end(), [](loom_slot s) { return LOOM_SLOT_FLAGGED(s); }));
  }
  uint32_t size_ = kRingSize;
  std::string generation_ = "current";

  static FlowSweep swept(std::set<uint32_t> exceptions = {}) {
    FlowSweep out;
    out.began = monotonic_now();
    if (!exceptions.empty()) out.exceptions["web"] = std::move(exceptions);
    return out;
  }
};

TEST_F(RingsTest, ASlotThatChangesHandsSaysWhoseItWas) {
  open();
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2")})));
  const std::vector<loom_slot> before = ring();
  EXPECT_EQ(flagged(before), 0u);
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2"), backend("10.0.0.3")})));
  const std::vector<loom_slot> after = ring();
  size_t moved = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(LOOM_SLOT_PREVIOUS(after[i]), LOOM_SLOT_CURRENT(before[i]));
    const bool moves = LOOM_SLOT_CURRENT(after[i]) != LOOM_SLOT_CURRENT(before[i]);
    EXPECT_EQ(LOOM_SLOT_FLAGGED(after[i]), moves);
    moved += moves;
  }
  EXPECT_GE(moved, kRingSize / 4);
}

TEST_F(RingsTest, TheNextDaemonKnowsThePast) {
  open();
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2")})));
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2"), backend("10.0.0.3")})));
  const std::vector<loom_slot> before = ring();
  open();
  EXPECT_EQ(ring(), before);
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2", 7), backend("10.0.0.3")})));
  const std::vector<loom_slot> after = ring();
  size_t kept = 0;
  for (size_t i = 0; i < before.size(); ++i)
    if (LOOM_SLOT_FLAGGED(before[i]))
      kept += LOOM_SLOT_FLAGGED(after[i]) &&
              LOOM_SLOT_PREVIOUS(after[i]) == LOOM_SLOT_PREVIOUS(before[i]);
  EXPECT_EQ(kept, flagged(before));
}

TEST_F(RingsTest, ABackendThatIsRemovedIsNobodysPast) {
  open();
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2"), backend("10.0.0.3")})));
  const uint32_t removed = read().services.at("web").backends.at(backend("10.0.0.3").endpoint).id;
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2")})));
  for (const loom_slot slot : ring()) {
    EXPECT_NE(LOOM_SLOT_CURRENT(slot), removed);
    EXPECT_NE(LOOM_SLOT_PREVIOUS(slot), removed);
  }
}

TEST_F(RingsTest, AfterTheWindowNoSlotIsFlagged) {
  config_.timeouts.fill(50ms);
  open();
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2")})));
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.3")})));
  EXPECT_GT(flagged(ring()), 0u);
  std::this_thread::sleep_for(60ms);
  ASSERT_TRUE(dataplane_->age_rings(swept()));
  EXPECT_EQ(flagged(ring()), 0u);
  for (const loom_slot slot : ring()) EXPECT_EQ(LOOM_SLOT_PREVIOUS(slot), LOOM_SLOT_CURRENT(slot));
}

TEST_F(RingsTest, TrackingAtRiskASlotIsFlaggedWhileTheTableHasOthersFlows) {
  open();
  Spec spec = hashed({backend("10.0.0.1"), backend("10.0.0.2")});
  spec.services[0].tracking = Tracking::kAtRisk;
  apply(want_for(spec));
  EXPECT_EQ(read().services.at("web").tracking, Tracking::kAtRisk);
  ASSERT_TRUE(dataplane_->age_rings(swept({3, 5})));
  EXPECT_EQ(flagged(ring()), 2u);
  ASSERT_TRUE(dataplane_->age_rings(swept({5})));
  EXPECT_EQ(flagged(ring()), 1u);
  ASSERT_TRUE(dataplane_->age_rings(swept()));
  EXPECT_EQ(flagged(ring()), 0u);
}

TEST_F(RingsTest, ARingWhosePastIsLostIsFlaggedAsAWhole) {
  open();
  Spec spec = hashed({backend("10.0.0.1"), backend("10.0.0.2")});
  spec.services[0].tracking = Tracking::kAtRisk;
  apply(want_for(spec));
  ASSERT_EQ(unlink((pins_.path() + "/current/history/web").c_str()), 0);
  open();
  EXPECT_EQ(flagged(ring()), kRingSize);
}

TEST_F(RingsTest, AServiceThatForgetsItsFlowsForgetsThePastOfItsRing) {
  open();
  Spec spec = hashed({backend("10.0.0.1"), backend("10.0.0.2")});
  apply(want_for(spec));
  spec.services[0].backends.push_back(backend("10.0.0.3"));
  apply(want_for(spec));
  EXPECT_GT(flagged(ring()), 0u);
  spec.services[0].affinity = Affinity::kNone;
  apply(want_for(spec));
  EXPECT_EQ(flagged(ring()), 0u);
  open();
  EXPECT_EQ(flagged(ring()), 0u);
}

TEST_F(RingsTest, AfterAChangeOfTheRingSizeThePastIsKeptAgain) {
  open();
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2")})));
  size_ = config_.ring_size = 251;
  generation_ = "g2";  // current once all interfaces have its program, and here are none
  open();
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2")})));
  apply(want_for(hashed({backend("10.0.0.1"), backend("10.0.0.2"), backend("10.0.0.3")})));
  for (const loom_slot slot : ring()) {
    EXPECT_EQ(LOOM_SLOT_FLAGGED(slot), 1u);
  }
  EXPECT_TRUE(std::filesystem::exists(pins_.path() + "/g2/history/web"));
}

TEST_F(RingsTest, NatAndTurnsHaveNoPast) {
  open();
  Spec spec = hashed({backend("10.0.0.1"), backend("10.0.0.2")});
  spec.services[0].algorithm = Algorithm::kRoundRobin;
  apply(want_for(spec));
  spec.services[0].backends.push_back(backend("10.0.0.3"));
  apply(want_for(spec));
  EXPECT_EQ(flagged(ring()), 0u);
}

}  // namespace
}  // namespace loom::test
