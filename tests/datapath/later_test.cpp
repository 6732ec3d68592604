// SPDX-License-Identifier: Apache-2.0
// Packets that the hot path leaves to programs of their own, when those are not there.
#include "support/bpf_program.hpp"

namespace loom::test {
namespace {

class Later : public Datapath {};

TEST_F(Later, WithoutItsProgramAPacketIsDroppedAsItCame) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
  remove_later_programs();
  for (const Bytes& frame : {Bytes(Ether{} / Ip4{.ttl = 1} / Tcp{.dport = 80, .syn = true}),
                             Bytes(Ether{} / Ip4{} / Icmp{.type = 8})}) {
    Outcome got;
    EXPECT_EQ(verdict(frame, &got), "ABORT_NO_PROGRAM");
    EXPECT_EQ(got.action, action_seen(LOOM_ABORT_NO_PROGRAM));
    EXPECT_EQ(got.packet, frame);
  }
  const Bytes hot = Ether{} / Ip4{} / Tcp{.dport = 80, .syn = true};
  EXPECT_EQ(verdict(hot), "FORWARD_TX");
}

}  // namespace
}  // namespace loom::test
