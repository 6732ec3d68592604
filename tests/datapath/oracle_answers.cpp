// SPDX-License-Identifier: Apache-2.0
// The oracle's answers to packets that cannot go on: ICMP errors and RSTs.
#include <algorithm>

#include "oracle.hpp"
#include "oracle_bytes.hpp"

namespace loom::test {
namespace {

constexpr uint8_t kTtl = 64;
constexpr uint8_t kControl = 0xc0;   // Precedence of ICMP errors, RFC 1812 4.3.2.5.
constexpr size_t kMaxError4 = 576;   // RFC 1812 4.3.2.3
constexpr size_t kMaxError6 = 1280;  // RFC 4443 2.4 (c)
constexpr uint8_t kRst = 0x04;
constexpr uint8_t kAck = 0x10;

}  // namespace

/// What is due if the service has nobody.
loom_verdict Oracle::without_backend(const Parsed& packet) const {
  const auto vip = world_.vips.find(packet.flow.dst);
  const loom_listener* listener = listener_of(packet, vip->second);
  const auto service = listener ? world_.services.find(listener->service) : world_.services.end();
  if (service == world_.services.end()) return LOOM_DROP_NO_BACKEND;
  switch (service->second.on_no_backend) {
    case LOOM_NO_BACKEND_PASS:
      return LOOM_PASS_NO_BACKEND;
    case LOOM_NO_BACKEND_REJECT:
      if (packet.flow.proto == IPPROTO_UDP) return LOOM_REPLY_UNREACHABLE;
      return packet.tcp_flags & kRst ? LOOM_DROP_NO_BACKEND : LOOM_REPLY_RST;
    default:
      return LOOM_DROP_NO_BACKEND;
  }
}

/// The answer that is due instead of a drop, or that drop.
loom_verdict Oracle::due(const Parsed& packet, loom_verdict verdict, const Expected& out,
                         size_t& mtu) const {
  switch (verdict) {
    case LOOM_DROP_TTL_EXCEEDED:
      return LOOM_REPLY_TIME_EXCEEDED;
    case LOOM_DROP_TOO_BIG: {
      const loom_backend& backend = *backend_at(out.backend);
      if (packet.v4 && !packet.dont_fragment) return verdict;
      mtu = (backend.mtu ? backend.mtu : 65535u) - overhead(backend);
      if (!packet.v4) mtu = std::max<size_t>(mtu, 1280);
      return mtu < packet.length ? LOOM_REPLY_TOO_BIG : verdict;
    }
    case LOOM_DROP_NO_BACKEND:
      return without_backend(packet);
    case LOOM_DROP_NO_FLOW: {
      const bool waits = (world_.settings & LOOM_SETTING_HANDOVER) != 0;
      const bool resets = packet.flow.proto == IPPROTO_TCP && !(packet.tcp_flags & kRst);
      return resets && !waits ? LOOM_REPLY_RST : verdict;
    }
    default:
      return verdict;
  }
}

/// Never about ICMP, to later fragments, or to more than one host.
loom_verdict Oracle::answer(const Parsed& packet, loom_verdict verdict, Expected& out) {
  const bool v4 = packet.v4;
  const uint8_t icmp = v4 ? uint8_t{IPPROTO_ICMP} : uint8_t{IPPROTO_ICMPV6};
  if (packet.flow.proto == icmp) return verdict;
  size_t mtu = 0;
  const loom_verdict reply = due(packet, verdict, out, mtu);
  if (reply == verdict) return reply;
  if (reply == LOOM_PASS_NO_BACKEND) return remember_passed(packet, reply);
  if (packet.part == Part::kLater || !has_sender(packet)) return verdict;
  if (!answers_left) return verdict == LOOM_DROP_TTL_EXCEEDED ? verdict : LOOM_DROP_RATE_LIMITED;
  answers_left--;
  if (reply == LOOM_REPLY_RST)
    send_back(packet, IPPROTO_TCP, reset_for(packet), out);
  else if (reply == LOOM_REPLY_TOO_BIG)
    send_back(packet, icmp, error_about(packet, v4 ? 0x0304 : 0x0200, mtu), out);
  else if (reply == LOOM_REPLY_TIME_EXCEEDED)
    send_back(packet, icmp, error_about(packet, v4 ? 0x0b00 : 0x0300, 0), out);
  else
    send_back(packet, icmp, error_about(packet, v4 ? 0x0303 : 0x0104, 0), out);
  return reply;
}

/// Type and code are one number. Quotes the packet as received.
Bytes Oracle::error_about(const Parsed& packet, uint16_t type_and_code, size_t mtu) {
  const size_t most = (packet.v4 ? kMaxError4 - 20 : kMaxError6 - 40) - 8;
  const auto from = packet.frame->begin() + static_cast<long>(packet.l3);
  const uint32_t head[2] = {htonl(uint32_t{type_and_code} << 16),
                            htonl(static_cast<uint32_t>(mtu))};
  Bytes out = bytes_of(head) + Bytes(from, from + static_cast<long>(std::min(most, packet.length)));
  uint32_t sum = sum_of(out);
  if (!packet.v4)
    sum += sum_of_part(packet.flow.src) + sum_of_part(packet.flow.dst) + IPPROTO_ICMPV6 +
           static_cast<uint32_t>(out.size());
  put16(out, 2, complement(sum));
  return out;
}

/// RFC 9293 3.5.2.
Bytes Oracle::reset_for(const Parsed& packet) {
  const Bytes& frame = *packet.frame;
  const size_t at = packet.l4;
  const size_t data = packet.l3 + packet.length - at - (frame[at + 12] >> 4) * 4u;
  const uint8_t flags = packet.tcp_flags;
  Bytes out(20);
  std::copy_n(frame.begin() + static_cast<long>(at), 2, out.begin() + 2);
  std::copy_n(frame.begin() + static_cast<long>(at) + 2, 2, out.begin());
  if (flags & kAck) {
    std::copy_n(frame.begin() + static_cast<long>(at) + 8, 4, out.begin() + 4);
  } else {
    uint32_t seq = 0;
    std::memcpy(&seq, frame.data() + at + 4, 4);
    seq = ntohl(seq) + static_cast<uint32_t>(data) + (flags >> 1 & 1) + (flags & 1);
    put16(out, 8, static_cast<uint16_t>(seq >> 16));
    put16(out, 10, static_cast<uint16_t>(seq));
  }
  out[12] = 0x50;
  out[13] = flags & kAck ? kRst : kRst | kAck;
  const uint32_t sum = sum_of(out) + sum_of_part(packet.flow.src) + sum_of_part(packet.flow.dst) +
                       IPPROTO_TCP + static_cast<uint32_t>(out.size());
  put16(out, 16, complement(sum));
  return out;
}

/// To the hop it came from, in the same VLAN.
void Oracle::send_back(const Parsed& packet, uint8_t proto, const Bytes& payload, Expected& out) {
  Bytes ip(packet.v4 ? 20 : 40);
  if (packet.v4) {
    ip[0] = 0x45;
    ip[1] = proto == IPPROTO_TCP ? 0 : kControl;
    put16(ip, 2, static_cast<uint16_t>(20 + payload.size()));
    ip[6] = 0x40;
    ip[8] = kTtl;
    ip[9] = proto;
  } else {
    ip[0] = 0x60;
    put16(ip, 4, static_cast<uint16_t>(payload.size()));
    ip[6] = proto;
    ip[7] = kTtl;
  }
  put_ends(ip, packet.v4, packet.flow.dst, packet.flow.src);
  if (packet.v4) put16(ip, 10, complement(sum_of(ip)));
  Hop hop{packet.ingress, {}, {}};
  std::copy_n(packet.frame->begin() + 6, 6, hop.dst.begin());
  std::copy_n(packet.frame->begin(), 6, hop.src.begin());
  leave(packet, hop, ip + payload, out);
}

}  // namespace loom::test
