// SPDX-License-Identifier: Apache-2.0
// 10 000 frames of noise and of damaged packets: nothing that is not for a VIP is touched,
// everything is counted once.
#include <random>

#include "support/bpf_program.hpp"

namespace loom::test {
namespace {

constexpr int kFrames = 10000;

class Random : public Datapath {
 protected:
  void SetUp() override {
    Datapath::SetUp();
    serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
    put_listener(kVip4, 53, IPPROTO_UDP);
    put_listener(kVip6, 80, IPPROTO_TCP);
    put_listener(kVip6, 53, IPPROTO_UDP);
    put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
    put_vip(kVip6, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
    put_vip(kSource4, LOOM_VIP_F_NAT);
  }

  uint32_t below(size_t bound) { return static_cast<uint32_t>(random_() % bound); }

  /// Bits flipped, bytes replaced, cut short or padded.
  Bytes damaged(Bytes frame) {
    for (uint32_t i = below(4); i > 0; --i)
      frame[below(frame.size())] = static_cast<uint8_t>(random_());
    if (below(3) == 0) frame.resize(14 + below(frame.size() - 13));
    if (below(8) == 0) frame.resize(frame.size() + below(20));
    return frame;
  }
  Bytes packet_to(const Ip4& ip4, const Ip6& ip6) {
    const Packet tags = below(2) ? Ether{} / Vlan{} : Packet({Ether{}});
    const auto sport = static_cast<uint16_t>(random_());
    const Payload payload{std::string(below(60), 'x')};
    const Tcp tcp{.sport = sport, .syn = below(2) == 0, .ack = below(2) == 0, .rst = below(8) == 0};
    const Udp udp{.sport = sport, .has_checksum = below(4) != 0};
    const auto type = static_cast<uint8_t>(below(2) ? below(13) : 128);
    const Extension fragment{IPPROTO_FRAGMENT, {0, 0, static_cast<uint8_t>(below(16)), 0, 0, 0, 7}};
    const auto offset = static_cast<uint16_t>(below(2) ? 0x2000 : 3);
    switch (below(8)) {
      case 7:
        return tags / ip6 / Extension{IPPROTO_HOPOPTS} / fragment / udp / payload;
      case 6:
        return tags / Ip4{.dst = ip4.dst, .id = 7, .frag = offset} / udp / payload;
      case 4:
        return tags / ip4 / Icmp{.type = type} / Ip4{.src = ip4.dst} / tcp / payload;
      case 5:
        return tags / ip6 / Icmp{.type = type} / Ip6{.src = ip6.dst} / udp / payload;
      case 0:
        return tags / ip4 / tcp / payload;
      case 1:
        return tags / ip4 / udp / payload;
      case 2:
        return tags / ip6 / tcp / payload;
      default:
        return tags / ip6 / udp / payload;
    }
  }
  /// Read off the bytes, without the parsers under test: destination address of an IP packet behind
  /// at most two tags, addressed to our MAC.
  static bool may_be_for_a_vip(const Bytes& frame) {
    if (frame.size() < 14 || !std::equal(kOurMac.begin(), kOurMac.end(), frame.begin()))
      return false;
    size_t type = 12;
    for (int tags = 0; tags < 2 && frame.size() >= type + 6; ++tags)
      if ((frame[type] == 0x81 && frame[type + 1] == 0) ||
          (frame[type] == 0x88 && frame[type + 1] == 0xa8))
        type += 4;
    const size_t ip = type + 2;
    const auto destination_is = [&](const char* text, size_t offset) {
      const loom_addr address = addr(text);
      const auto* bytes = reinterpret_cast<const uint8_t*>(&address);
      const size_t length = offset == 16 ? 4 : 16;
      return frame.size() >= ip + offset + length &&
             std::equal(bytes + 16 - length, bytes + 16,
                        frame.begin() + std::ptrdiff_t(ip + offset));
    };
    if (frame[type] == 0x08 && frame[type + 1] == 0x00)
      return destination_is(kVip4, 16) || destination_is(kSource4, 16);
    if (frame[type] == 0x86 && frame[type + 1] == 0xdd) return destination_is(kVip6, 24);
    return false;
  }
  Bytes noise() {
    Bytes frame(14 + below(120));
    for (uint8_t& byte : frame) byte = static_cast<uint8_t>(random_());
    if (below(2)) std::copy(kOurMac.begin(), kOurMac.end(), frame.begin());
    return frame;
  }

  template <class Make>
  static Bytes runnable(const Make& make) {
    Bytes frame = make();
    while (!can_run(frame)) frame = make();
    return frame;
  }

 private:
  std::mt19937 random_{20240229};  // The same frames every time.
};

TEST_F(Random, WhatIsNotForAVipIsPassedAsItCame) {
  Datapath::SetUp();  // Without any VIP.
  for (int i = 0; i < kFrames; ++i) {
    const Bytes frame =
        runnable([&] { return below(4) ? damaged(packet_to(Ip4{}, Ip6{})) : noise(); });
    const Outcome got = run(frame);
    ASSERT_EQ(got.action, XDP_PASS) << i;
    ASSERT_EQ(got.packet, frame) << i;
  }
  EXPECT_EQ(counted().packets(), uint64_t{kFrames});
}

TEST_F(Random, EveryFrameIsCountedOnceUnderAKnownVerdict) {
  std::map<int, uint64_t> actions;
  for (int i = 0; i < kFrames; ++i) {
    const Bytes frame =
        runnable([&] { return below(8) ? damaged(packet_to(Ip4{}, Ip6{})) : noise(); });
    const Outcome got = run(frame);
    actions[got.action]++;
    if (got.action == XDP_PASS || got.action == XDP_DROP) {
      ASSERT_EQ(got.packet, frame) << i;
    }
    if (!may_be_for_a_vip(frame)) {
      ASSERT_EQ(got.action, XDP_PASS) << i;
    }
  }
  const Counted counts = counted();
  EXPECT_EQ(counts.packets(), uint64_t{kFrames});
  std::map<int, uint64_t> counted_actions;
  for (const auto& [verdict, counter] : counts.verdicts) {
    EXPECT_GT(verdict, LOOM_CONTINUE);
    EXPECT_LT(verdict, LOOM_VERDICT_MAX);
    counted_actions[action_of(verdict)] += counter.packets;
  }
  for (const auto& [id, counter] : counts.backends) counted_actions[XDP_TX] += counter.packets;
  EXPECT_EQ(counted_actions, actions);
  EXPECT_EQ(actions.count(XDP_ABORTED), 0u);
  EXPECT_GT(actions[XDP_TX], uint64_t{kFrames / 4}) << "hardly any frame was a packet";
  EXPECT_GT(actions[XDP_DROP], uint64_t{kFrames / 20});
}

// Every template cut at every length: headers that end in the middle, in every stage.
TEST_F(Random, EveryCutOfAPacketIsCountedAndLeftAlone) {
  const std::vector<Bytes> templates = {
      Ether{} / Vlan{} / Vlan{} / Ip4{.options = Bytes(8, 1)} / Tcp{.options = Bytes(4, 1)},
      Ether{} / Ip4{} / Udp{} / Payload{"query"},
      Ether{} / Ip6{} / Tcp{.syn = true},
      Ether{} / Ip6{} / Udp{} / Payload{"query"},
      Ether{} / Ip6{} / Extension{IPPROTO_HOPOPTS} / Extension{IPPROTO_AH, Bytes{4} + Bytes(22)} /
          Extension{IPPROTO_FRAGMENT, {0, 0, 1, 0, 0, 0, 7}} / Udp{} / Payload{"query"},
      Ether{} / Ip4{} / Icmp{} / Payload{"ping"},
      Ether{} / Ip4{} / Icmp{.type = 3} / Ip4{.src = kVip4, .options = Bytes(4, 1)} /
          Tcp{.sport = 80},
      Ether{} / Ip6{} / Icmp{.type = 2} / Ip6{.src = kVip6} / Udp{.sport = 53}};
  for (const Bytes& whole : templates) {
    for (size_t length = 14; length < whole.size(); ++length) {
      const Bytes frame(whole.begin(), whole.begin() + static_cast<long>(length));
      if (!can_run(frame)) continue;
      Outcome got;
      const std::string taken = verdict(frame, &got);
      EXPECT_TRUE(got.action == XDP_PASS || got.action == XDP_DROP) << taken << " at " << length;
      EXPECT_EQ(got.packet, frame) << taken << " at " << length;
    }
  }
}

}  // namespace
}  // namespace loom::test
