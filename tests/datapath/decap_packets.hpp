// SPDX-License-Identifier: Apache-2.0
// Packets for the loom_decap tests: tunnels between a balancer and a backend host, built byte by
// byte, so that nothing the programs share can be wrong on both sides.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

#include "loom/abi.h"

namespace loom::test::decap {

using Bytes = std::vector<uint8_t>;

inline constexpr const char* kBalancer4 = "10.0.1.7";  // in 10.0.1.0/24, which is allowed
inline constexpr const char* kBalancer6 = "2001:db8:1::7";
inline constexpr const char* kHost4 = "10.0.2.2";
inline constexpr const char* kHost6 = "2001:db8:2::2";
inline constexpr const char* kVip4 = "203.0.113.10";
inline constexpr const char* kVip6 = "2001:db8:ffff::10";
inline constexpr uint16_t kGuePort = 6080;

inline loom_addr addr(const std::string& text) {
  loom_addr out{};
  if (inet_pton(AF_INET6, text.c_str(), &out) == 1) return out;
  out.w[2] = htonl(0xffff);
  EXPECT_EQ(inet_pton(AF_INET, text.c_str(), &out.w[3]), 1) << text;
  return out;
}

inline Bytes operator+(Bytes front, const Bytes& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

inline Bytes be16(size_t value) {
  return {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}

inline void put16(Bytes& packet, size_t at, size_t value) {
  packet.at(at) = static_cast<uint8_t>(value >> 8);
  packet.at(at + 1) = static_cast<uint8_t>(value);
}

inline uint16_t checksum(const Bytes& data) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < data.size(); i += 2)
    sum += static_cast<uint32_t>(data[i] << 8 | data[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

struct Ip {
  std::string src;
  std::string dst;
  uint8_t tos = 0;
  uint16_t frag = 0;  // IPv4
  Bytes options;      // IPv4
};

inline bool is_v6(const Ip& ip) {
  return ip.dst.find(':') != std::string::npos;
}

inline Bytes address(const std::string& text) {
  const loom_addr a = addr(text);
  const auto* bytes = reinterpret_cast<const uint8_t*>(&a);
  return text.find(':') != std::string::npos ? Bytes(bytes, bytes + 16)
                                             : Bytes(bytes + 12, bytes + 16);
}

/// The payload behind an IP header of the addresses' family.
inline Bytes ip(const Ip& header, uint8_t proto, const Bytes& payload) {
  const auto tos = header.tos;
  if (is_v6(header))
    return Bytes{static_cast<uint8_t>(0x60 | tos >> 4), static_cast<uint8_t>(tos << 4), 0x12,
                 0x34} +
           be16(payload.size()) + Bytes{proto, 64} + address(header.src) + address(header.dst) +
           payload;
  const size_t length = 20 + header.options.size();
  Bytes out = Bytes{static_cast<uint8_t>(0x40 | length / 4), tos} + be16(length + payload.size()) +
              Bytes{0xab, 0xcd} + be16(header.frag) + Bytes{64, proto, 0, 0} + address(header.src) +
              address(header.dst) + header.options;
  put16(out, 10, checksum(out));
  return out + payload;
}

inline Bytes udp(uint16_t dport, const Bytes& payload) {
  return be16(40000) + be16(dport) + be16(8 + payload.size()) + be16(0) + payload;
}

inline Bytes tcp(const std::string& payload = "hello") {
  return be16(40000) + be16(80) + Bytes{0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0} +
         Bytes(payload.begin(), payload.end());
}

inline uint8_t proto_of(const Bytes& packet) {
  return packet.at(0) >> 4 == 6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
}
inline Bytes ethertype_of(const Bytes& packet) {
  return be16(packet.at(0) >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
}

inline Bytes frame(const Bytes& packet, const Bytes& tags = {}) {
  return Bytes{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2} + tags + ethertype_of(packet) + packet;
}

inline Bytes gue(const Bytes& packet) {
  return Bytes{0, proto_of(packet), 0, 0} + packet;
}

enum class Encap { kIpip, kGue };

inline Bytes tunnel(Encap encap, const Ip& outer, const Bytes& inner) {
  return encap == Encap::kIpip ? ip(outer, proto_of(inner), inner)
                               : ip(outer, IPPROTO_UDP, udp(kGuePort, gue(inner)));
}

inline const Ip kOuter4{kBalancer4, kHost4};
inline const Ip kOuter6{kBalancer6, kHost6};
inline const Ip kInner4{"192.0.2.1", kVip4};
inline const Ip kInner6{"2001:db8::1", kVip6};

inline Bytes inner4() {
  return ip(kInner4, IPPROTO_TCP, tcp());
}
inline Bytes inner6() {
  return ip(kInner6, IPPROTO_TCP, tcp());
}

}  // namespace loom::test::decap
