// SPDX-License-Identifier: Apache-2.0
// Packet in, packet out: both loom_decap programs under BPF_PROG_TEST_RUN. Needs root.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "decap_cases.hpp"
#include "decap_packets.hpp"
#include "loom/decap.h"
#include "loom_decap.skel.h"

namespace loom::test::decap {
namespace {

// ---- the programs ---------------------------------------------------------------------------

/// Loading needs privileges: without, say so once and let ctest know.
class Privileges : public ::testing::Environment {
 public:
  void SetUp() override {
    if (geteuid() == 0) return;
    std::puts("skipped: needs root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON)");
    std::exit(77);
  }
};
const auto* const kPrivileges = ::testing::AddGlobalTestEnvironment(new Privileges);

enum class Hook { kXdp, kTc };

class Decap : public ::testing::TestWithParam<Hook> {
 protected:
  void SetUp() override { load(LOOM_DECAP_F_IPIP | LOOM_DECAP_F_GUE | LOOM_DECAP_F_FRAGS); }

  void load(uint32_t flags) {
    skel_.reset(loom_decap__open());
    ASSERT_TRUE(skel_);
    if (frags_supported())
      bpf_program__set_flags(skel_->progs.loom_decap_xdp, BPF_F_XDP_HAS_FRAGS);
    else
      flags &= ~LOOM_DECAP_F_FRAGS;
    bpf_program__set_autoload(skel_->progs.loom_decap_xdp, hook() == Hook::kXdp);
    bpf_program__set_autoload(skel_->progs.loom_decap_tc, hook() == Hook::kTc);
    skel_->rodata->loom_decap_settings.flags = flags;
    skel_->rodata->loom_decap_settings.gue_port = htons(kGuePort);
    ASSERT_EQ(loom_decap__load(skel_.get()), 0);
    put(skel_->maps.loom_decap_sources, loom_decap_prefix{96 + 24, addr("10.0.1.0")});
    put(skel_->maps.loom_decap_sources, loom_decap_prefix{128, addr(kBalancer6)});
    for (const char* local : {kHost4, kHost6, kVip4, kVip6})
      put(skel_->maps.loom_decap_locals, addr(local));
    for (const char* vip : {kVip4, kVip6}) put(skel_->maps.loom_decap_vips, addr(vip));
  }

  struct Outcome {
    int action = 0;
    Bytes packet;
  };

  /// Refused: the kernel does not run a program on such a frame.
  bool run(const Bytes& in, Outcome& out) {
    const bpf_program* program =
        hook() == Hook::kXdp ? skel_->progs.loom_decap_xdp : skel_->progs.loom_decap_tc;
    out.packet.assign(in.size() + 64, 0);
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.data(), .data_out = out.packet.data(),
                .data_size_in = static_cast<uint32_t>(in.size()),
                .data_size_out = static_cast<uint32_t>(out.packet.size()));
    if (bpf_prog_test_run_opts(bpf_program__fd(program), &options) != 0) return false;
    out.packet.resize(options.data_size_out);
    out.action = static_cast<int>(options.retval);
    return true;
  }
  Outcome run(const Bytes& in) {
    Outcome out;
    EXPECT_TRUE(run(in, out)) << std::strerror(errno);
    return out;
  }

  [[nodiscard]] Hook hook() const { return GetParam(); }
  [[nodiscard]] int pass() const { return hook() == Hook::kXdp ? int{XDP_PASS} : TC_ACT_UNSPEC; }
  [[nodiscard]] int drop() const { return hook() == Hook::kXdp ? int{XDP_DROP} : TC_ACT_SHOT; }
  [[nodiscard]] int action_of(loom_decap_verdict verdict) const {
    // clang-format off
    constexpr std::array actions{int{XDP_ABORTED},  // no verdict
#define V(name, action, help) int{XDP_##action},
      LOOM_DECAP_VERDICT_LIST(V)
#undef V
    };
    // clang-format on
    return actions.at(verdict) == XDP_PASS ? pass() : drop();
  }

