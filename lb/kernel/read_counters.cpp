// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/read_counters.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "lb/kernel/codec.hpp"
#include "lb/kernel/exceptions.hpp"
#include "lb/kernel/read_state.hpp"
#include "lb/kernel/ring_publisher.hpp"
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

using FlowMap = BpfMap<loom_flow, loom_flow_entry>;
using MaybeEntry = std::optional<loom_flow_entry>;

/// A flow as users see it: the client's direction.
struct Flow {
  const loom_flow& key;
  const loom_flow_entry& entry;
  bool on_probation = false;
};

/// Both tables of flows as one list: confirmed ones, and those on probation.
class Flows {
 public:
  static Result<Flows> read(const Datapath& datapath) {
    Result<FlowClock> clock = FlowClock::read(datapath);
    if (!clock) return clock.error();
    Result<std::map<uint32_t, loom_backend>> backends = backends_in_use(datapath);
    if (!backends) return backends.error();
    return Flows(datapath, *clock, std::move(*backends));
  }

  /// Those that have not expired and whose backend still is the one it was. `entries` counts
  /// everything in the tables.
  Result<void> for_each(uint64_t& entries, const std::function<void(const Flow&)>& visit) const {
    Result<void> done = confirmed_.for_each([&](const loom_flow& key, const auto& entry) {
      ++entries;
      if (const std::optional<Flow> flow = live(key, entry)) visit(*flow);
    });
    if (!done) return done;
    return probation_.for_each([&](const loom_flow& key, const auto& entry) {
      ++entries;
      // A flow that is being promoted, or that an unconfirmed SYN would replace, is listed once.
      const std::optional<Flow> flow = live(key, entry);
      if (flow && !find(confirmed_, key)) visit({key, entry, true});
    });
  }
  [[nodiscard]] uint32_t service_of(const Flow& flow) const {
    return backends_.at(flow.entry.backend).service;
  }
  /// NAT: the backend's direction.
  [[nodiscard]] MaybeEntry reply_of(const Flow& flow) const {
    if (flow.entry.other.proto == 0) return {};  // no NAT
    MaybeEntry reply = find(confirmed_, flow.entry.other);
    if (!reply) reply = find(probation_, flow.entry.other);
    // The NAT port may have gone to another flow.
    if (reply && std::memcmp(&reply->other, &flow.key, sizeof(flow.key)) != 0) return {};
    return reply;
  }
  [[nodiscard]] const FlowClock& clock() const { return clock_; }

 private:
  Flows(const Datapath& datapath, FlowClock clock, std::map<uint32_t, loom_backend> backends)
      : clock_(clock),
        backends_(std::move(backends)),
        confirmed_(datapath.map<loom_flow, loom_flow_entry>("loom_flows")),
        probation_(datapath.map<loom_flow, loom_flow_entry>("loom_probation")) {}

  static MaybeEntry find(const FlowMap& map, const loom_flow& key) {
    const Result<MaybeEntry> found = map.get(key);
    return found ? *found : MaybeEntry{};
  }

  [[nodiscard]] std::optional<Flow> live(const loom_flow& key, const loom_flow_entry& entry) const {
    if (entry.flags & LOOM_FLOW_F_REPLY) return {};
    const auto backend = backends_.find(entry.backend);
    if (backend == backends_.end() || backend->second.generation != entry.generation) return {};
    const Flow flow{key, entry};
    if (!clock_.expired(entry)) return flow;
    // A quiet client is alive as long as its backend talks.
    const MaybeEntry reply = reply_of(flow);
    return reply && !clock_.expired(*reply) ? std::optional(flow) : std::nullopt;
  }

  FlowClock clock_;
  std::map<uint32_t, loom_backend> backends_;
  FlowMap confirmed_;
  FlowMap probation_;
};

