// SPDX-License-Identifier: Apache-2.0
// Every packet that loom_decap does not take, with the reason it gives.
#pragma once

#include <string>
#include <vector>

#include "decap_packets.hpp"
#include "loom/decap.h"

namespace loom::test::decap {

struct Case {
  const char* name;
  loom_decap_verdict verdict;
  Bytes packet;
};

inline Bytes changed(Bytes packet, size_t at, uint8_t value) {
  packet.at(at) = value;
  return packet;
}

inline Bytes shortened(Bytes packet, size_t by) {
  packet.resize(packet.size() - by);
  return packet;
}

inline Ip with_frag(Ip header, uint16_t frag) {
  header.frag = frag;
  return header;
}

inline Ip with_options(Ip header) {
  header.options = Bytes(4);  // the checksum over the first 20 bytes stays right
  return header;
}

inline std::vector<Case> pass_cases() {
  const Bytes arp = Bytes(12, 0xff) + be16(ETH_P_ARP) + Bytes(28);
  const Bytes to_other = tunnel(Encap::kGue, {kBalancer4, "10.0.2.3"}, inner4());
  const Bytes options_header{IPPROTO_IPV6, 0, 1, 4, 0, 0, 0, 0};
  return {
      {"Arp", LOOM_DECAP_PASS_NOT_IP, arp},
      {"WrongVersion", LOOM_DECAP_PASS_NOT_IP, changed(frame(inner4()), 14, 0x65)},
      {"HeaderLengthBelowTwenty", LOOM_DECAP_PASS_NOT_IP, changed(frame(inner4()), 14, 0x44)},
      {"Tcp4", LOOM_DECAP_PASS_NOT_TUNNEL, frame(inner4())},
      {"Tcp6", LOOM_DECAP_PASS_NOT_TUNNEL, frame(inner6())},
      {"UdpToAnotherPort", LOOM_DECAP_PASS_NOT_TUNNEL,
       frame(ip(kOuter4, IPPROTO_UDP, udp(6081, gue(inner4()))))},
      {"UdpTooShortForPorts", LOOM_DECAP_PASS_NOT_TUNNEL,
       frame(ip(kOuter4, IPPROTO_UDP, Bytes(4)))},
      {"LaterUdpFragment", LOOM_DECAP_PASS_NOT_TUNNEL,
       frame(ip(with_frag(kOuter4, 8), IPPROTO_UDP, udp(kGuePort, gue(inner4()))))},
      {"BehindAnExtensionHeader", LOOM_DECAP_PASS_NOT_TUNNEL,
       frame(ip(kOuter6, IPPROTO_DSTOPTS, options_header + inner6()))},
      {"Gre", LOOM_DECAP_PASS_NOT_TUNNEL, frame(ip(kOuter4, IPPROTO_GRE, Bytes(40)))},
      {"IpipToAnotherHost", LOOM_DECAP_PASS_NOT_LOCAL,
       frame(tunnel(Encap::kIpip, {kBalancer4, "10.0.2.3"}, inner4()))},
      {"GueToAnotherHost", LOOM_DECAP_PASS_NOT_LOCAL, frame(to_other)},
      {"IpipToAnotherHost6", LOOM_DECAP_PASS_NOT_LOCAL,
       frame(tunnel(Encap::kIpip, {kBalancer6, "2001:db8:2::3"}, inner4()))},
  };
}

inline std::vector<Case> outer_cases() {
  const Bytes good = frame(tunnel(Encap::kIpip, kOuter4, inner4()));
  const Bytes good_gue = frame(tunnel(Encap::kGue, kOuter4, inner4()));
  const Bytes fragment6 = Bytes{IPPROTO_IPIP, 0, 0, 1, 0, 0, 0, 9} + inner4();
  const size_t udp_length = 14 + 20 + 4;
  const size_t gue_at = 14 + 20 + 8;
  return {
      {"Source4", LOOM_DECAP_DROP_SOURCE,
       frame(tunnel(Encap::kIpip, {"10.0.3.1", kHost4}, inner4()))},
      {"Source6", LOOM_DECAP_DROP_SOURCE,
       frame(tunnel(Encap::kGue, {"2001:db8:1::8", kHost6}, inner6()))},
      {"SourceGue", LOOM_DECAP_DROP_SOURCE,
       frame(tunnel(Encap::kGue, {"10.0.3.1", kHost4}, inner6()))},
      {"FirstFragment", LOOM_DECAP_DROP_FRAGMENT,
       frame(ip(with_frag(kOuter4, 0x2000), IPPROTO_IPIP, inner4()))},
      {"LaterFragment", LOOM_DECAP_DROP_FRAGMENT,
       frame(ip(with_frag(kOuter4, 8), IPPROTO_IPIP, inner4()))},
      {"FirstGueFragment", LOOM_DECAP_DROP_FRAGMENT,
       frame(ip(with_frag(kOuter4, 0x2000), IPPROTO_UDP, udp(kGuePort, gue(inner4()))))},
      {"Fragment6", LOOM_DECAP_DROP_FRAGMENT, frame(ip(kOuter6, IPPROTO_FRAGMENT, fragment6))},
      {"OuterOptions", LOOM_DECAP_DROP_MALFORMED,
       frame(tunnel(Encap::kIpip, with_options(kOuter4), inner4()))},
      {"OuterOptionsGue", LOOM_DECAP_DROP_MALFORMED,
       frame(tunnel(Encap::kGue, with_options(kOuter4), inner4()))},
      {"OuterChecksum", LOOM_DECAP_DROP_MALFORMED, changed(good, 14 + 8, 63)},
      {"OuterLongerThanTheFrame", LOOM_DECAP_DROP_MALFORMED, shortened(good, 1)},
      {"UdpLength", LOOM_DECAP_DROP_MALFORMED, changed(good_gue, udp_length + 1, 20)},
      {"GueHeaderMissing", LOOM_DECAP_DROP_MALFORMED,
       frame(ip(kOuter4, IPPROTO_UDP, udp(kGuePort, {})))},
      {"GueVariantOne", LOOM_DECAP_DROP_GUE, changed(good_gue, gue_at, 0x40)},
      {"GueVariantOneIsAnIpPacket", LOOM_DECAP_DROP_GUE,
       frame(ip(kOuter4, IPPROTO_UDP, udp(kGuePort, inner4())))},
      {"GueControl", LOOM_DECAP_DROP_GUE, changed(good_gue, gue_at, 0x20)},
      {"GueHeaderLength", LOOM_DECAP_DROP_GUE, changed(good_gue, gue_at, 1)},
      {"GuePayload", LOOM_DECAP_DROP_GUE, changed(good_gue, gue_at + 1, IPPROTO_TCP)},
      {"GueFlags", LOOM_DECAP_DROP_GUE, changed(good_gue, gue_at + 3, 1)},
      {"GuePrivateFlag", LOOM_DECAP_DROP_GUE, changed(good_gue, gue_at + 2, 0x80)},
  };
}

inline std::vector<Case> inner_cases() {
  const auto tunnelled = [](const Ip& outer, const Bytes& inner) {
    return frame(tunnel(Encap::kIpip, outer, inner));
  };
  const Bytes too_long4 = changed(inner4(), 3, static_cast<uint8_t>(inner4().size() + 1));
  const Bytes too_long6 = changed(inner6(), 5, static_cast<uint8_t>(inner6().size() - 39));
  Bytes chain;
  for (int i = 0; i < 5; ++i) chain = chain + Bytes{IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0};
  const Bytes hidden{IPPROTO_IPIP, 0, 1, 4, 0, 0, 0, 0};
  const Bytes fragment{IPPROTO_IPV6, 0, 0, 1, 0, 0, 0, 9};
  return {
      {"InnerMissing", LOOM_DECAP_DROP_MALFORMED, frame(ip(kOuter4, IPPROTO_IPIP, Bytes(12)))},
      {"InnerVersion", LOOM_DECAP_DROP_MALFORMED, frame(ip(kOuter4, IPPROTO_IPV6, inner4()))},
      {"InnerLength4", LOOM_DECAP_DROP_MALFORMED, tunnelled(kOuter4, too_long4)},
      {"InnerLength6", LOOM_DECAP_DROP_MALFORMED, tunnelled(kOuter6, too_long6)},
      // The frame would be long enough, the outer packet is not.
      {"InnerReachesIntoPadding", LOOM_DECAP_DROP_MALFORMED,
       tunnelled(kOuter4, too_long4) + Bytes(9)},
      {"InnerLengthBelowItsHeader", LOOM_DECAP_DROP_MALFORMED,
       tunnelled(kOuter4, changed(inner4(), 3, 19))},
      {"InnerHeaderLength", LOOM_DECAP_DROP_MALFORMED,
       tunnelled(kOuter4, changed(inner4(), 0, 0x44))},
      {"InnerUdpTooShort", LOOM_DECAP_DROP_MALFORMED,
       tunnelled(kOuter4, ip(kInner4, IPPROTO_UDP, Bytes(4)))},
      {"ExtensionHeadersWithoutEnd", LOOM_DECAP_DROP_MALFORMED,
       tunnelled(kOuter6, ip(kInner6, IPPROTO_DSTOPTS, chain))},
      {"NotVip4", LOOM_DECAP_DROP_NOT_VIP,
       tunnelled(kOuter4, ip({"192.0.2.1", "203.0.113.11"}, IPPROTO_TCP, tcp()))},
      {"NotVip6", LOOM_DECAP_DROP_NOT_VIP,
       tunnelled(kOuter4, ip({"2001:db8::1", kHost6}, IPPROTO_TCP, tcp()))},
      {"NestedIpip", LOOM_DECAP_DROP_NESTED,
       tunnelled(kOuter4, ip(kInner4, IPPROTO_IPIP, inner4()))},
      {"Nested6In4", LOOM_DECAP_DROP_NESTED,
       tunnelled(kOuter6, ip(kInner4, IPPROTO_IPV6, inner6()))},
      {"NestedGre", LOOM_DECAP_DROP_NESTED,
       tunnelled(kOuter6, ip(kInner6, IPPROTO_GRE, Bytes(30)))},
      {"NestedGue", LOOM_DECAP_DROP_NESTED,
       tunnelled(kOuter4, ip(kInner4, IPPROTO_UDP, udp(kGuePort, gue(inner4()))))},
      {"NestedBehindAnExtensionHeader", LOOM_DECAP_DROP_NESTED,
       tunnelled(kOuter6, ip(kInner6, IPPROTO_DSTOPTS, hidden + inner4()))},
      {"NestedFragment", LOOM_DECAP_DROP_NESTED,
       tunnelled(kOuter6, ip(kInner6, IPPROTO_FRAGMENT, fragment + inner6()))},
      {"Congestion", LOOM_DECAP_DROP_ECN, tunnelled({kBalancer4, kHost4, 3}, inner4())},
  };
}

inline std::vector<Case> all_cases() {
  std::vector<Case> out = pass_cases();
  for (const Case& row : outer_cases()) out.push_back(row);
  for (const Case& row : inner_cases()) out.push_back(row);
  return out;
}

}  // namespace loom::test::decap
