// SPDX-License-Identifier: Apache-2.0
// The oracle's templates: one packet of every kind, and what makes its flow known.
#include "oracle_world.hpp"

namespace loom::test {
namespace {

const Packet kEther({Ether{}});

/// `packet` without its outermost `header` bytes.
Bytes without(const Bytes& packet, size_t header) {
  return Bytes(packet.begin() + static_cast<long>(header), packet.end());
}

std::vector<Packet> segments(const Layer& ip, uint16_t port) {
  const Payload text{"some text"};
  return {ip / Tcp{.dport = port, .syn = true, .options = {2, 4, 5, 0xb4}},
          ip / Tcp{.dport = port, .ack = true} / text,
          ip / Tcp{.dport = port, .ack = true, .fin = true},
          ip / Tcp{.dport = port, .rst = true},
          ip / Udp{.dport = port} / text,
          ip / Udp{.dport = port, .has_checksum = false} / text};
}

std::vector<Bytes> handshake(const Layer& ip, uint16_t port) {
  return {kEther / Packet({ip}) / Tcp{.dport = port, .syn = true},
          kEther / Packet({ip}) / Tcp{.dport = port, .ack = true}};
}

void add_services(const World& world, std::vector<Template>& out) {
  for (const auto& [id, service] : world.services) {
    for (const Layer& ip : {Layer{Ip4{.tos = 0x2e}}, Layer{Ip6{.traffic_class = 0xb9}}}) {
      const std::vector<Packet> all = segments(ip, port_of(id));
      for (size_t i = 0; i < all.size(); ++i)
        out.push_back({i < 4 ? handshake(ip, port_of(id)) : std::vector<Bytes>(2, kEther / all[4]),
                       kEther / all[i]});
    }
  }
}

/// Everything that may stand in front of TCP.
void add_headers(std::vector<Template>& out) {
  const Tcp syn{.dport = kFirstPort, .syn = true};
  const std::vector<Packet> all = {
      kEther / Vlan{.id = 200, .priority = 5} / Ip4{} / syn,
      kEther / Vlan{.id = 100, .tpid = ETH_P_8021AD} / Vlan{} / Ip6{} / syn,
      kEther / Vlan{} / Vlan{} / Vlan{} / Ip4{} / syn,
      kEther / Ip4{.options = {7, 7, 4, 0, 0, 0, 0, 0}} / syn,
      kEther / Ip4{.id = 77, .frag = 0} / syn,
      kEther / Ip4{.dst = kHostVip4} / syn,
      kEther / Ip4{.dst = kMixedVip4} / syn,
      kEther / Ip4{.dst = kSource4} / syn,
      kEther / Ip4{.dst = "198.51.100.99"} / syn,
      kEther / Ip4{} / Tcp{.dport = kPassedPort, .syn = true},
      kEther / Ip4{} / Tcp{.dport = kLostPort, .syn = true},
      kEther / Ip4{} / Tcp{.dport = 7, .syn = true},
      kEther / Ip4{} / Tcp{.dport = kFirstRangePort + 1, .syn = true},
      kEther / Ip4{} / Udp{.dport = kFirstRangePort + 4},
      kEther / Ip6{} / Tcp{.dport = kFirstRangePort + 7, .syn = true},
      kEther / Ip4{.dst = kMixedVip4} / Udp{.dport = 7777},
      Ether{.dst = kExtraMac} / Ip6{} / syn,
      kEther / Ip4{.proto = IPPROTO_GRE} / Payload{"some tunnel"},
      Ether{.type = ETH_P_ARP} / Payload{"an ARP request of 28 bytes.."},
  };
  for (const Packet& packet : all) out.push_back({{packet}, packet});
  const Bytes short_frame = padded(kEther / Ip4{} / syn);
  out.push_back({{short_frame}, short_frame});
}

/// A chain of IPv6 extension headers, and fragments of both families.
void add_parts(std::vector<Template>& out) {
  const Ip6 ip6{};
  const Bytes tcp = without(ip6 / Tcp{.dport = kFirstPort, .syn = true}, 40);
  const Bytes option{IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0};
  const Bytes first{IPPROTO_TCP, 0, 0, 1, 0, 0, 0, 9};
  const Bytes later{IPPROTO_TCP, 0, 0, 0x28, 0, 0, 0, 9};
  const auto chain = [&](uint8_t next, const Bytes& behind) {
    out.push_back({handshake(ip6, kFirstPort), kEther / Ip6{.next = next} / raw(behind)});
  };
  for (const uint8_t next :
       std::vector<uint8_t>{IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_AH})
    chain(next, option + tcp);
  chain(IPPROTO_HOPOPTS, Bytes{IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0} + option + tcp);
  chain(IPPROTO_FRAGMENT, first + tcp);
  chain(IPPROTO_FRAGMENT, later + Bytes(24));
  chain(IPPROTO_HOPOPTS, Bytes{IPPROTO_FRAGMENT, 0, 1, 4, 0, 0, 0, 0} + first + tcp);
  for (const uint16_t port : {port_of(1), port_of(6), port_of(8)}) {
    const Bytes start = kEther / Ip4{.id = 9, .frag = 0x2000} / Tcp{.dport = port, .syn = true};
    const Bytes end =
        kEther / Ip4{.id = 9, .frag = 0x0003, .proto = IPPROTO_TCP} / Payload{"the rest"};
    out.push_back({{start}, start});
    out.push_back({{start}, end});
  }
}

/// Echo, and errors about what was sent to a client.
void add_icmp(std::vector<Template>& out) {
  const Payload text{"ping"};
  for (const uint16_t port : {port_of(1), port_of(6), port_of(8), port_of(9)}) {
    const Tcp back{.sport = port, .dport = 40000, .ack = true};
    const Packet quote4 = Ip4{.src = kVip4, .dst = "192.0.2.1"} / back;
    const Packet quote6 = Ip6{.src = kVip6, .dst = "2001:db8::1"} / back;
    const Bytes whole = quote4;
    const Payload short_quote = raw(Bytes(whole.begin(), whole.begin() + 28));
    const auto add4 = [&](const Icmp& icmp, const Packet& rest) {
      out.push_back({handshake(Ip4{}, port), kEther / Ip4{} / icmp / rest});
    };
    add4({.type = 8}, Packet({text}));
    for (const uint8_t type : std::vector<uint8_t>{3, 11, 12})
      add4({.type = type, .code = 4, .rest = 1400}, quote4);
    add4({.type = 3, .code = 4, .rest = 1400}, Packet({short_quote}));
    for (const uint8_t type : std::vector<uint8_t>{128, 1, 2, 3})
      out.push_back({handshake(Ip6{}, port), kEther / Ip6{} / Icmp{.type = type} /
                                                 (type == 128 ? Packet({text}) : quote6)});
  }
}

/// Errors about what was sent to a NAT backend.
void add_backend_errors(std::vector<Template>& out) {
  const uint16_t port4 = port_of(kNatServices[0]);
  const uint16_t port6 = port_of(kNatServices[1]);
  const loom_flow flow4 = flow_of("192.0.2.1", 40000, kVip4, port4, IPPROTO_TCP);
  const loom_flow flow6 = flow_of("2001:db8::1", 40000, kVip6, port6, IPPROTO_TCP);
  const Tcp there4{.sport = nat_candidate(flow4), .dport = 8080, .ack = true};
  const Tcp there6{.sport = nat_candidate(flow6), .dport = port6, .ack = true};
  for (const char* router : {"10.0.0.6", "203.0.113.9"})
    out.push_back({handshake(Ip4{}, port4), kEther / Ip4{.src = router, .dst = kSource4} /
                                                Icmp{.type = 3, .code = 1} /
                                                Ip4{.src = kSource4, .dst = "10.0.0.6"} / there4});
  for (const char* router : {"fc00::6", "2001:db8:9::9"})
    out.push_back({handshake(Ip6{}, port6), kEther / Ip6{.src = router, .dst = kSource6} /
                                                Icmp{.type = 1, .code = 3} /
                                                Ip6{.src = kSource6, .dst = "fc00::6"} / there6});
}

/// What NAT backends answer.
void add_answers(const World& world, std::vector<Template>& out) {
  for (const loom_backend& backend : world.backends) {
    if (backend.forwarding != LOOM_FORWARD_NAT) continue;
    const std::string from = text_of(backend.addr);
    const bool v4 = from.find(':') == std::string::npos;
    const uint16_t port = port_of(backend.service);
    const loom_flow flow = v4 ? flow_of("192.0.2.1", 40000, kVip4, port, IPPROTO_TCP)
                              : flow_of("2001:db8::1", 40000, kVip6, port, IPPROTO_TCP);
    if (world.rings.at(backend.service)[ring_slot(flow)] != &backend - world.backends.data())
      continue;
    const Tcp answer{.sport = backend.port ? ntohs(backend.port) : port,
                     .dport = nat_candidate(flow),
                     .syn = true,
                     .ack = true};
    const std::string to = text_of(backend.source);
    if (v4)
      out.push_back({handshake(Ip4{}, port), kEther / Ip4{.src = from, .dst = to} / answer});
    else
      out.push_back({handshake(Ip6{}, port), kEther / Ip6{.src = from, .dst = to} / answer});
  }
}

}  // namespace

std::vector<Template> oracle_templates(const World& world) {
  std::vector<Template> out;
  add_services(world, out);
  add_headers(out);
  add_parts(out);
  add_icmp(out);
  add_backend_errors(out);
  add_answers(world, out);
  return out;
}

}  // namespace loom::test
