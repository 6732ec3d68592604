// SPDX-License-Identifier: Apache-2.0
// IPv6 extension headers where the configuration says to drop them.
#include "support/bpf_program.hpp"

namespace loom::test {
namespace {

class Rule04Drop : public Datapath {
 protected:
  static void SetUpTestSuite() { load_with({.features = LOOM_FEATURE_DROP_EXTENSION_HEADERS}); }
  void SetUp() override {
    Datapath::SetUp();
    serve(kVip6, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "fc00::2"));
  }
};

TEST_F(Rule04Drop, WhatTheWalkDoesNotCrossIsDropped) {
  const Tcp syn{.syn = true};
  for (const uint8_t type : std::vector<uint8_t>{IPPROTO_ESP, IPPROTO_MH, 139, 140})
    EXPECT_EQ(verdict(Ether{} / Ip6{} / Extension{type} / syn), "DROP_EXTENSION_HEADER");
  const Extension options;
  EXPECT_EQ(verdict(Ether{} / Ip6{} / options / options / options / options / options / syn),
            "DROP_EXTENSION_HEADER");
}

TEST_F(Rule04Drop, WhatTheWalkCrossesIsForwarded) {
  const Tcp syn{.syn = true};
  EXPECT_EQ(verdict(Ether{} / Ip6{} / syn), "FORWARD_TX");
  EXPECT_EQ(verdict(Ether{} / Ip6{} / Extension{} / syn), "FORWARD_TX");
}

TEST_F(Rule04Drop, WhatIsNotForAVipIsPassed) {
  EXPECT_EQ(verdict(Ether{} / Ip6{.dst = "2001:db8:1::9"} / Extension{IPPROTO_ESP} / Tcp{}),
            "PASS_NOT_VIP");
}

}  // namespace
}  // namespace loom::test
