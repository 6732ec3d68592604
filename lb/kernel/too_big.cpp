// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/too_big.hpp"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <algorithm>
#include <array>

namespace loom {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kIcmpHeader = 8, kIpv4Least = 20, kIpv6 = 40;
constexpr uint16_t kFragmentOffset = 0x1fff;

uint16_t read_u16(Bytes bytes, size_t offset) {
  return static_cast<uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

uint32_t read_u32(Bytes bytes, size_t offset) {
  return uint32_t{read_u16(bytes, offset)} << 16 | read_u16(bytes, offset + 2);
}

IpAddr read_v4(Bytes bytes, size_t offset) {
  std::array<uint8_t, 4> out{};
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
  return IpAddr::from_v4(out);
}

IpAddr read_v6(Bytes bytes, size_t offset) {
  std::array<uint8_t, 16> out{};
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
  return IpAddr(out);
}

/// Of an IPv4 header with its options; 0: it is none, or not all there.
size_t ipv4_header_length(Bytes packet) {
  if (packet.size() < kIpv4Least || packet[0] >> 4 != 4) return 0;
  const size_t length = size_t{4} * (packet[0] & 0xf);
  return length >= kIpv4Least && length <= packet.size() ? length : 0;
}

bool checksum_is_right(Bytes message) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < message.size(); i += 2) sum += read_u16(message, i);
  if (message.size() % 2 != 0) sum += uint32_t{message.back()} << 8;
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

/// RFC 1191 7, table 7-1.
uint32_t plateau_below(uint32_t length) {
  constexpr std::array<uint32_t, 10> kPlateaus = {32000, 17914, 8166, 4352, 2002,
                                                  1492,  1006,  508,  296,  68};
  for (const uint32_t plateau : kPlateaus)
    if (plateau < length) return plateau;
  return kPlateaus.back();
}

/// False: the quote ends before the UDP ports.
bool read_port(Bytes behind_ip, TooBig& out) {
  if (out.protocol != IPPROTO_UDP) return true;
  if (behind_ip.size() < 4) return false;
  out.port = read_u16(behind_ip, 2);
  return true;
}

}  // namespace

std::optional<TooBig> parse_too_big_v4(Bytes packet) {
  const size_t header = ipv4_header_length(packet);
  if (header == 0 || packet[9] != IPPROTO_ICMP) return {};
  const Bytes message = packet.subspan(header);
  if (message.size() < kIcmpHeader || message[0] != ICMP_DEST_UNREACH ||
      message[1] != ICMP_FRAG_NEEDED || !checksum_is_right(message))
    return {};

  const Bytes quote = message.subspan(kIcmpHeader);
  const size_t quoted_header = ipv4_header_length(quote);
  // Ours are never fragments: a later one would not even have ports.
  if (quoted_header == 0 || (read_u16(quote, 6) & kFragmentOffset) != 0) return {};
  TooBig out;
  out.router = read_v4(packet, 12);
  out.source = read_v4(quote, 12);
  out.destination = read_v4(quote, 16);
  out.protocol = quote[9];
  out.length = read_u16(quote, 2);
  out.mtu = read_u16(message, 6);
  if (out.mtu == 0) out.mtu = plateau_below(out.length);
  if (!read_port(quote.subspan(quoted_header), out)) return {};
  return out;
}

std::optional<TooBig> parse_too_big_v6(Bytes message, const IpAddr& router) {
  if (message.size() < kIcmpHeader + kIpv6 || message[0] != ICMP6_PACKET_TOO_BIG) return {};
  const Bytes quote = message.subspan(kIcmpHeader);
  if (quote[0] >> 4 != 6) return {};
  TooBig out;
  out.router = router;
  out.source = read_v6(quote, 8);
  out.destination = read_v6(quote, 24);
  // We send no extension headers.
  out.protocol = quote[6];
  out.length = uint32_t{read_u16(quote, 4)} + kIpv6;
  out.mtu = read_u32(message, 4);
  if (!read_port(quote.subspan(kIpv6), out)) return {};
  return out;
}

}  // namespace loom
