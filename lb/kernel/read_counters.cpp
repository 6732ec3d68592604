// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/read_counters.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <numeric>

#include "lb/kernel/codec.hpp"
#include "lb/kernel/read_state.hpp"
#include "loom/verdict.h"

namespace loom {
namespace {

/// Live on every CPU, and carried over from before a change of layout.
Result<Count> total(const Datapath& datapath, const std::string& live, const std::string& carry,
                    uint32_t key) {
  const Result<std::vector<loom_counter>> per_cpu =
      datapath.map<uint32_t, loom_counter>(live).get_per_cpu(key);
  if (!per_cpu) return per_cpu.error();
  const Result<std::optional<loom_counter>> carried =
      datapath.map<uint32_t, loom_counter>(carry).get(key);
  if (!carried) return carried.error();
  Count out = from_abi(carried->value_or(loom_counter{}));
  for (const loom_counter& counter : *per_cpu) out += from_abi(counter);
  return out;
}

/// Turns the datapath's ticks into durations, and knows which entries have expired.
class FlowClock {
 public:
  static Result<FlowClock> read(const Datapath& datapath) {
    const Result<loom_clock> now = datapath.now();
    if (!now) return now.error();
    return FlowClock(now->jiffies, datapath.config());
  }

  /// Ticks of a packet that came while we were reading lie ahead of `now_`: no time has passed.
  [[nodiscard]] std::chrono::milliseconds since(uint64_t tick) const {
    if (tick >= now_) return std::chrono::milliseconds(0);
    return std::chrono::milliseconds((now_ - tick) * 1000 / config_.hz);
  }

  [[nodiscard]] bool expired(const loom_flow_entry& entry) const {
    if (entry.state == LOOM_STATE_NONE || entry.state >= LOOM_STATE_MAX) return true;
    return since(entry.seen) > config_.timeouts[entry.state];
  }

 private:
  FlowClock(uint64_t now, const DatapathConfig& config) : now_(now), config_(config) {}

  uint64_t now_;
  const DatapathConfig& config_;
};

/// Is this flow to be seen by users: the client's direction, not expired, of a backend that still
/// is the one it was.
class LiveFlows {
 public:
  static Result<LiveFlows> make(const Datapath& datapath) {
    Result<FlowClock> clock = FlowClock::read(datapath);
    if (!clock) return clock.error();
    Result<std::map<uint32_t, loom_backend>> backends = backends_in_use(datapath);
    if (!backends) return backends.error();
    return LiveFlows(*clock, std::move(*backends));
  }

  [[nodiscard]] bool operator()(const loom_flow_entry& entry) const {
    if (entry.flags & LOOM_FLOW_F_REPLY || clock_.expired(entry)) return false;
    const auto backend = backends_.find(entry.backend);
    return backend != backends_.end() && backend->second.generation == entry.generation;
  }
  [[nodiscard]] const FlowClock& clock() const { return clock_; }

 private:
  LiveFlows(FlowClock clock, std::map<uint32_t, loom_backend> backends)
      : clock_(clock), backends_(std::move(backends)) {}