Connection to_connection(const Flow& flow, const Flows& flows) {
  const FlowClock& clock = flows.clock();
  const loom_flow& key = flow.key;
  const loom_flow_entry& entry = flow.entry;
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
  if (const MaybeEntry reply = flows.reply_of(flow)) {
    out.idle = std::min(out.idle, clock.since(reply->seen));
    out.reply_packets = reply->packets;
    out.reply_bytes = reply->bytes;
  }
  if (entry.other.dport != 0)
    out.nat = Endpoint{from_abi(entry.other.dst), ntohs(entry.other.dport)};
  return out;
}

template <class Key, class Value>
Result<uint64_t> count_hash(const Datapath& datapath, const std::string& name) {
  uint64_t count = 0;
  const Result<void> read =
      datapath.map<Key, Value>(name).for_each([&](const auto&, const auto&) { ++count; });
  if (!read) return read.error();
  return count;
}

Result<uint64_t> count_ranges(const Datapath& datapath, const std::string& name) {
  uint64_t count = 0;
  const Result<void> read = datapath.map<loom_range_key, loom_listener>(name).for_each_by_key(
      [&](const auto&, const auto&) { ++count; });
  if (!read) return read.error();
  return count;
}

Result<uint64_t> count_backends(const Datapath& datapath, const std::string&) {
  const auto backends = backends_in_use(datapath);
  if (!backends) return backends.error();
  return backends->size();
}

/// The maps that can fill up, and how their entries are counted.
using CountEntries = Result<uint64_t> (*)(const Datapath&, const std::string&);
const std::map<std::string, CountEntries>& counted_maps() {
  static const std::map<std::string, CountEntries> maps{
      {"loom_backends", count_backends},
      {"loom_flows", count_hash<loom_flow, loom_flow_entry>},
      {"loom_fragments", count_hash<loom_fragment_key, loom_fragment>},
      {"loom_listeners", count_hash<loom_listener_key, loom_listener>},
      {"loom_port_ranges", count_ranges},
      {"loom_probation", count_hash<loom_flow, loom_flow_entry>},
      {"loom_vips", count_hash<loom_addr, loom_vip>},
  };
  return maps;
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
  const Result<Flows> flows = Flows::read(datapath);
  if (!flows) return flows.error();
  ConnectionList out;
  uint64_t entries = 0;
  const Result<void> read = flows->for_each(entries, [&](const Flow& flow) {
    if (query.backend_id && flow.entry.backend != *query.backend_id) return;
    if (query.client && from_abi(flow.key.src) != *query.client) return;
    ++out.total;
    if (out.connections.size() < query.limit)
      out.connections.push_back(to_connection(flow, *flows));
  });
  if (!read) return read.error();
  return out;
}

Result<FlowSweep> sweep_flows(const Datapath& datapath) {
  const Result<Flows> flows = Flows::read(datapath);
  if (!flows) return flows.error();
  FlowSweep out;
  out.began = monotonic_now();
  Result<Exceptions> exceptions = Exceptions::read(datapath);
  if (!exceptions) return exceptions.error();
  const Result<void> read = flows->for_each(out.entries, [&](const Flow& flow) {
    ++out.active[flow.entry.backend];
    ++out.total;
    if (!flow.on_probation) ++out.confirmed;
    exceptions->see(flow.key, flow.entry.backend, flows->service_of(flow));
  });
  if (!read) return read.error();
  out.exceptions = exceptions->take();
  return out;
}

Result<std::vector<MapFill>> read_map_fill(const Datapath& datapath) {
  std::vector<MapFill> out;
  for (const auto& [name, fd] : datapath.maps()) {
    const auto counted = counted_maps().find(name);
    if (counted == counted_maps().end()) continue;  // fixed tables, which cannot fill up
    bpf_map_info info{};
    uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0)
      return Error(errno, "look at " + name);
    const Result<uint64_t> entries = counted->second(datapath, name);
    if (!entries) return entries.error();
    const uint32_t nobody = name == "loom_backends" ? 1 : 0;  // id 0
    out.push_back({name, *entries, info.max_entries - nobody, 0});
  }
  return out;
}

}  // namespace loom
