// SPDX-License-Identifier: Apache-2.0
// What the datapath answers by itself, whole packets: echo, ICMP errors, RSTs, and how often.
#include <sched.h>

#include <set>

#include "nat_fixture.hpp"

namespace loom::test {
namespace {

constexpr uint8_t kControl = 0xc0;
constexpr uint64_t kJiffiesPerSecond = 250;  ///< As the program is compiled.

/// IPIP over v4 with an MTU of 1500 for both VIPs; TCP 80 and UDP 53.
class Answer : public Datapath {
 protected:
  void SetUp() override {
    Datapath::SetUp();
    serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_IPIP, "10.0.0.2"));
    put_listener(kVip4, 53, IPPROTO_UDP);
    put_listener(kVip6, 80, IPPROTO_TCP);
    put_listener(kVip6, 53, IPPROTO_UDP);
    put_vip(kVip6);
  }
  static void without_backend(loom_no_backend policy) {
    loom_service service{};
    service.forwarding = LOOM_FORWARD_IPIP;
    service.on_no_backend = static_cast<uint8_t>(policy);
    put_service(kService, service);
    put_ring(kService, 0);
  }
  static void expect_answer(const Bytes& frame, const Bytes& want) {
    const Outcome got = run(frame);
    EXPECT_EQ(got.action, XDP_TX);
    // At TC an answer that is made in place keeps a tag in the frame.
    EXPECT_EQ(got.packet, got.packet == want ? want : shown(want));
    EXPECT_EQ(PacketCheck::problem_of(got.packet), "");
  }
};
using Rule10 = Answer;
using Rule11 = Answer;
using Rule15 = Answer;
using Rule29 = Answer;

