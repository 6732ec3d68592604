// SPDX-License-Identifier: Apache-2.0
#include "support/datapath_values.hpp"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstring>

namespace loom::test {

loom_addr addr(const std::string& text) {
  loom_addr out{};
  if (inet_pton(AF_INET6, text.c_str(), &out) == 1) return out;
  out.w[2] = htonl(0xffff);
  EXPECT_EQ(inet_pton(AF_INET, text.c_str(), &out.w[3]), 1) << text;
  return out;
}

loom_flow flow_of(const std::string& src, uint16_t sport, const std::string& dst, uint16_t dport,
                  uint8_t proto) {
  return {addr(src), addr(dst), htons(sport), htons(dport), proto, {}};
}

bool operator<(const loom_flow& a, const loom_flow& b) {
  return bytes_of(a) < bytes_of(b);
}

loom_backend backend_of(loom_forwarding forwarding, const std::string& address) {
  loom_backend out{};
  out.addr = addr(address);
  out.source = addr(address.find(':') == std::string::npos ? kSource4 : kSource6);
  std::memcpy(out.dmac, kBackendMac.data(), kBackendMac.size());
  std::memcpy(out.smac, kEgressMac.data(), kEgressMac.size());
  out.ifindex = kIngress;
  out.generation = 1;
  out.service = kService;
  out.mtu = 1500;
  out.port = forwarding == LOOM_FORWARD_GUE ? htons(6080) : uint16_t{0};
  out.forwarding = static_cast<uint8_t>(forwarding);
  out.flags = LOOM_BACKEND_F_NEXT_HOP;
  return out;
}

const char* name_of(loom_verdict verdict) {
  switch (verdict) {
#define V(name, action, help) \
  case LOOM_##name:           \
    return #name;
    LOOM_VERDICT_LIST(V)
#undef V
    default:
      return "no verdict";
  }
}

int action_of(loom_verdict verdict) {
  switch (verdict) {
#define V(name, action, help) \
  case LOOM_##name:           \
    return XDP_##action;
    LOOM_VERDICT_LIST(V)
#undef V
    default:
      return -1;
  }
}

uint32_t flow_hash(const loom_flow& flow) {
  uint64_t words[5];
  static_assert(sizeof(words) == sizeof(flow));
  std::memcpy(words, &flow, sizeof(words));
  uint64_t hash = 0x9e3779b97f4a7c15u;
  for (const uint64_t word : words) {
    hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
    hash ^= hash >> 32;
  }
  return static_cast<uint32_t>(((hash ^ hash >> 29) * 0x94d049bb133111ebu) >> 32);
}

uint32_t ring_slot(const loom_flow& flow) {
  return static_cast<uint32_t>(uint64_t{flow_hash(flow)} * kRingSize >> 32);
}

uint16_t nat_candidate(const loom_flow& flow, uint32_t probe) {
  constexpr uint32_t kRange = kNatPortMax - kNatPortMin + 1;
  constexpr uint32_t kStride = 7919;
  return static_cast<uint16_t>(kNatPortMin + (flow_hash(flow) + probe * kStride) % kRange);
}

}  // namespace loom::test
