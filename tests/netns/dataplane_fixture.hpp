// SPDX-License-Identifier: Apache-2.0
// A BpfDataplane in a namespace and a bpffs of its own, and what the controller does with it.
#pragma once

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "lb/kernel/bpf_dataplane.hpp"
#include "lb/kernel/host.hpp"
#include "lb/model/desired.hpp"
#include "support/netns.hpp"
#include "support/values.hpp"

namespace loom::test {

inline constexpr uint32_t kRingSize = 1009;
inline constexpr auto kTimeout = std::chrono::seconds(60);

/// A bpffs of our own.
class PinDirectory {
 public:
  PinDirectory() {
    char path[] = "/run/loom-dataplane-XXXXXX";
    EXPECT_NE(mkdtemp(path), nullptr);
    path_ = path;
    mounted_ = mount("bpf", path, "bpf", 0, nullptr) == 0;
  }
  ~PinDirectory() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
    rmdir(path_.c_str());
  }
  PinDirectory(const PinDirectory&) = delete;
  PinDirectory& operator=(const PinDirectory&) = delete;

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] std::string path() const { return path_ + "/loom"; }

 private:
  std::string path_;
  bool mounted_ = false;
};

class DataplaneTest : public ::testing::Test {
 protected:
  void SetUp() override {
    skip_without_namespaces();
    if (IsSkipped()) return;
    if (!pins_.mounted()) GTEST_SKIP() << "cannot mount a bpffs";
    ns_ = std::make_unique<Namespace>("dataplane");
    connect({*ns_, "eth0"}, {*ns_, "peer"});
    inside_ = std::make_unique<EnteredNamespace>(ns_->path());
    config_.ring_size = kRingSize;
    config_.max_backends = 100;
    config_.max_flows = 1024;
    config_.max_probation = 256;
    config_.hz = *kernel_hz();
    config_.timeouts.fill(kTimeout);
  }
  void TearDown() override {
    dataplane_.reset();
    inside_.reset();
  }

  void open() {
    dataplane_.reset();  // one daemon at a time
    Result<std::unique_ptr<BpfDataplane>> opened = BpfDataplane::open({pins_.path(), {}, config_});
    ASSERT_TRUE(opened) << opened.error().message();
    dataplane_ = std::move(*opened);
  }

  State read() {
    const Result<State> state = dataplane_->read();
    EXPECT_TRUE(state) << state.error().message();
    return state ? *state : State{};
  }

  /// As the controller does it.
  Desired want_for(const Spec& spec) {
    Links links = links_to(spec);
    LinkInfo& eth0 = links.interfaces.at("eth0");
    eth0.ifindex = Port{*ns_, "eth0"}.ifindex();
    for (auto& [address, hop] : links.next_hops) hop.ifindex = eth0.ifindex;
    Desired want = desired(spec, links, {});
    const State have = read();
    EXPECT_TRUE(assign_ids(want, have, service_ids_, backend_ids_));
    EXPECT_TRUE(assign_sources(want, have));
    set_ring_digests(want, config_.ring_size);
    return want;
  }

  std::vector<std::string> missing(const Desired& want) {
    std::vector<std::string> out;
    for (const Step& step : plan(read(), want.state, want.recipes)) out.push_back(describe(step));
    return out;
  }

  void apply(const Desired& want) {
    for (const Step& step : plan(read(), want.state, want.recipes)) {
      const Result<void> done = dataplane_->apply(step);
      ASSERT_TRUE(done) << describe(step) << ": " << done.error().message();
    }
  }

  template <class Key, class Value>
  BpfMap<Key, Value> map(const std::string& name) {
    Result<UniqueFd> fd = open_pin(pins_.path() + "/current/maps/" + name);
    EXPECT_TRUE(fd) << name;
    fds_.push_back(std::move(*fd));
    return {fds_.back().get(), name};
  }

  uint64_t jiffies() {
    const Result<UniqueFd> clock = open_pin(pins_.path() + "/current/progs/loom_clock");
    std::array<uint8_t, 64> frame{};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = frame.size());
    EXPECT_EQ(bpf_prog_test_run_opts(clock->get(), &options), 0);
    return (**map<uint32_t, loom_clock>("loom_clock_value").get(0)).jiffies;
  }

  PinDirectory pins_;
  std::unique_ptr<Namespace> ns_;
  std::unique_ptr<EnteredNamespace> inside_;
  DatapathConfig config_;
  IdPool service_ids_{100};
  IdPool backend_ids_{100};
  std::vector<UniqueFd> fds_;
  std::unique_ptr<BpfDataplane> dataplane_;
};

}  // namespace loom::test