/// On one CPU: each has a bucket of its own.
class AnswerRate : public Answer {
 protected:
  void SetUp() override {
    Answer::SetUp();
    ASSERT_EQ(sched_getaffinity(0, sizeof(before_), &before_), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  }
  void TearDown() override { sched_setaffinity(0, sizeof(before_), &before_); }

 private:
  cpu_set_t before_{};
};

/// The IP packet in an untagged frame, or its first `length` bytes.
Payload quote_of(const Bytes& frame, size_t length = 65535) {
  const size_t end = std::min(frame.size(), 14 + length);
  return {std::string(frame.begin() + 14, frame.begin() + static_cast<long>(end))};
}
Ip4 to_client4(uint8_t tos = kControl) {
  return {.src = kVip4, .dst = "192.0.2.1", .tos = tos};
}
Ip6 to_client6() {
  return {.src = kVip6, .dst = "2001:db8::1"};
}

// ---- rule 10: echo

TEST_F(Rule10, AnEchoRequestIsAnsweredInPlace) {
  put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
  put_vip(kVip6, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
  const Payload data{"ping"};
  const Ip4 request{.ttl = 3, .tos = 8, .id = 77, .frag = 0};
  const Ip4 reply{.src = kVip4, .dst = "192.0.2.1", .tos = 8, .id = 77, .frag = 0};
  expect_answer(kFromClient / request / Icmp{.rest = 0x12345678} / data,
                kToClient / reply / Icmp{.type = 0, .rest = 0x12345678} / data);
  expect_answer(kFromClient / Ip6{.hop_limit = 1} / Icmp{.type = 128, .rest = 9} / data,
                kToClient / to_client6() / Icmp{.type = 129, .rest = 9} / data);
}

TEST_F(Rule10, RoutersMayFragmentTheReplyToARequestWithDf) {
  put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
  const auto reply_to = [&](uint16_t id) {
    return run(kFromClient / Ip4{.id = id, .frag = 0x4000} / Icmp{}).packet;
  };
  const size_t id_at = 14 + 4, flags_at = 14 + 6;
  std::set<uint8_t> ids;
  for (int i = 0; i < 32; ++i) {
    const Bytes reply = reply_to(0);
    EXPECT_EQ(reply[flags_at] & 0x40, 0);
    EXPECT_EQ(PacketCheck::problem_of(reply), "");
    ids.insert(reply[id_at]);
  }
  EXPECT_GT(ids.size(), 1u) << "fragments of two replies must not be taken for one";
}

TEST_F(Rule10, TheChecksumIsRightWithEveryCarry) {
  put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
  for (uint32_t rest = 0; rest < 0x10000; rest += 7) {
    const Outcome got = run(kFromClient / Ip4{} / Icmp{.rest = rest});
    ASSERT_EQ(PacketCheck::problem_of(got.packet), "") << rest;
  }
}

TEST_F(Rule10, TagsOptionsAndPaddingStay) {
  put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
  const Vlan outer{.id = 7, .tpid = ETH_P_8021AD};
  Ip4 request{.frag = 0};
  request.options = Bytes(8, 1);
  Ip4 reply = to_client4(0);
  reply.frag = 0;
  reply.options = Bytes(8, 1);
  const Bytes got = run(padded(kFromClient / outer / Vlan{} / request / Icmp{}, 100)).packet;
  EXPECT_EQ(got, padded(kToClient / outer / Vlan{} / reply / Icmp{.type = 0}, 100));
}

TEST_F(Rule10, ASourceThatIsNobodyIsNotAnswered) {
  put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
  for (const char* source : {"224.0.0.1", "255.255.255.255", "0.0.0.0", "127.0.0.1"})
    EXPECT_EQ(verdict(kFromClient / Ip4{.src = source} / Icmp{}), "DROP_ECHO") << source;
}

TEST_F(Rule10, OnlyAConfiguredVipAnswers) {
  EXPECT_EQ(verdict(kFromClient / Ip4{.dst = "198.51.100.9"} / Icmp{}), "PASS_NOT_VIP");
  EXPECT_EQ(verdict(kFromClient / Ip4{} / Icmp{}), "PASS_ICMP");
}

// ---- rule 11: too big

TEST_F(Rule11, TheSizeIsTheMtuWithoutTheTunnelOfThatBackend) {
  const Payload big{std::string(1441, 'x')};
  const Bytes frame4 = kFromClient / Ip4{.ttl = 7} / kSyn / big;
  expect_answer(frame4, kToClient / to_client4() / Icmp{.type = 3, .code = 4, .rest = 1480} /
                            quote_of(frame4, 548));
  const Bytes frame6 = kFromClient / Ip6{} / kSyn / big;
  expect_answer(frame6,
                kToClient / to_client6() / Icmp{.type = 2, .rest = 1480} / quote_of(frame6, 1232));

  put_backend(1, backend_of(LOOM_FORWARD_GUE, "fc00::2"));
  expect_answer(frame4, kToClient / to_client4() /
                            Icmp{.type = 3, .code = 4, .rest = 1500 - 40 - 12} /
                            quote_of(frame4, 548));
}

TEST_F(Rule11, TagsStay) {
  const Bytes packet = Ether{} / Ip4{} / kSyn / Payload{std::string(1441, 'x')};
  const Payload whole = quote_of(packet);
  const Bytes frame = kFromClient / Vlan{.id = 5} / Ip4{} / kSyn / Payload{std::string(1441, 'x')};
  expect_answer(frame, kToClient / Vlan{.id = 5} / to_client4() /
                           Icmp{.type = 3, .code = 4, .rest = 1480} /
                           Payload{whole.text.substr(0, 548)});
}

TEST_F(Rule11, V4OnlyWithDontFragment) {
  EXPECT_EQ(verdict(kFromClient / Ip4{.frag = 0} / kSyn / Payload{std::string(1441, 'x')}),
            "DROP_TOO_BIG");
}

TEST_F(Rule11, V6IsNeverToldLessThan1280) {
  loom_backend backend = backend_of(LOOM_FORWARD_IPIP, "10.0.0.2");
  backend.mtu = 1290;
  put_backend(1, backend);
  const Bytes frame = kFromClient / Ip6{} / kSyn / Payload{std::string(1240, 'x')};
  expect_answer(frame,
                kToClient / to_client6() / Icmp{.type = 2, .rest = 1280} / quote_of(frame, 1232));
  // Already as small as it gets: an answer would not help.
  EXPECT_EQ(verdict(kFromClient / Ip6{} / kSyn / Payload{std::string(1220, 'x')}), "DROP_TOO_BIG");
}

TEST_F(Rule11, ErrorsAndMulticastSourcesAreNotAnswered) {
  const Payload big{std::string(1441, 'x')};
  EXPECT_EQ(verdict(kFromClient / Ip4{.src = "224.1.2.3"} / kSyn / big), "DROP_TOO_BIG");
  EXPECT_EQ(verdict(kFromClient / Ip6{.src = "ff02::1"} / kSyn / big), "DROP_TOO_BIG");
  const Tcp inner{.sport = 80, .dport = 40000};
  EXPECT_EQ(verdict(kFromClient / Ip4{} / Icmp{.type = 3, .code = 4} / to_client4() / inner / big),
            "DROP_TOO_BIG");
}

// ---- rule 15: TTL

TEST_F(Rule15, AUsedUpTtlIsAnsweredWithTimeExceeded) {
  const Bytes frame4 = kFromClient / Ip4{.ttl = 1} / kSyn;
  expect_answer(frame4, kToClient / to_client4() / Icmp{.type = 11} / quote_of(frame4));
  const Bytes frame6 = kFromClient / Ip6{.hop_limit = 0} / kSyn;
  expect_answer(frame6, kToClient / to_client6() / Icmp{.type = 3} / quote_of(frame6));
}

TEST_F(Rule15, PaddingIsNotQuoted) {
  const Bytes frame = kFromClient / Ip4{.ttl = 1} / Udp{};
  expect_answer(padded(frame, 100), kToClient / to_client4() / Icmp{.type = 11} / quote_of(frame));
}

TEST_F(Rule15, EveryLengthIsQuotedWithTheRightChecksum) {
  for (size_t length = 0; length < 1400; length += 3) {
    const Payload payload{std::string(length, 'y')};
    const Bytes got4 = run(kFromClient / Ip4{.ttl = 1} / Udp{} / payload).packet;
    ASSERT_EQ(PacketCheck::problem_of(got4), "") << length;
    ASSERT_LE(got4.size(), 14u + 576);
    const Bytes got6 = run(kFromClient / Ip6{.hop_limit = 1} / Udp{} / payload).packet;
    ASSERT_EQ(PacketCheck::problem_of(got6), "") << length;
    ASSERT_LE(got6.size(), 14u + 1280);
    if (length % 300 == 0) put_answers_left(1000);
  }
}

TEST_F(Rule15, AnErrorAboutAFlowIsNotAnsweredEither) {
  const Tcp inner{.sport = 80, .dport = 40000};
  EXPECT_EQ(verdict(kFromClient / Ip4{.ttl = 1} / Icmp{.type = 11} / to_client4() / inner),
            "DROP_TTL_EXCEEDED");
}

// ---- rule 29: no backend

TEST_F(Rule29, RejectAnswersASynWithAResetThatAcknowledgesIt) {
  without_backend(LOOM_NO_BACKEND_REJECT);
  const Tcp reset{.sport = 80,
                  .dport = 40000,
                  .ack = true,
                  .rst = true,
                  .seq = 0,
                  .ack_seq = 1005,
                  .window = 0};
  Tcp syn = kSyn;
  syn.options = Bytes{2, 4, 5, 0xb4};
  expect_answer(kFromClient / Ip4{} / syn / Payload{"data"}, kToClient / to_client4(0) / reset);
  expect_answer(kFromClient / Ip6{} / syn / Payload{"data"}, kToClient / to_client6() / reset);
}

TEST_F(Rule29, RejectAnswersAnAckAtTheNumberItAcknowledges) {
  without_backend(LOOM_NO_BACKEND_REJECT);
  const Tcp segment{.sport = 40000, .dport = 80, .ack = true, .seq = 7, .ack_seq = 123456};
  const Tcp reset{.sport = 80, .dport = 40000, .rst = true, .seq = 123456, .window = 0};
  Ip4 with_options;
  with_options.options = Bytes(12, 1);
  expect_answer(kFromClient / Vlan{} / with_options / segment / Payload{"data"},
                kToClient / Vlan{} / to_client4(0) / reset);
}

TEST_F(Rule29, AFinCountsAsOneAndPaddingAsNothing) {
  without_backend(LOOM_NO_BACKEND_REJECT);
  const Tcp fin{.sport = 40000, .dport = 80, .fin = true, .seq = 0xffffffff};
  const Tcp reset{
      .sport = 80, .dport = 40000, .ack = true, .rst = true, .seq = 0, .ack_seq = 1, .window = 0};
  expect_answer(padded(kFromClient / Ip4{} / fin / Payload{"d"}, 80),
                kToClient / to_client4(0) / reset);
}

TEST_F(Rule29, RejectNeverAnswersAReset) {
  without_backend(LOOM_NO_BACKEND_REJECT);
  EXPECT_EQ(verdict(kFromClient / Ip4{} / Tcp{.dport = 80, .rst = true}), "DROP_NO_BACKEND");
}

TEST_F(Rule29, RejectAnswersUdpWithPortUnreachable) {
  without_backend(LOOM_NO_BACKEND_REJECT);
  const Bytes frame4 = kFromClient / Ip4{} / Udp{} / Payload{"query"};
  expect_answer(frame4, kToClient / to_client4() / Icmp{.type = 3, .code = 3} / quote_of(frame4));
  const Bytes frame6 = kFromClient / Ip6{} / Udp{} / Payload{"query"};
  expect_answer(frame6, kToClient / to_client6() / Icmp{.type = 1, .code = 4} / quote_of(frame6));
}

TEST_F(Rule29, PassAndDropDoWhatTheySay) {
  without_backend(LOOM_NO_BACKEND_PASS);
  EXPECT_EQ(verdict(kFromClient / Ip4{} / kSyn), "PASS_NO_BACKEND");
  without_backend(LOOM_NO_BACKEND_DROP);
  EXPECT_EQ(verdict(kFromClient / Ip4{} / kSyn), "DROP_NO_BACKEND");
}

// ---- NAT without a flow

TEST_F(Answer, ANatPacketOfAnUnknownFlowIsReset) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
  const Tcp segment{.sport = 40000, .dport = 80, .ack = true, .ack_seq = 99};
  expect_answer(kFromClient / Ip4{} / segment,
                kToClient / to_client4(0) /
                    Tcp{.sport = 80, .dport = 40000, .rst = true, .seq = 99, .window = 0});
  EXPECT_EQ(verdict(kFromClient / Ip4{} / Tcp{.dport = 80, .rst = true}), "DROP_NO_FLOW");
}

TEST_F(Answer, WhileFlowsAreBeingCopiedAnUnknownOneIsNotReset) {
  serve(kVip4, 80, IPPROTO_TCP, backend_of(LOOM_FORWARD_NAT, "10.0.0.2"));
  put_settings(LOOM_SETTING_HANDOVER);
  EXPECT_EQ(verdict(kFromClient / Ip4{} / kAck), "DROP_NO_FLOW");
}

// ---- how often

TEST_F(AnswerRate, BeyondTheRateThePacketIsDroppedAndCounted) {
  without_backend(LOOM_NO_BACKEND_REJECT);
  put_answers_left(3);
  for (int i = 0; i < 10; ++i) run(kFromClient / Ip4{} / kSyn);
  const Counted counts = counted();
  EXPECT_EQ(counts.verdicts.at(LOOM_REPLY_RST).packets, 3u);
  EXPECT_EQ(counts.verdicts.at(LOOM_DROP_RATE_LIMITED).packets, 7u);
}

TEST_F(AnswerRate, TheBucketFillsWithTimeUpToOneSecond) {
  without_backend(LOOM_NO_BACKEND_REJECT);
  const uint64_t rate = answer_rate();
  refill_answers();
  const uint64_t start = clock().jiffies;
  for (int i = 0; i < 1500; ++i) run(kFromClient / Ip4{} / kSyn);
  const uint64_t ticks = clock().jiffies - start;
  const uint64_t answers = counted().verdicts.at(LOOM_REPLY_RST).packets;
  EXPECT_GE(answers, std::min<uint64_t>(rate, 1500));
  EXPECT_LE(answers, rate + (ticks + 1) * rate / kJiffiesPerSecond);
}

TEST_F(AnswerRate, EchoesAreNotLimited) {
  put_vip(kVip4, LOOM_VIP_F_SERVICE | LOOM_VIP_F_ECHO_REPLY);
  put_answers_left(0);
  EXPECT_EQ(verdict(kFromClient / Ip4{} / Icmp{}), "REPLY_ECHO");
}

}  // namespace
}  // namespace loom::test
