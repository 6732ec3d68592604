// SPDX-License-Identifier: Apache-2.0
// Internet checksums (RFC 1071) of IPv4, TCP, UDP, ICMP and ICMPv6, through IPIP and GUE.
#include "checksums.hpp"

namespace loom::tools {

namespace {

using Span = std::span<const uint8_t>;

constexpr size_t kEthernet = 14, kVlanTag = 4, kIp6 = 40, kUdp = 8, kGue = 4;
constexpr uint16_t kGuePort = 6080;
constexpr uint8_t kIcmp = 1, kIp4InIp = 4, kTcp = 6, kUdpProtocol = 17, kIp6InIp = 41, kIcmp6 = 58;

uint16_t read16(Span bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

uint32_t sum_words(Span bytes, uint32_t sum = 0) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += read16(bytes, i);
  if (bytes.size() % 2) sum += static_cast<uint32_t>(bytes.back() << 8);
  return sum;
}

/// 0xffff: the checksum inside the summed bytes is right.
uint16_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

bool is_fragment(Span ip4) {
  return (read16(ip4, 6) & 0x3fff) != 0;
}

}  // namespace

void ChecksumChecker::count(const std::string& what, bool good) {
  Tally& tally = tallies_[what];
  ++(good ? tally.good : tally.bad);
}

void ChecksumChecker::check(Span frame, bool partial) {
  if (frame.size() < kEthernet) return;
  size_t at = 12;
  uint16_t type = read16(frame, at);
  while ((type == 0x8100 || type == 0x88a8) && frame.size() >= at + kVlanTag + 2) {
    at += kVlanTag;
    type = read16(frame, at);
  }
  if (type == 0x0800 || type == 0x86dd) check_ip(frame.subspan(at + 2), "", partial);
}

void ChecksumChecker::check_ip(Span bytes, const std::string& path, bool partial) {
  if (bytes.empty()) return count(path + "truncated", false);
  Packet packet;
  packet.v6 = bytes[0] >> 4 == 6;
  const size_t header = packet.v6 ? kIp6 : size_t{4} * (bytes[0] & 0xf);
  if (bytes.size() < header || header < 20) return count(path + "truncated", false);
  const size_t total = packet.v6 ? kIp6 + read16(bytes, 4) : read16(bytes, 2);
  if (total < header || total > bytes.size()) return count(path + "truncated", false);

  packet.addresses = packet.v6 ? bytes.subspan(8, 32) : bytes.subspan(12, 8);
  packet.payload = bytes.subspan(header, total - header);
  packet.protocol = packet.v6 ? bytes[6] : bytes[9];
  if (!packet.v6) {
    count(path + "ipv4", fold(sum_words(bytes.first(header))) == 0xffff);
    if (is_fragment(bytes)) return;
  }
  check_l4(packet, path, partial);
}

void ChecksumChecker::check_l4(const Packet& packet, const std::string& path, bool partial) {
  const std::string family = packet.v6 ? "6" : "4";
  switch (packet.protocol) {
    case kIp4InIp:
    case kIp6InIp:
      return check_ip(packet.payload, path + "ipip" + family + "/", partial);
    case kUdpProtocol:
      return check_udp(packet, path, partial);
    case kIcmp:
      return count(path + "icmp4", fold(sum_words(packet.payload)) == 0xffff);
    case kTcp:
    case kIcmp6:
      break;
    default:
      return;
  }
  const std::string what = path + (packet.protocol == kTcp ? "tcp" : "icmp") + family;
  if (partial) {
    ++tallies_[what].partial;
    return;
  }
  const uint32_t pseudo =
      sum_words(packet.addresses, packet.protocol) + static_cast<uint32_t>(packet.payload.size());
  count(what, fold(sum_words(packet.payload, pseudo)) == 0xffff);
}

void ChecksumChecker::check_udp(const Packet& packet, const std::string& path, bool partial) {
  const std::string family = packet.v6 ? "6" : "4";
  if (packet.payload.size() < kUdp) return count(path + "truncated", false);
  const size_t length = read16(packet.payload, 4);
  if (length < kUdp || length > packet.payload.size()) return count(path + "truncated", false);
  const Span datagram = packet.payload.first(length);
  const bool gue = read16(datagram, 2) == kGuePort && length > kUdp + kGue;
  const std::string what = path + (gue ? "gue" : "udp") + family;

  if (read16(datagram, 6) == 0) {
    // RFC 8200 8.1: without a checksum only where both ends agreed to it; the tests do not.
    ++(packet.v6 ? tallies_[what].bad : tallies_[what].unset);
  } else if (partial && !gue) {
    ++tallies_[what].partial;
  } else {
    const uint32_t pseudo =
        sum_words(packet.addresses, packet.protocol) + static_cast<uint32_t>(length);
    count(what, fold(sum_words(datagram, pseudo)) == 0xffff);
  }
  if (gue) check_ip(datagram.subspan(kUdp + kGue), what + "/", partial);
}

}  // namespace loom::tools
