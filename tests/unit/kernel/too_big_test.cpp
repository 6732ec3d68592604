// SPDX-License-Identifier: Apache-2.0
// Messages as routers write them, byte by byte, and what is wrong with those that are not.
#include "lb/kernel/too_big.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/values.hpp"

namespace loom {
namespace {

using test::ip;
using Bytes = std::vector<uint8_t>;

constexpr uint8_t kIpip = 4, kUdp = 17;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes u16(uint32_t value) {
  return {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}

void put_checksum(Bytes& packet, size_t header) {
  uint32_t sum = 0;
  for (size_t i = header; i < packet.size(); ++i)
    sum += i % 2 == header % 2 ? uint32_t{packet[i]} << 8 : packet[i];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  packet[header + 2] = static_cast<uint8_t>(~sum >> 8);
  packet[header + 3] = static_cast<uint8_t>(~sum);
}

/// 10.0.0.1 to 10.0.0.9, DF.
Bytes quoted_v4(uint8_t protocol, uint32_t length) {
  return Bytes{0x45, 0} + u16(length) + Bytes{0, 0, 0x40, 0, 63, protocol, 0, 0} +
         Bytes{10, 0, 0, 1} + Bytes{10, 0, 0, 9};
}

/// From router 10.9.9.9, complete but for the checksum.
Bytes frag_needed(uint32_t mtu, const Bytes& quote) {
  const Bytes icmp = Bytes{3, 4, 0, 0, 0, 0} + u16(mtu) + quote;
  return Bytes{0x45, 0} + u16(static_cast<uint32_t>(20 + icmp.size())) +
         Bytes{0, 0, 0, 0, 64, 1, 0, 0, 10, 9, 9, 9, 10, 0, 0, 1} + icmp;
}

Bytes summed(Bytes packet) {
  put_checksum(packet, size_t{4} * (packet[0] & 0xf));
  return packet;
}

const Bytes kEightBytes = {0x45, 0, 5, 0xc8, 0, 0, 0x40, 0};

TEST(TooBigV4, SaysWhoWhoseAndHowMuch) {
  const auto got =
      parse_too_big_v4(summed(frag_needed(1380, quoted_v4(kIpip, 1500) + kEightBytes)));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->router, ip("10.9.9.9"));
  EXPECT_EQ(got->source, ip("10.0.0.1"));
  EXPECT_EQ(got->destination, ip("10.0.0.9"));
  EXPECT_EQ(got->protocol, kIpip);
  EXPECT_EQ(got->port, 0);
  EXPECT_EQ(got->length, 1500u);
  EXPECT_EQ(got->mtu, 1380u);
}

TEST(TooBigV4, OfUdpNamesTheDestinationPort) {
  const Bytes udp = u16(40000) + u16(6080) + Bytes{0, 0, 0, 0};
  const auto got = parse_too_big_v4(summed(frag_needed(1380, quoted_v4(kUdp, 1500) + udp)));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->protocol, kUdp);
  EXPECT_EQ(got->port, 6080);
}

TEST(TooBigV4, BehindIpOptionsInBothHeaders) {
  Bytes quote = quoted_v4(kUdp, 1500) + Bytes{1, 1, 1, 0} + u16(40000) + u16(6080);
  quote[0] = 0x46;
  Bytes packet = frag_needed(1380, quote);
  packet[0] = 0x46;
  const Bytes options = {1, 1, 1, 0};
  packet.insert(packet.begin() + 20, options.begin(), options.end());
  const auto got = parse_too_big_v4(summed(packet));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->port, 6080);
  EXPECT_EQ(got->mtu, 1380u);
}

TEST(TooBigV4, WithoutAnMtuMeansTheNextPlateauBelowThePacket) {
  const auto mtu = [](uint32_t length) {
    return parse_too_big_v4(summed(frag_needed(0, quoted_v4(kIpip, length) + kEightBytes)))->mtu;
  };
  EXPECT_EQ(mtu(1500), 1492u);
  EXPECT_EQ(mtu(1492), 1006u);
  EXPECT_EQ(mtu(9000), 8166u);
  EXPECT_EQ(mtu(65535), 32000u);
  EXPECT_EQ(mtu(60), 68u);
}