  loom_decap_counter count(uint32_t verdict) {
    std::vector<loom_decap_counter> per_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
    EXPECT_EQ(
        bpf_map_lookup_elem(bpf_map__fd(skel_->maps.loom_decap_verdicts), &verdict, per_cpu.data()),
        0);
    loom_decap_counter sum{};
    for (const loom_decap_counter& one : per_cpu) {
      sum.packets += one.packets;
      sum.bytes += one.bytes;
    }
    return sum;
  }
  uint64_t total() {
    uint64_t sum = 0;
    for (uint32_t v = 0; v < LOOM_DECAP_VERDICT_SLOTS; ++v) sum += count(v).packets;
    return sum;
  }

  /// `packet` leaves as it came, with the verdict's action, and exactly that counter moves.
  void expect_verdict(loom_decap_verdict verdict, const Bytes& packet) {
    const uint64_t before = total();
    const loom_decap_counter was = count(verdict);
    const Outcome got = run(packet);
    EXPECT_EQ(got.action, action_of(verdict));
    EXPECT_EQ(got.packet, packet);
    EXPECT_EQ(count(verdict).packets, was.packets + 1);
    EXPECT_EQ(count(verdict).bytes, was.bytes + packet.size());
    EXPECT_EQ(total(), before + 1);
  }
  void expect_inner(const Bytes& packet, const Bytes& inner) {
    const uint64_t before = count(LOOM_DECAP_DECAPSULATED).packets;
    const Outcome got = run(packet);
    EXPECT_EQ(got.action, pass());
    EXPECT_EQ(got.packet, inner);
    EXPECT_EQ(count(LOOM_DECAP_DECAPSULATED).packets, before + 1);
  }

 private:
  template <class Key>
  void put(const bpf_map* map, const Key& key) {
    const uint32_t present = 1;
    ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(map), &key, &present, BPF_ANY), 0);
  }
  static bool frags_supported() {
    const bpf_insn exit[2] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
                              {.code = BPF_JMP | BPF_EXIT}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_XDP_HAS_FRAGS);
    const int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "probe", "GPL", exit, 2, &options);
    if (fd >= 0) close(fd);
    return fd >= 0;
  }

  struct Destroy {
    void operator()(loom_decap* skel) const { loom_decap__destroy(skel); }
  };
  std::unique_ptr<loom_decap, Destroy> skel_;
};

INSTANTIATE_TEST_SUITE_P(, Decap, ::testing::Values(Hook::kXdp, Hook::kTc), [](const auto& hook) {
  return std::string(hook.param == Hook::kXdp ? "Xdp" : "Tc");
});

// ---- what is taken --------------------------------------------------------------------------

TEST_P(Decap, EndsEveryEncapsulationOfEveryFamilyInEveryFamily) {
  for (const Encap encap : {Encap::kIpip, Encap::kGue})
    for (const Ip& outer : {kOuter4, kOuter6})
      for (const Bytes& inner : {inner4(), inner6()}) {
        SCOPED_TRACE(std::string(encap == Encap::kIpip ? "ipip " : "gue ") + kInner4.src + " in " +
                     outer.src + (proto_of(inner) == IPPROTO_IPIP ? " v4" : " v6"));
        expect_inner(frame(tunnel(encap, outer, inner)), frame(inner));
      }
}

TEST_P(Decap, KeepsTheShortestInnerPacketOfEachFamily) {
  for (const Encap encap : {Encap::kIpip, Encap::kGue})
    for (const Ip& outer : {kOuter4, kOuter6})
      for (const Bytes& inner : {ip(kInner4, IPPROTO_TCP, {}), ip(kInner6, IPPROTO_TCP, {})})
        expect_inner(frame(tunnel(encap, outer, inner)), frame(inner));
}

TEST_P(Decap, TakesLargePackets) {
  const Bytes inner = ip(kInner4, IPPROTO_TCP, tcp(std::string(1400, 'x')));
  expect_inner(frame(tunnel(Encap::kGue, kOuter6, inner)), frame(inner));
}

TEST_P(Decap, IgnoresWhatLiesBehindTheOuterPacket) {
  const Bytes padding(18, 0xee);
  expect_inner(frame(tunnel(Encap::kIpip, kOuter4, inner4())) + padding, frame(inner4()) + padding);
}

