// SPDX-License-Identifier: Apache-2.0
// loom_xdp against the oracle: every template cut at every length and with every bit flipped, and
// ten million packets by grammar. No difference is allowed.
#include <cstdlib>
#include <iostream>

#include "oracle_fixture.hpp"
#include "oracle_stories.hpp"
#include "support/packet_check.hpp"

namespace loom::test {
namespace {

constexpr size_t kBatch = 512;
#ifdef NDEBUG
constexpr uint64_t kInputs = 10'000'000;
#else
constexpr uint64_t kInputs = 500'000;  // Under the sanitizers.
#endif

/// LOOM_ORACLE_INPUTS: another number, for slow machines and long runs.
uint64_t wanted_inputs() {
  const char* text = std::getenv("LOOM_ORACLE_INPUTS");
  return text ? std::strtoull(text, nullptr, 10) : kInputs;
}

const Packet kEther({Ether{}});

constexpr size_t kStory = 32;

// Not reached by grammar, because:
const std::map<loom_verdict, const char*> kNotByGrammar = {
    {LOOM_DROP_NO_HEADROOM, "needs a frame with metadata: verdict_test.cpp"},
    {LOOM_DROP_NO_NAT_PORT, "needs a full range of ports: the test below"},
    {LOOM_DROP_EXTENSION_HEADER, "needs another configuration: extension_drop_test.cpp"},
    {LOOM_ABORT_NO_PROGRAM, "needs programs taken away: later_test.cpp"},
    {LOOM_PASS_HANDED_UP, "needs another configuration: hand_up_test.cpp"},
};

class Oracles : public OracleTest {
 protected:
  /// All of them, or evenly fewer where fewer inputs are wanted.
  [[nodiscard]] std::vector<Template> templates() const {
    const std::vector<Template> all = oracle_templates(world());
    const size_t stride = 1 + 1'000'000 / (1 + wanted_inputs());
    std::vector<Template> out;
    for (size_t i = 0; i < all.size(); i += stride) out.push_back(all[i]);
    return out;
  }
  /// `steps` in batches, each of which begins with `opener`.
  void check(const std::vector<Step>& steps, const std::vector<Bytes>& openers) {
    for (size_t from = 0; from < steps.size(); from += kBatch) {
      const size_t to = std::min(steps.size(), from + kBatch);
      std::vector<Step> batch;
      for (const Bytes& opener : openers) batch.push_back({opener});
      batch.insert(batch.end(), steps.begin() + static_cast<long>(from),
                   steps.begin() + static_cast<long>(to));
      ASSERT_EQ(explained(batch), "");
    }
  }

  /// Cut at every length, every bit flipped.
  static std::vector<Step> damages(const Bytes& frame, Event event) {
    std::vector<Step> out;
    for (size_t length = 14; length <= frame.size(); ++length)
      out.push_back({truncated(frame, frame.size() - length), kIngress, event, 0});
    for (size_t bit = 0; bit < 8 * frame.size(); ++bit)
      out.push_back({patched(frame, bit / 8, frame[bit / 8] ^ static_cast<uint8_t>(1u << bit % 8)),
                     kIngress, event, 0});
    return out;
  }
};

TEST_F(Oracles, AgreeOnEveryTemplateCutAtEveryLengthAndWithEveryBitFlipped) {
  for (const Template& each : templates()) {
    check(damages(each.frame, Event::kForget), {});
    if (HasFatalFailure()) return;
  }
  std::cout << inputs() << " inputs\n";
}

TEST_F(Oracles, AgreeOnTheSameWhereTheFlowIsOnProbation) {
  for (const Template& each : templates()) {
    check(damages(each.frame, Event::kNone), {each.openers[0]});
    if (HasFatalFailure()) return;
  }
  std::cout << inputs() << " inputs\n";
}

TEST_F(Oracles, AgreeOnTheSameWhereTheFlowIsConfirmed) {
  for (const Template& each : templates()) {
    if (each.openers.size() < 2) continue;
    check(damages(each.frame, Event::kNone), each.openers);
    if (HasFatalFailure()) return;
  }
  std::cout << inputs() << " inputs\n";
}

TEST_F(Oracles, AgreeOnPacketsByGrammar) {
  PacketSource source(world(), 20240229);
  const bool other_ingress = can_choose_ingress();
  while (inputs() < wanted_inputs()) {
    std::vector<Step> steps;
    while (steps.size() < kBatch) {
      const Bytes frame = source.packet();
      for (int copies = 0; copies < 4; ++copies) {
        Step step{copies ? source.damaged(frame) : frame};
        step.pick = source.below(1u << 16);
        if (other_ingress && source.below(16) == 0) {
          step.ingress = egress();
          std::copy(kEgressMac.begin(), kEgressMac.end(), step.frame.begin());
        }
        if (source.below(48) == 0)
          step.event = static_cast<Event>(1 + source.below(static_cast<size_t>(Event::kLimit)));
        steps.push_back(step);
      }
    }
    ASSERT_EQ(explained(steps), "");
  }
  for (int i = LOOM_CONTINUE + 1; i < LOOM_VERDICT_MAX; ++i) {
    const auto verdict = static_cast<loom_verdict>(i);
    std::cout << seen(verdict) << " " << name_of(verdict) << "\n";
    const bool reachable =
        !kNotByGrammar.count(verdict) && (verdict != LOOM_REPLY_REDIRECT || other_ingress);
    EXPECT_TRUE(seen(verdict) || !reachable) << name_of(verdict);
  }
}

TEST_F(Oracles, AgreeOnStoriesOfOneFlow) {
  StorySource source(world(), 4711);
  while (inputs() < wanted_inputs() / 16) ASSERT_EQ(explained(source.story(kStory)), "");
  std::cout << inputs() << " inputs\n";
}

// Which ports are free is a question of who holds them, and whether those still live.
TEST_F(Oracles, AgreeOnWhichNatPortANewFlowGets) {
  PacketSource source(world(), 1);
  const loom_flow flow = flow_of("192.0.2.1", 40000, kVip4, kFirstPort + 7, IPPROTO_TCP);
  const Step syn{kEther / Ip4{} / Tcp{.dport = kFirstPort + 7, .syn = true}};
  for (int round = 0; round < 300; ++round) {
    for (uint32_t probe = 0; probe < 16; ++probe) {
      loom_flow_entry holder{};
      holder.other = flow_of("192.0.2.77", static_cast<uint16_t>(probe), kVip4, 1, IPPROTO_TCP);
      holder.flags = LOOM_FLOW_F_REPLY;
      holder.state = LOOM_STATE_ESTABLISHED;
      holder.seen = now() - (source.below(12) ? 0 : 2 * timeout(LOOM_STATE_ESTABLISHED));
      const loom_flow key =
          flow_of("10.0.0.6", 8080, kSource4, nat_candidate(flow, probe), IPPROTO_TCP);
      const Table table = source.below(2) ? Table::kConfirmed : Table::kWaiting;
      put_both(table, key, holder);
      loom_flow_entry pair{};
      pair.other = key;
      pair.state = LOOM_STATE_ESTABLISHED;
      pair.seen = now() - (source.below(4) ? 2 * timeout(LOOM_STATE_ESTABLISHED) : 0);
      if (source.below(2)) put_both(table, holder.other, pair);
    }
    ASSERT_EQ(difference({syn, syn}), "") << round;
  }
  EXPECT_GT(seen(LOOM_DROP_NO_NAT_PORT), 0u);
  EXPECT_GT(seen(LOOM_FORWARD_TX), 0u);
}

}  // namespace
}  // namespace loom::test