TEST(TooBigV4, OtherMessagesAreNone) {
  Bytes other = frag_needed(1380, quoted_v4(kIpip, 1500) + kEightBytes);
  other[21] = 3;
  EXPECT_FALSE(parse_too_big_v4(summed(other))) << "port unreachable";
  other[20] = 11;
  other[21] = 4;
  EXPECT_FALSE(parse_too_big_v4(summed(other))) << "time exceeded";
}

TEST(TooBigV4, AWrongChecksumIsRefused) {
  Bytes packet = summed(frag_needed(1380, quoted_v4(kIpip, 1500) + kEightBytes));
  packet.back() ^= 1;
  EXPECT_FALSE(parse_too_big_v4(packet));
}

TEST(TooBigV4, ALaterFragmentIsNotOurs) {
  Bytes packet = frag_needed(1380, quoted_v4(kUdp, 1500) + kEightBytes);
  packet[20 + 8 + 7] = 1;
  EXPECT_FALSE(parse_too_big_v4(summed(packet)));
}

TEST(TooBigV4, CutAnywhereIsReadOnlyAsFarAsItGoes) {
  const Bytes whole = frag_needed(1380, quoted_v4(kUdp, 1500) + kEightBytes);
  for (size_t length = 0; length < whole.size(); ++length) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    if (length >= 24) put_checksum(cut, 20);
    EXPECT_EQ(parse_too_big_v4(cut).has_value(), length >= 20 + 8 + 20 + 4) << length;
  }
}

const IpAddr kRouter6 = ip("2001:db8::fe");

Bytes quoted_v6(uint8_t next_header, uint32_t payload) {
  const Bytes prefix = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  return Bytes{0x60, 0, 0, 0} + u16(payload) + Bytes{next_header, 63} + prefix + Bytes{1} + prefix +
         Bytes{9};
}

Bytes packet_too_big(uint32_t mtu, const Bytes& quote) {
  return Bytes{2, 0, 0, 0} + u16(mtu >> 16) + u16(mtu & 0xffff) + quote;
}

TEST(TooBigV6, SaysWhoWhoseAndHowMuch) {
  const auto got = parse_too_big_v6(packet_too_big(1380, quoted_v6(kIpip, 1460)), kRouter6);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->router, kRouter6);
  EXPECT_EQ(got->source, ip("2001:db8::1"));
  EXPECT_EQ(got->destination, ip("2001:db8::9"));
  EXPECT_EQ(got->protocol, kIpip);
  EXPECT_EQ(got->length, 1500u);
  EXPECT_EQ(got->mtu, 1380u);
  EXPECT_EQ(parse_too_big_v6(packet_too_big(70000, quoted_v6(kIpip, 1460)), kRouter6)->mtu, 70000u);
}

TEST(TooBigV6, OfUdpNamesTheDestinationPort) {
  const auto got = parse_too_big_v6(
      packet_too_big(1380, quoted_v6(kUdp, 1460) + u16(40000) + u16(6080)), kRouter6);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->port, 6080);
}

TEST(TooBigV6, CutAnywhereIsReadOnlyAsFarAsItGoes) {
  const Bytes whole = packet_too_big(1380, quoted_v6(kUdp, 1460) + u16(40000) + u16(6080));
  for (size_t length = 0; length <= whole.size(); ++length) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_EQ(parse_too_big_v6(cut, kRouter6).has_value(), length == whole.size()) << length;
  }
}

TEST(TooBigV6, OtherMessagesAreNone) {
  Bytes other = packet_too_big(1380, quoted_v6(kIpip, 1460));
  other[0] = 1;
  EXPECT_FALSE(parse_too_big_v6(other, kRouter6));
}

}  // namespace
}  // namespace loom