TEST_P(Decap, TakesFragmentsOfInnerPackets) {
  Ip first = kInner4;
  first.frag = 0x2000;
  Ip later = kInner4;
  later.frag = 100;
  for (const Bytes& inner :
       {ip(first, IPPROTO_UDP, udp(53, Bytes(8))), ip(later, IPPROTO_UDP, Bytes(4)),
        ip(kInner6, IPPROTO_FRAGMENT, Bytes{17, 0, 3, 0x20, 0, 0, 0, 9} + Bytes(4))})
    expect_inner(frame(tunnel(Encap::kIpip, kOuter4, inner)), frame(inner));
}

TEST_P(Decap, TakesInnerOptionsAndExtensionHeaders) {
  Ip options = kInner4;
  options.options = Bytes(8, 1);
  const Bytes hop_by_hop{IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0};
  expect_inner(frame(tunnel(Encap::kGue, kOuter4, ip(options, IPPROTO_TCP, tcp()))),
               frame(ip(options, IPPROTO_TCP, tcp())));
  expect_inner(
      frame(tunnel(Encap::kGue, kOuter6, ip(kInner6, IPPROTO_HOPOPTS, hop_by_hop + tcp()))),
      frame(ip(kInner6, IPPROTO_HOPOPTS, hop_by_hop + tcp())));
}

// The kernel has taken the tag out of the frame before TC sees it, which a test run does not do.
TEST_P(Decap, KeepsVlanTags) {
  const Bytes one = be16(ETH_P_8021Q) + be16(0x2064);
  const Bytes two = be16(ETH_P_8021AD) + be16(0x0007) + one;
  for (const Bytes& tags : {one, two}) {
    const Bytes packet = frame(tunnel(Encap::kIpip, kOuter4, inner6()), tags);
    if (hook() == Hook::kXdp)
      expect_inner(packet, frame(inner6(), tags));
    else
      expect_verdict(LOOM_DECAP_PASS_NOT_IP, packet);
  }
}

// RFC 6040 4.2, figure 4; rows: inner not-ECT, ECT(0), ECT(1), CE; -1: drop.
TEST_P(Decap, CarriesCongestionMarksInwards) {
  enum { kNot = 0, kEct1 = 1, kEct0 = 2, kCe = 3 };
  const int want[4][4] = {// by outer: not-ECT, ECT(1), ECT(0), CE
                          {kNot, kNot, kNot, -1},
                          {kEct1, kEct1, kEct1, kCe},
                          {kEct0, kEct1, kEct0, kCe},
                          {kCe, kCe, kCe, kCe}};
  for (Ip outer : {kOuter4, kOuter6})
    for (Ip inner : {kInner4, kInner6})
      for (uint8_t i = 0; i < 4; ++i)
        for (uint8_t o = 0; o < 4; ++o) {
          SCOPED_TRACE(outer.src + " " + inner.src + " " + std::to_string(i) + std::to_string(o));
          outer.tos = static_cast<uint8_t>(0x28 | o);
          inner.tos = static_cast<uint8_t>(0xb8 | i);
          const Bytes packet = frame(tunnel(Encap::kGue, outer, ip(inner, IPPROTO_TCP, tcp())));
          if (want[i][o] < 0) {
            expect_verdict(LOOM_DECAP_DROP_ECN, packet);
            continue;
          }
          inner.tos = static_cast<uint8_t>(0xb8 | want[i][o]);
          expect_inner(packet, frame(ip(inner, IPPROTO_TCP, tcp())));
        }
}

TEST_P(Decap, LeavesAnEncapsulationThatIsSwitchedOffToTheStack) {
  load(LOOM_DECAP_F_GUE);
  expect_verdict(LOOM_DECAP_PASS_NOT_TUNNEL, frame(tunnel(Encap::kIpip, kOuter4, inner4())));
  expect_inner(frame(tunnel(Encap::kGue, kOuter4, inner4())), frame(inner4()));
  load(LOOM_DECAP_F_IPIP);
  expect_verdict(LOOM_DECAP_PASS_NOT_TUNNEL, frame(tunnel(Encap::kGue, kOuter4, inner4())));
  expect_inner(frame(tunnel(Encap::kIpip, kOuter4, inner4())), frame(inner4()));
}

// ---- what is not ----------------------------------------------------------------------------

TEST_P(Decap, LeavesEveryOtherPacketAloneAndCountsWhy) {
  for (const Case& row : all_cases()) {
    SCOPED_TRACE(row.name);
    expect_verdict(row.verdict, row.packet);
  }
}

