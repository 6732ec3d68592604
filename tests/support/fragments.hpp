// SPDX-License-Identifier: Apache-2.0
// Cuts a frame's packet into fragments, and joins such fragments again: an IP stack's half of what
// the datapath must let through.
#pragma once

#include <algorithm>
#include <vector>

#include "support/packet.hpp"

namespace loom::test {

constexpr size_t kEther = 14;  // Frames here have no tags.

inline Bytes part(const Bytes& data, size_t from, size_t to) {
  to = std::min(to, data.size());
  return Bytes(data.begin() + static_cast<long>(from), data.begin() + static_cast<long>(to));
}

inline uint16_t u16_at(const Bytes& data, size_t at) {
  return static_cast<uint16_t>(data.at(at) << 8 | data.at(at + 1));
}

inline void put_u16(Bytes& data, size_t at, size_t value) {
  data.at(at) = static_cast<uint8_t>(value >> 8);
  data.at(at + 1) = static_cast<uint8_t>(value);
}

inline bool is_v4(const Bytes& frame) {
  return u16_at(frame, 12) == ETH_P_IP;
}

/// Into pieces of `size` bytes, a multiple of 8, the last one shorter.
inline std::vector<Bytes> cut4(const Bytes& frame, size_t size) {
  const size_t header = (frame.at(kEther) & 0xfu) * 4;
  const Bytes payload = part(frame, kEther + header, frame.size());
  std::vector<Bytes> out;
  for (size_t at = 0; at < payload.size(); at += size) {
    const bool more = at + size < payload.size();
    const Bytes piece = part(payload, at, at + size);
    Bytes ip = part(frame, kEther, kEther + header);
    put_u16(ip, 2, header + piece.size());
    put_u16(ip, 6, (more ? 0x2000 : 0) | at / 8);
    put_u16(ip, 10, 0);
    put_u16(ip, 10, checksum(ip));
    out.push_back(part(frame, 0, kEther) + ip + piece);
  }
  return out;
}

inline std::vector<Bytes> cut6(const Bytes& frame, size_t size, uint32_t id) {
  const uint8_t next = frame.at(kEther + 6);
  const Bytes payload = part(frame, kEther + 40, frame.size());
  std::vector<Bytes> out;
  for (size_t at = 0; at < payload.size(); at += size) {
    const bool more = at + size < payload.size();
    const Bytes piece = part(payload, at, at + size);
    Bytes ip = part(frame, kEther, kEther + 40);
    ip.at(6) = IPPROTO_FRAGMENT;
    put_u16(ip, 4, 8 + piece.size());
    Bytes fragment{next, 0, 0, 0};
    put_u16(fragment, 2, at | (more ? 1 : 0));
    out.push_back(part(frame, 0, kEther) + ip + fragment + bytes_of(htonl(id)) + piece);
  }
  return out;
}

inline std::vector<Bytes> cut(const Bytes& frame, size_t size) {
  return is_v4(frame) ? cut4(frame, size) : cut6(frame, size, 0x12345678);
}

/// The frame that was cut, whatever the order of its pieces; padding is not part of it.
inline Bytes joined(const std::vector<Bytes>& pieces) {
  const bool v4 = is_v4(pieces.front());
  const size_t header = v4 ? (pieces.front().at(kEther) & 0xfu) * 4 : 40u;
  Bytes payload;
  Bytes head;
  for (const Bytes& piece : pieces) {
    const size_t length = u16_at(piece, kEther + (v4 ? 2 : 4)) + (v4 ? 0u : 40u);
    const Bytes data = part(piece, kEther + header + (v4 ? 0 : 8), kEther + length);
    const size_t field = u16_at(piece, kEther + (v4 ? 6 : 42));
    const size_t at = v4 ? (field & 0x1fffu) * 8 : field & 0xfff8u;
    if (at == 0) head = part(piece, 0, kEther + header + (v4 ? 0 : 8));
    payload.resize(std::max(payload.size(), at + data.size()));
    std::copy(data.begin(), data.end(), payload.begin() + static_cast<long>(at));
  }
  if (head.empty()) return {};
  if (!v4) {
    head.at(kEther + 6) = head.at(kEther + 40);
    head.resize(kEther + 40);
    put_u16(head, kEther + 4, payload.size());
    return head + payload;
  }
  put_u16(head, kEther + 2, header + payload.size());
  put_u16(head, kEther + 6, 0);
  put_u16(head, kEther + 10, 0);
  put_u16(head, kEther + 10, checksum(part(head, kEther, head.size())));
  return head + payload;
}

/// The frame without the `room` bytes of tunnel behind its Ethernet header.
inline Bytes unwrapped(const Bytes& frame, size_t room) {
  Bytes out = part(frame, 0, kEther) + part(frame, kEther + room, frame.size());
  put_u16(out, 12, out.at(kEther) >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
  return out;
}

}  // namespace loom::test
