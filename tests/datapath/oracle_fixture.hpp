// SPDX-License-Identifier: Apache-2.0
// Runs frames through loom_xdp and through the oracle, side by side: every action and packet is
// compared at once, counters and remembered flows after each batch.
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

#include "oracle.hpp"
#include "oracle_world.hpp"
#include "support/bpf_program.hpp"

namespace loom::test {

/// What loom_xdp does of the rules that can be off.
constexpr OracleRules kRules{.parts = true};

/// What happens to the world before a frame arrives.
enum class Event {
  kNone,
  kForget,       ///< All flows are lost.
  kEvict,        ///< One flow is lost.
  kAge,          ///< One flow has been idle for a while, but not too long,
  kExpire,       ///< or for longer than its timeout.
  kBackendDown,  ///< or up again.
  kBackendNew,   ///< Another backend under the same id.
  kAnswers,      ///< Few answers are left, or many again.
  kHandover,     ///< Flows are being copied from an older table, or no longer.
  kLimit,        ///< There are as many flows as are allowed, or no longer.
};

struct Step {
  Bytes frame;
  uint32_t ingress = kIngress;
  Event event = Event::kNone;
  uint32_t pick = 0;  ///< Which flow or backend.
};

class OracleTest : public Datapath {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// Starts from nothing remembered. The first difference in words, empty if there is none.
  std::string difference(const std::vector<Step>& steps);
  /// The same, with the step named that is to blame for a counter or a flow.
  std::string explained(const std::vector<Step>& steps);

  enum class Table { kConfirmed, kWaiting };
  /// Into loom_xdp's table and the oracle's.
  void put_both(Table table, const loom_flow& key, const loom_flow_entry& entry);
  [[nodiscard]] uint64_t now() const { return oracle_.now; }

  [[nodiscard]] const World& world() const { return world_; }
  [[nodiscard]] uint64_t inputs() const { return inputs_; }
  [[nodiscard]] uint64_t seen(loom_verdict verdict) const {
    return verdicts_.at(static_cast<size_t>(verdict));
  }

 private:
  void install();
  void install_ranges();
  void put_world_backend(uint32_t id);
  void apply(const Step& step);
  void forget();
  void forget_parts();
  void set_answers(uint32_t left);
  void set_settings(uint32_t flags);
  void toggle_setting(uint32_t flag, uint32_t pick);
  FlowMemory& memory(Table table);
  [[nodiscard]] int table_fd(Table table) const;
  void change_flow(const Step& step);
  void expect(const Step& step, const Expected& want);
  std::string run_both(const Step& step);
  std::string counters_differ();
  std::string flows_differ(Table table);
  std::string settle();
  void restart();

  World world_;
  std::vector<loom_backend> original_backends_;
  Oracle oracle_{world_, kRules};
  uint64_t inputs_ = 0;
  std::array<uint64_t, LOOM_VERDICT_MAX> verdicts_{};
  Counted want_;
  Bytes out_ = Bytes(4096);
};

}  // namespace loom::test