TEST(DecapVerdicts, EachHasARow) {
  // ABORT_ADJUST: the kernel refuses only what decide() has excluded.
  std::vector<bool> seen(LOOM_DECAP_VERDICT_MAX);
  seen[LOOM_DECAP_DECAPSULATED] = seen[LOOM_DECAP_ABORT_ADJUST] = true;
  for (const Case& row : all_cases()) seen[row.verdict] = true;
#define V(name, action, help) EXPECT_TRUE(seen[LOOM_DECAP_##name]) << #name;
  LOOM_DECAP_VERDICT_LIST(V)
#undef V
}

// ---- at random ------------------------------------------------------------------------------

constexpr uint32_t kSeed = 20250711;

TEST_P(Decap, AcceptsNoneOfAHundredThousandTunnelPacketsFromOutside) {
  std::mt19937 random(kSeed);
  const auto address4 = [&] { return "198.51.100." + std::to_string(random() % 256); };
  Outcome out;
  for (int i = 0; i < 100'000; ++i) {
    const bool v6 = random() % 2 != 0;
    const Ip outer{v6 ? "2001:db8:1::" + std::to_string(8 + random() % 9000) : address4(),
                   v6 ? kHost6 : kHost4};
    Bytes inner = random() % 2 != 0 ? inner4() : inner6();
    if (random() % 2 != 0) inner.at(random() % inner.size()) = static_cast<uint8_t>(random());
    if (inner.at(0) >> 4 != 4 && inner.at(0) >> 4 != 6) inner = inner4();
    const Bytes packet =
        frame(tunnel(random() % 2 != 0 ? Encap::kIpip : Encap::kGue, outer, inner));
    ASSERT_TRUE(run(packet, out));
    ASSERT_EQ(out.action, drop());
  }
  EXPECT_EQ(count(LOOM_DECAP_DROP_SOURCE).packets, 100'000u);
  EXPECT_EQ(count(LOOM_DECAP_DECAPSULATED).packets, 0u);
}

/// A packet at random positions changed, cut or lengthened.
Bytes mutated(Bytes packet, std::mt19937& random) {
  for (size_t n = random() % 4; n > 0; --n)
    packet.at(12 + random() % (packet.size() - 12)) = static_cast<uint8_t>(random());
  const auto how = random() % 4;
  if (how == 0) packet.resize(14 + random() % (packet.size() - 13));
  if (how == 1) packet.resize(packet.size() + random() % 64, 0xee);
  return packet;
}

TEST_P(Decap, NeverTouchesWhatItDoesNotDecapsulate) {
  std::mt19937 random(kSeed);
  const std::vector<Case> cases = all_cases();
  Outcome out;
  uint64_t ran = 0;
  uint64_t decapsulated = 0;
  for (int i = 0; i < 50'000; ++i) {
    const Bytes packet = mutated(i % 2 ? cases[random() % cases.size()].packet
                                       : frame(tunnel(Encap::kGue, kOuter6, inner4())),
                                 random);
    if (!run(packet, out)) continue;
    ++ran;
    const uint64_t now = count(LOOM_DECAP_DECAPSULATED).packets;
    if (now == decapsulated) {
      ASSERT_EQ(out.packet, packet) << i;
    } else {
      ASSERT_EQ(out.action, pass()) << i;
    }
    decapsulated = now;
  }
  EXPECT_GT(ran, 40'000u);
  EXPECT_GT(decapsulated, 0u);
  EXPECT_EQ(total(), ran);
  EXPECT_EQ(count(LOOM_DECAP_CONTINUE).packets, 0u);
  EXPECT_EQ(count(LOOM_DECAP_ABORT_ADJUST).packets, 0u);
}

TEST_P(Decap, TakesNoPacketThatIsCutShort) {
  for (const Encap encap : {Encap::kIpip, Encap::kGue})
    for (const Ip& outer : {kOuter4, kOuter6}) {
      const Bytes whole = frame(tunnel(encap, outer, inner6()));
      Outcome out;
      for (size_t length = 14; length < whole.size(); ++length) {
        const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
        if (run(cut, out)) {
          EXPECT_EQ(out.packet, cut);
        }
      }
    }
  EXPECT_EQ(count(LOOM_DECAP_DECAPSULATED).packets, 0u);
}

}  // namespace
}  // namespace loom::test::decap
