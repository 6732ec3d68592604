// SPDX-License-Identifier: Apache-2.0
// Rules 13, 14, 16 and 18: what tunnels write, and frames of any size.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>

#include "nat_fixture.hpp"

namespace loom::test {
namespace {

constexpr size_t kMetadata = 32;   // The most that all kernels take.
constexpr size_t kIp = 14;         // Offset of the IP header,
constexpr size_t kUdp6 = 14 + 40;  // and of UDP behind IPv6.

uint16_t u16(const Bytes& bytes, size_t at) {
  return static_cast<uint16_t>(bytes.at(at) << 8 | bytes.at(at + 1));
}

class Tunnels : public Datapath {
 protected:
  static void serve_both(loom_forwarding forwarding, const std::string& backend) {
    serve(kVip6, 80, IPPROTO_TCP, backend_of(forwarding, backend));
    serve(kVip4, 80, IPPROTO_TCP, backend_of(forwarding, backend));
  }
  template <class Check>
  static void with_each(const Check& check) {
    for (const loom_forwarding forwarding : {LOOM_FORWARD_IPIP, LOOM_FORWARD_GUE})
      for (const char* backend : {"10.0.0.2", "fc00::2"}) {
        SCOPED_TRACE(std::string(backend) + " by " + std::to_string(forwarding));
        serve_both(forwarding, backend);
        check();
      }
  }
};

class Rule13 : public Tunnels {};

// The flow label is in the sum and in no hash: it can make up for all the rest.
TEST_F(Rule13, AComputedChecksumOfZeroIsSentAsOnes) {
  serve_both(LOOM_FORWARD_GUE, "fc00::2");
  const Bytes before = run(Ether{} / Ip6{.flow_label = 0} / kSyn).packet;
  const uint16_t missing = u16(before, kUdp6 + 6);
  const Bytes after = run(Ether{} / Ip6{.flow_label = missing} / kSyn).packet;
  EXPECT_EQ(u16(after, kUdp6 + 6), 0xffff);
  EXPECT_EQ(PacketCheck::problem_of(after), "");
}

class Rule14 : public Tunnels {};

TEST_F(Rule14, TheWholeTrafficClassIsCopiedOutside) {
  with_each([] {
    for (int value = 0; value < 256; ++value) {
      const auto tos = static_cast<uint8_t>(value);
      for (const Bytes& frame : {Bytes(Ether{} / Ip4{.tos = tos} / kSyn),
                                 Bytes(Ether{} / Ip6{.traffic_class = tos} / kSyn)}) {
        const Bytes got = run(frame).packet;
        ASSERT_GT(got.size(), frame.size());
        const bool v4 = got[kIp] >> 4 == 4;
        ASSERT_EQ(v4 ? got[kIp + 1] : u16(got, kIp) >> 4 & 0xff, value);
        ASSERT_EQ(PacketCheck::problem_of(got), "");
      }
    }
  });
}

class Rule16 : public Tunnels {
 protected:
  /// With `filler` where the headroom will be, and without it again. Empty if this kernel takes no
  /// context.
  static Bytes run_over(uint8_t filler, const Bytes& frame) {
    const Bytes metadata(kMetadata, filler);
    const Bytes in = metadata + frame;
    Bytes out(in.size() + 256);
    xdp_md context{};
    context.data = static_cast<uint32_t>(metadata.size());
    context.data_end = static_cast<uint32_t>(in.size());
    context.ingress_ifindex = kIngress;
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.data(), .data_out = out.data(),
                .data_size_in = static_cast<uint32_t>(in.size()),
                .data_size_out = static_cast<uint32_t>(out.size()), .ctx_in = &context,
                .ctx_size_in = sizeof(context));
    if (bpf_prog_test_run_opts(program_fd(), &options) != 0) return {};
    return Bytes(out.begin() + static_cast<long>(metadata.size()),
                 out.begin() + options.data_size_out);
  }
};

// bpf_xdp_adjust_head() moves what was in front and leaves a copy of it in the new room.
TEST_F(Rule16, NoByteOfTheHeadroomShowsThrough) {
  if (!can_choose_ingress()) GTEST_SKIP() << "this kernel takes no context";
  with_each([] {
    for (const Bytes& frame : {Bytes(Ether{} / Ip4{} / kSyn), Bytes(Ether{} / Ip6{} / kSyn)}) {
      const Bytes got = run_over(0xa5, frame);
      EXPECT_GT(got.size(), frame.size());
      EXPECT_EQ(got, run_over(0x5a, frame));
      EXPECT_EQ(got, run(frame).packet);
    }
  });
}

class Rule18 : public Nat {};

TEST_F(Rule18, AJumboFrameIsForwardedWhole) {
  if (!(config().features & LOOM_FEATURE_FRAGS)) GTEST_SKIP() << "kernel without xdp.frags";
  const Payload text{std::string(8000, 'x') + "the end"};
  for (const loom_forwarding forwarding : {LOOM_FORWARD_L2, LOOM_FORWARD_IPIP, LOOM_FORWARD_NAT}) {
    loom_backend backend = backend_of(forwarding, "10.0.0.2");
    backend.mtu = 9000;
    serve(kVip4, 80, IPPROTO_TCP, backend);
    run(kFromClient / Ip4{} / kSyn);
    counted();
    const Bytes frame = kFromClient / Ip4{} / kAck / text;
    const Bytes got = run(frame).packet;
    EXPECT_TRUE(std::equal(text.text.rbegin(), text.text.rend(), got.rbegin())) << forwarding;
    EXPECT_EQ(PacketCheck::problem_of(got), "");
    const loom_counter counts = counted().backends.at(1);
    EXPECT_EQ(counts.rx_bytes, frame.size());
    EXPECT_EQ(counts.tx_bytes, got.size());
  }
}

TEST_F(Rule18, AJumboFrameBeyondTheMtuIsAnsweredFromItsLinearPart) {
  if (!(config().features & LOOM_FEATURE_FRAGS)) GTEST_SKIP() << "kernel without xdp.frags";
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_L2, "10.0.0.2"));
  Outcome got;
  EXPECT_EQ(verdict(kFromClient / Ip4{} / kAck / Payload{std::string(8000, 'x')}, &got),
            "REPLY_TOO_BIG");
  EXPECT_EQ(got.packet.size(), kIp + 576);
  EXPECT_EQ(PacketCheck::problem_of(got.packet), "");
}

}  // namespace
}  // namespace loom::test
