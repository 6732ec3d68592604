// SPDX-License-Identifier: Apache-2.0
// A Dataplane in memory that can be told to fail, and a LinkMonitor that answers what it is told.
#pragma once

#include <atomic>
#include <mutex>

#include "lb/control/dataplane.hpp"
#include "lb/control/link_monitor.hpp"
#include "lb/model/desired.hpp"

namespace loom::test {

class FakeDataplane : public Dataplane {
 public:
  State state;
  int steps_until_full = -1;  ///< Then ENOSPC once; -1: never.
  std::vector<std::string> applied;
  uint32_t next_id = 1;
  std::string refuse_attach;  ///< Interface that answers EBUSY.

  Result<State> read() const override {
    const std::lock_guard lock(mutex_);
    return state;
  }
  Result<void> apply(const Step& step) override {
    const std::lock_guard lock(mutex_);
    if (steps_until_full == 0) return Error(ENOSPC, "write loom_backends");
    if (steps_until_full > 0) --steps_until_full;
    applied.push_back(describe(step));
    return std::visit([this](const auto& s) { return on(s); }, step);
  }
  Result<uint32_t> next_api_id() override { return next_id++; }
  Result<void> reserve_api_id(uint32_t id) override {
    next_id = std::max(next_id, id + 1);
    return {};
  }
  Result<std::map<uint32_t, uint32_t>> ring_slots(const std::string&) const override {
    return std::map<uint32_t, uint32_t>{};
  }
  Result<void> age_rings(const FlowSweep&) override { return {}; }
  Result<Counters> counters() const override { return Counters{}; }
  Result<ConnectionList> connections(const ConnectionQuery&) const override {
    return ConnectionList{};
  }
  Result<FlowSweep> sweep() const override {
    const std::lock_guard lock(mutex_);
    return swept_;
  }
  Result<void> limit_connections(Limit limit) override {
    const std::lock_guard lock(mutex_);
    limits_.push_back(limit);
    return {};
  }
  void set_connections(uint64_t total) {
    const std::lock_guard lock(mutex_);
    swept_.total = swept_.confirmed = total;
  }
  [[nodiscard]] std::vector<Limit> limits() const {
    const std::lock_guard lock(mutex_);
    return limits_;
  }
  Result<std::vector<MapFill>> maps() const override { return std::vector<MapFill>{}; }
  std::vector<ProgramInfo> programs() const override {
    const std::lock_guard lock(mutex_);
    std::vector<ProgramInfo> out;
    for (const auto& [name, interface] : state.interfaces)
      out.push_back({name, "native", "link", 1, "", ""});
    return out;
  }

 private:
  Result<void> on(const PutEgress& s) { return state.egress.insert(s.ifindex), Result<void>(); }
  Result<void> on(const RemoveEgress& s) { return state.egress.erase(s.ifindex), Result<void>(); }
  Result<void> on(const PutSources& s) {
    for (const auto& [index, address] : s.sources) state.sources[index] = address;
    return {};
  }
  Result<void> on(const RemoveSources& s) {
    for (const uint16_t index : s.indexes) state.sources.erase(index);
    return {};
  }
  Result<void> on(const PutBackend& s) {
    ServiceState& service = state.services[s.service];
    service.id = s.service_id;
    service.forwarding = s.forwarding;
    service.backends[s.endpoint] = s.backend;
    return {};
  }
  Result<void> on(const RemoveBackend& s) {
    const auto it = state.services.find(s.service);
    if (it != state.services.end()) it->second.backends.erase(s.endpoint);
    return {};
  }
  Result<void> on(const PutService& s) {
    ServiceState& service = state.services[s.service];
    service.id = s.state.id;
    service.forwarding = s.state.forwarding;
    service.in_turn = s.state.in_turn;
    service.affinity = s.state.affinity;
    service.on_no_backend = s.state.on_no_backend;
    return {};
  }
  Result<void> on(const RemoveService& s) {
    return state.services.erase(s.service), Result<void>();
  }
  Result<void> on(const PutRings& s) {
    for (const PutRings::Ring& ring : s.rings)
      state.services[ring.service].ring_digest = ring.digest;
    return {};
  }
  Result<void> on(const PutListener& s) {
    if (s.service_id == 0) state.passthrough.insert(s.listener);
    for (auto& [name, service] : state.services)
      if (service.id == s.service_id) service.listeners.insert(s.listener);
    return {};
  }
  Result<void> on(const RemoveListener& s) {
    state.passthrough.erase(s.listener);
    for (auto& [name, service] : state.services) service.listeners.erase(s.listener);
    return {};
  }
  Result<void> on(const PutVip& s) { return state.vips[s.address] = s.state, Result<void>(); }
  Result<void> on(const RemoveVip& s) { return state.vips.erase(s.address), Result<void>(); }
  Result<void> on(const Attach& s) {
    if (s.interface == refuse_attach) return Error(EBUSY, "attach XDP to " + s.interface);
    return state.interfaces[s.interface] = s.state, Result<void>();
  }
  Result<void> on(const Detach& s) { return state.interfaces.erase(s.interface), Result<void>(); }

  mutable std::mutex mutex_;
  FlowSweep swept_;
  std::vector<Limit> limits_;
};

class FakeLinks : public LinkMonitor {
 public:
  explicit FakeLinks(Links links) : links_(std::move(links)) {}

  Result<Links> read(const std::set<IpAddr>& targets) override {
    const std::lock_guard lock(mutex_);
    Links out = links_;
    for (const IpAddr& target : targets)
      if (!out.next_hops.contains(target) && !out.unresolved.contains(target) && hop_for_all_)
        out.next_hops[target] = *hop_for_all_;
    return out;
  }
  Result<void> watch(std::function<void()> changed) override {
    changed_ = std::move(changed);
    return {};
  }
  void unwatch() override { changed_ = nullptr; }

  void set(Links links) {
    {
      const std::lock_guard lock(mutex_);
      links_ = std::move(links);
    }
    if (changed_) changed_();
  }
  void answer_every_target_with(NextHop hop) { hop_for_all_ = hop; }

 private:
  std::mutex mutex_;
  Links links_;
  std::optional<NextHop> hop_for_all_;
  std::function<void()> changed_;
};

}  // namespace loom::test
