// SPDX-License-Identifier: Apache-2.0
// Rule 26: where an update of a table fails, that is counted and the packet goes on. The tables
// here do not evict, so that they can be full.
#include "nat_fixture.hpp"

namespace loom::test {
namespace {

constexpr uint32_t kRoom = 4;

class Rule26 : public Nat {
 protected:
  static void SetUpTestSuite() { load_with({.flows_without_eviction = kRoom}); }
  static Bytes query(uint16_t sport) { return kFromClient / Ip4{} / Udp{.sport = sport}; }
  static uint64_t failures() { return counted().errors[LOOM_ERROR_map_full]; }
};

TEST_F(Rule26, BeyondAFullTableFlowsGoByTheRing) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  for (uint16_t sport = 1; sport <= kRoom; ++sport) run(query(sport));
  const Counted before = counted();
  EXPECT_EQ(before.backends.at(1).flows, kRoom);
  EXPECT_TRUE(before.errors.empty());

  EXPECT_EQ(run(query(99)).action, XDP_TX);
  const Counted after = counted();
  EXPECT_EQ(after.errors.at(LOOM_ERROR_map_full), 1u);
  EXPECT_EQ(after.backends.at(1).packets, 1u);
  EXPECT_EQ(after.backends.at(1).flows, 0u) << "nothing was remembered";
}

TEST_F(Rule26, AFlowThatCannotBeConfirmedStaysOnProbation) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  for (uint16_t sport = 1; sport <= kRoom; ++sport)
    for (int copies = 0; copies < 2; ++copies) run(query(sport));
  EXPECT_EQ(confirmed_flows().size(), kRoom);
  EXPECT_EQ(failures(), 0u);

  run(query(99));
  EXPECT_EQ(run(query(99)).action, XDP_TX);
  EXPECT_EQ(failures(), 1u);
  EXPECT_EQ(flows_on_probation().size(), 1u);
}

TEST_F(Rule26, AFirstFragmentThatCannotBeRememberedIsForwarded) {
  serve(kVip4, 53, IPPROTO_UDP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  const auto first = [](uint16_t id) {
    return Bytes(kFromClient / Ip4{.id = id, .frag = 0x2000} / Udp{.sport = 1});
  };
  for (uint16_t id = 1; id <= kRoom; ++id) run(first(id));
  EXPECT_EQ(run(first(1)).action, XDP_TX);
  EXPECT_EQ(failures(), 0u) << "the same packet again";
  EXPECT_EQ(run(first(99)).action, XDP_TX);
  EXPECT_EQ(failures(), 1u);
}

// Without an entry nobody would know the replies.
TEST_F(Rule26, NatWithoutRoomForItsEntriesIsACountedDrop) {
  serve_tcp4();
  for (uint16_t sport = 1; sport <= kRoom; ++sport)
    put_flow_on_probation(flow_of("192.0.2.9", sport, kVip4, 80, IPPROTO_TCP), {});
  EXPECT_EQ(verdict(kFromClient / Ip4{} / kSyn), "DROP_NO_NAT_PORT");
}

}  // namespace
}  // namespace loom::test
