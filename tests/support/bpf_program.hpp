// SPDX-License-Identifier: Apache-2.0
// Packet in, packet out: loom_xdp under BPF_PROG_TEST_RUN, with maps a test fills by hand. With
// LOOM_TEST_PROGRAM=tc in the environment the same tests run loom_tc.
#pragma once

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lb/base/unique_fd.hpp"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "support/datapath_values.hpp"
#include "support/packet.hpp"

struct loom_tc;
struct loom_xdp;

namespace loom::test {

struct Outcome {
  int action = -1;
  Bytes packet;
};

/// What the datapath counted; entries that are all zero are left out.
struct Counted {
  std::map<loom_verdict, loom_counter> verdicts;
  std::map<uint32_t, loom_counter> backends;
  std::map<loom_error, uint64_t> errors;

  /// Of all verdicts and backends.
  [[nodiscard]] uint64_t packets() const;
};

using FlowTable = std::map<loom_flow, loom_flow_entry, FlowLess>;

/// What a test may change before the program is loaded.
struct LoadOptions {
  uint32_t features = 0;                ///< On top of what the kernel can do.
  uint32_t flows_without_eviction = 0;  ///< Tables of this size, which refuse what is more.
};

/// One program per process, maps cleared before every test. The process moves to a network
/// namespace of its own, which has "lo" (kIngress) and one more device (egress()).
class Datapath : public ::testing::Test {
 protected:
  /// Ends the program with 77, "cannot run here", where BPF programs cannot be loaded.
  static void SetUpTestSuite();
  void SetUp() override;
  /// For a SetUpTestSuite() of one's own, which all suites of that process need.
  static void load_with(const LoadOptions& options);

  // ---- what the daemon writes

  static void put_interface(uint32_t ifindex, const MacBytes& mac,
                            const std::vector<MacBytes>& extra = {}, uint8_t flags = 0);
  static void remove_interface(uint32_t ifindex);
  static void put_vip(const std::string& address, uint32_t flags = LOOM_VIP_F_SERVICE);
  static void put_listener(const std::string& vip, uint16_t port, uint8_t proto,
                           loom_listener value = {kService, 0});
  /// The ports that share their first `bits` bits with `port`.
  static void put_range(const std::string& vip, uint16_t port, uint32_t bits, uint8_t proto,
                        loom_listener value);
  static void put_source(uint32_t index, const std::string& address);
  static void put_service(uint32_t id, loom_forwarding forwarding);
  static void put_service(uint32_t id, const loom_service& service);
  static void put_backend(uint32_t id, const loom_backend& backend);
  /// A whole ring of one backend, or of one slot with its past; 0: of nobody.
  static void put_ring(uint32_t service, loom_slot slot);
  static void put_ring(uint32_t service, const std::vector<loom_slot>& slots);
  static void put_settings(uint32_t flags);
  static void clear_egress();
  /// How many answers each CPU has left; none are added until the next test.
  static void put_answers_left(uint32_t answers);
  /// As after a long time without answers; from now on time adds to them.
  static void refill_answers();
  static uint64_t answer_rate();

  /// VIP, listener, service kService, ring and its one backend, id 1.
  static void serve(const std::string& vip, uint16_t port, uint8_t proto,
                    const loom_backend& backend);

  // ---- packets

  static Outcome run(const Bytes& frame, uint32_t ingress = kIngress);
  /// As where the driver leaves no room in front of the frame; none if this kernel cannot do it.
  static std::optional<Outcome> run_without_headroom(const Bytes& frame);
  /// Kernels before 5.15 take no context: there every frame comes from kIngress.
  static bool can_choose_ingress();
  /// Since the last call, or the start of the test.
  static Counted counted();
  /// Runs the frame and names the one verdict that was counted for it.
  static std::string verdict(const Bytes& frame, Outcome* result = nullptr);

  // ---- flows

  /// Confirmed, else on probation.
  static std::optional<loom_flow_entry> flow(const loom_flow& key);
  static FlowTable flows();
  static FlowTable confirmed_flows();
  static FlowTable flows_on_probation();
  /// Into the table where it is; else it is confirmed.
  static void put_flow(const loom_flow& key, const loom_flow_entry& entry);
  static void put_confirmed_flow(const loom_flow& key, const loom_flow_entry& entry);
  static void put_flow_on_probation(const loom_flow& key, const loom_flow_entry& entry);
  static void delete_flow(const loom_flow& key);
  static void delete_confirmed_flow(const loom_flow& key);
  /// As if the flow's last packet were `jiffies` older than it is.
  static void age_flow(const loom_flow& key, uint64_t jiffies);
  static uint64_t timeout(loom_state state);

  static size_t fragments();
  /// As if all first fragments had come `jiffies` earlier.
  static void age_fragments(uint64_t jiffies);
  static uint64_t fragment_timeout();

  // ---- the rest

  static uint32_t egress();  ///< The second device's ifindex; in loom_egress and loom_interfaces.
  static loom_clock clock();
  static std::map<std::string, uint32_t> verified_instructions();  ///< By program.
  /// For the rest of the process: what is off the hot path finds no program.
  static void remove_later_programs();
  static loom_config config();
  static int program_fd();
  static int map_fd(const char* name);

  /// The program under test is loom_tc; what it does is told in words of XDP.
  static bool is_tc();
  /// BPF_PROG_TEST_RUN makes no skb of a frame that ends within its IP header.
  static bool can_run(const Bytes& frame);
  /// What BPF_PROG_TEST_RUN shows of a frame: an skb's outermost tag is in its metadata.
  static Bytes shown(Bytes frame);
  /// TC has no action for the tracepoint of ABORT_*: it drops.
  static int action_seen(loom_verdict verdict);

 private:
  static loom_xdp& program();
  static loom_tc& tc_program();
  static Outcome run_tc(const Bytes& frame, uint32_t ingress);
  /// Packets counted so far of which the maps say that they left by another interface.
  static uint64_t sent_elsewhere(uint32_t ingress);
};

}  // namespace loom::test
