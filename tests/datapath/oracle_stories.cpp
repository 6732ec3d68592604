// SPDX-License-Identifier: Apache-2.0
#include "oracle_stories.hpp"

#include <array>

#include "oracle_bytes.hpp"

namespace loom::test {
namespace {

const Packet kEther({Ether{}});
constexpr std::array<uint32_t, 14> kServices{6, 8, 9, 12, 13, 17, 18, 19, 20, 21, 22, 23, 24, 25};

Layer header(const loom_flow& flow) {
  if (is_v4(flow.src)) return Ip4{.src = text_of(flow.src), .dst = text_of(flow.dst)};
  return Ip6{.src = text_of(flow.src), .dst = text_of(flow.dst)};
}

}  // namespace

/// The client opens with one of two numbers, and goes on with either.
Tcp StorySource::segment(bool from_client) {
  static constexpr uint8_t kOfClient[] = {2, 2, 2, 0x10, 0x10, 0x10, 0x10, 0x11, 0x14, 4, 0x12, 3};
  static constexpr uint8_t kOfBackend[] = {0x12, 0x12, 0x12, 0x10, 0x10, 0x11, 0x14};
  const uint8_t flags =
      from_client ? kOfClient[below(sizeof(kOfClient))] : kOfBackend[below(sizeof(kOfBackend))];
  Tcp out{};
  out.fin = (flags & 0x01) != 0;
  out.syn = (flags & 0x02) != 0;
  out.rst = (flags & 0x04) != 0;
  out.ack = (flags & 0x10) != 0;
  const uint32_t first = below(3) ? 1000 : 0xffffffff;
  out.seq = out.syn ? first : below(6) ? first + 1 : 1002;
  return out;
}

Packet StorySource::datagram(const Layer& ip, const loom_flow& flow, bool from_client) {
  const uint16_t sport = ntohs(flow.sport);
  const uint16_t dport = ntohs(flow.dport);
  if (flow.proto == IPPROTO_UDP) return ip / Udp{.sport = sport, .dport = dport};
  Tcp tcp = segment(from_client);
  tcp.sport = sport;
  tcp.dport = dport;
  return ip / tcp;
}

Packet StorySource::packet(const loom_flow& flow, bool from_client) {
  Layer ip = header(flow);
  if (below(40) == 0) {
    if (Ip4* ip4 = std::get_if<Ip4>(&ip)) ip4->ttl = 1;
    if (Ip6* ip6 = std::get_if<Ip6>(&ip)) ip6->hop_limit = 1;
  }
  return kEther / datagram(ip, flow, from_client);
}

/// The flow as one of the members sees it, if the service is one of NAT.
loom_flow StorySource::at_backend() {
  const std::vector<loom_slot>& ring = world_.rings.at(service_);
  const loom_backend& member = world_.backends[ring[below(kRingSize)]];
  loom_flow out = flow_;
  out.src = member.source;
  out.dst = member.addr;
  out.sport = htons(nat_candidate(flow_, below(12) == 0 ? 1 : 0));
  if (member.port) out.dport = member.port;
  return out;
}

/// Of the client about what it was sent, or of a backend about what it was.
Bytes StorySource::error() {
  const loom_flow about = below(2) ? reversed(flow_) : at_backend();
  const Icmp icmp{.type = static_cast<uint8_t>(is_v4(about.src) ? 3 : 1)};
  return kEther / header(reversed(about)) / icmp / datagram(header(about), about, true);
}

/// Above all what evicts and ages flows.
Event StorySource::event() {
  static constexpr Event kEvents[] = {
      Event::kEvict,  Event::kEvict,       Event::kEvict,       Event::kEvict,      Event::kAge,
      Event::kExpire, Event::kExpire,      Event::kExpire,      Event::kBackendNew, Event::kForget,
      Event::kLimit,  Event::kBackendDown, Event::kBackendDown, Event::kHandover};
  return kEvents[below(std::size(kEvents))];
}

/// Another one whose first choice of a NAT port is the same.
loom_flow StorySource::rival_of(const loom_flow& flow) {
  loom_flow out = flow;
  const uint16_t wanted = nat_candidate(flow);
  for (uint32_t tries = 0; tries < (1u << 20); ++tries) {
    out.sport = static_cast<uint16_t>(random_());
    if (out.sport != flow.sport && nat_candidate(out) == wanted) return out;
  }
  return flow;
}

void StorySource::begin() {
  service_ = kServices[below(kServices.size())];
  const bool v4 = service_ != kNatServices[1];  // The one with an IPv6 backend.
  const uint8_t proto = below(4) ? IPPROTO_TCP : IPPROTO_UDP;
  flow_ = flow_of(v4 ? "192.0.2.1" : "2001:db8::1", static_cast<uint16_t>(40000 + below(64)),
                  v4 ? kVip4 : kVip6, port_of(service_), proto);
  flows_ = {flow_};
  if (below(8) == 0) flows_.push_back(rival_of(flow_));
}

Step StorySource::step(bool is_nat) {
  Step out;
  flow_ = flows_[below(flows_.size())];
  const uint32_t what = below(20);
  if (what == 0)
    out.frame = error();
  else if (is_nat && what < 8)
    out.frame = packet(reversed(at_backend()), false);
  else
    out.frame = packet(flow_, true);
  if (below(8) == 0) out.frame[11] = 9;  // Another hop.
  out.pick = below(1u << 16);
  if (below(5) == 0) out.event = event();
  if (out.event == Event::kBackendDown || out.event == Event::kBackendNew)
    out.pick = world_.rings.at(service_)[below(kRingSize)] - 1;
  return out;
}

std::vector<Step> StorySource::story(size_t length) {
  begin();
  const bool is_nat = world_.services.at(service_).forwarding == LOOM_FORWARD_NAT;
  std::vector<Step> out;
  while (out.size() < length) out.push_back(step(is_nat));
  return out;
}

}  // namespace loom::test