  FlowClock clock_;
  std::map<uint32_t, loom_backend> backends_;
};

Connection to_connection(const loom_flow& key, const loom_flow_entry& entry,
                         const FlowClock& clock) {
  Connection out;
  out.protocol = static_cast<Protocol>(key.proto);
  out.client = {from_abi(key.src), ntohs(key.sport)};
  out.vip = {from_abi(key.dst), ntohs(key.dport)};
  out.backend_id = entry.backend;
  out.state = static_cast<FlowState>(entry.state);
  out.age = clock.since(entry.created);
  out.idle = clock.since(entry.seen);
  out.packets = entry.packets;
  out.bytes = entry.bytes;
  if (entry.other.dport != 0)
    out.nat = Endpoint{from_abi(entry.other.dst), ntohs(entry.other.dport)};
  return out;
}

BpfMap<loom_flow, loom_flow_entry> flows_of(const Datapath& datapath) {
  return datapath.map<loom_flow, loom_flow_entry>("loom_flows");
}

Result<uint64_t> count_keys(const Datapath& datapath, const std::string& name) {
  uint64_t count = 0;
  Result<void> read;
  if (name == "loom_flows")
    read = flows_of(datapath).for_each([&](const auto&, const auto&) { ++count; });
  else if (name == "loom_vips")
    read = datapath.map<loom_addr, loom_vip>(name).for_each(
        [&](const auto&, const auto&) { ++count; });
  else
    read = datapath.map<loom_listener_key, loom_listener>(name).for_each(
        [&](const auto&, const auto&) { ++count; });
  if (!read) return read.error();
  return count;
}

}  // namespace

Result<Counters> read_counters(const Datapath& datapath) {
  Counters out;
  for (uint32_t verdict = 0; verdict < LOOM_VERDICT_MAX; ++verdict) {
    const Result<Count> count = total(datapath, "loom_verdicts", "loom_verdict_carry", verdict);
    if (!count) return count.error();
    out.verdicts.push_back(*count);
  }
  const auto errors = datapath.map<uint32_t, uint64_t>("loom_errors");
  for (uint32_t error = 0; error < LOOM_ERROR_MAX; ++error) {
    const Result<std::vector<uint64_t>> per_cpu = errors.get_per_cpu(error);
    if (!per_cpu) return per_cpu.error();
    const Result<std::optional<uint64_t>> carried =
        datapath.map<uint32_t, uint64_t>("loom_error_carry").get(error);
    if (!carried) return carried.error();
    out.errors.push_back(std::accumulate(per_cpu->begin(), per_cpu->end(), carried->value_or(0)));
  }

  const auto backends = backends_in_use(datapath);
  if (!backends) return backends.error();
  for (const auto& [id, entry] : *backends) {
    const Result<Count> count = total(datapath, "loom_backend_counters", "loom_backend_carry", id);
    if (!count) return count.error();
    out.backends[id] = *count;
  }

  const auto infos =
      datapath.map<uint32_t, loom_service_info>("loom_service_info").get_all(LOOM_MAX_SERVICES);
  if (!infos) return infos.error();
  out.retired_services = from_abi((*infos)[0].retired);
  for (uint32_t id = 1; id < LOOM_MAX_SERVICES; ++id)
    if ((*infos)[id].name[0] != '\0') out.retired[id] = from_abi((*infos)[id].retired);
  return out;
}

Result<ConnectionList> read_connections(const Datapath& datapath, const ConnectionQuery& query) {
  const Result<LiveFlows> live = LiveFlows::make(datapath);
  if (!live) return live.error();
  ConnectionList out;
  const Result<void> read =
      flows_of(datapath).for_each([&](const loom_flow& key, const loom_flow_entry& entry) {
        if (!(*live)(entry)) return;
        if (query.backend_id && entry.backend != *query.backend_id) return;
        if (query.client && from_abi(key.src) != *query.client) return;
        ++out.total;
        if (out.connections.size() < query.limit)
          out.connections.push_back(to_connection(key, entry, live->clock()));
      });
  if (!read) return read.error();
  return out;
}

Result<FlowSweep> sweep_flows(const Datapath& datapath) {
  const Result<LiveFlows> live = LiveFlows::make(datapath);
  if (!live) return live.error();
  FlowSweep out;
  const Result<void> read =
      flows_of(datapath).for_each([&](const loom_flow&, const loom_flow_entry& entry) {
        ++out.entries;
        if (!(*live)(entry)) return;
        ++out.active[entry.backend];
        ++out.total;
      });
  if (!read) return read.error();
  return out;
}

Result<std::vector<MapFill>> read_map_fill(const Datapath& datapath) {
  std::vector<MapFill> out;
  for (const auto& [name, fd] : datapath.maps()) {
    if (name != "loom_vips" && name != "loom_listeners" && name != "loom_backends" &&
        name != "loom_flows")
      continue;  // fixed tables, which cannot fill up
    bpf_map_info info{};
    uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0)
      return Error(errno, "look at " + name);
    MapFill fill{name, 0, info.max_entries, 0};
    if (name == "loom_backends") {
      const auto backends = backends_in_use(datapath);
      if (!backends) return backends.error();
      fill.entries = backends->size();
      fill.max_entries = info.max_entries - 1;  // id 0 is nobody
    } else {
      const Result<uint64_t> count = count_keys(datapath, name);
      if (!count) return count.error();
      fill.entries = *count;
    }
    out.push_back(std::move(fill));
  }
  return out;
}

}  // namespace loom
