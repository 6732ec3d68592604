// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/migrate.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <numeric>

#include "lb/kernel/codec.hpp"
#include "loom/verdict.h"

namespace loom {
namespace {

using Bytes = std::vector<uint8_t>;

Result<bpf_map_info> info_of(int fd) {
  bpf_map_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) return Error(errno, "look at a map");
  return info;
}

bool is_per_cpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_ARRAY;
}
bool is_array(uint32_t type) {
  return type == BPF_MAP_TYPE_ARRAY || is_per_cpu(type);
}

/// Bytes of one value as the bpf(2) calls see it.
size_t value_bytes(const bpf_map_info& info) {
  if (!is_per_cpu(info.type)) return info.value_size;
  return size_t{(info.value_size + 7u) / 8 * 8} * static_cast<size_t>(possible_cpus());
}

/// `value` in the target's layout.
Bytes converted(const bpf_map_info& from, const bpf_map_info& to, const uint8_t* value) {
  Bytes out(value_bytes(to), 0);
  const size_t parts = is_per_cpu(from.type) ? static_cast<size_t>(possible_cpus()) : 1;
  const size_t from_part = value_bytes(from) / parts;
  const size_t to_part = out.size() / parts;
  for (size_t i = 0; i < parts; ++i)
    std::memcpy(out.data() + i * to_part, value + i * from_part,
                std::min(from.value_size, to.value_size));
  return out;
}

bool all_zero(const Bytes& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
}

Result<void> copy_array(int from, int to, const bpf_map_info& source, const bpf_map_info& target) {
  Bytes value(value_bytes(source));
  for (uint32_t i = 0; i < std::min(source.max_entries, target.max_entries); ++i) {
    if (bpf_map_lookup_elem(from, &i, value.data()) != 0)
      return Error(errno, std::string("read ") + source.name);
    if (all_zero(value)) continue;  // as the target already is
    const Bytes out = converted(source, target, value.data());
    if (bpf_map_update_elem(to, &i, out.data(), BPF_ANY) != 0)
      return Error(errno, std::string("write ") + target.name);
  }
  return {};
}

/// Visits every entry of a hash map, in batches where the map type can.
Result<void> for_each_raw(int fd, const bpf_map_info& info,
                          const std::function<void(const uint8_t*, const uint8_t*)>& visit) {
  if (info.type == BPF_MAP_TYPE_DEVMAP_HASH || info.type == BPF_MAP_TYPE_LPM_TRIE) {
    Bytes key(info.key_size), next(info.key_size), value(info.value_size);
    const void* previous = nullptr;
    while (bpf_map_get_next_key(fd, previous, next.data()) == 0) {
      if (bpf_map_lookup_elem(fd, next.data(), value.data()) == 0) visit(next.data(), value.data());
      key = next;
      previous = key.data();
    }
    return {};
  }
  constexpr uint32_t kBatch = 4096;
  Bytes keys(size_t{kBatch} * info.key_size), values(size_t{kBatch} * info.value_size);
  uint32_t position = 0;
  void* in = nullptr;
  for (;;) {
    uint32_t count = kBatch;
    const int err =
        bpf_map_lookup_batch(fd, in, &position, keys.data(), values.data(), &count, nullptr);
    const int code = errno;
    if (err != 0 && code != ENOENT) return Error(code, std::string("read ") + info.name);
    for (uint32_t i = 0; i < count; ++i)
      visit(keys.data() + size_t{i} * info.key_size, values.data() + size_t{i} * info.value_size);
    if (err != 0) return {};
    in = &position;
  }
}

/// Whether the source's value is to replace the target's; only asked where the target has one.
using Wins = std::function<bool(const uint8_t* source, const Bytes& target)>;

Result<void> copy_hash(int from, int to, const bpf_map_info& source, const Wins& wins) {
  const Result<bpf_map_info> target = info_of(to);
  if (!target) return target.error();
  int failed = 0;
  Bytes there(value_bytes(*target));
  const Result<void> read =
      for_each_raw(from, source, [&](const uint8_t* key, const uint8_t* value) {
        if (wins && bpf_map_lookup_elem(to, key, there.data()) == 0 && !wins(value, there)) return;
        const Bytes out = converted(source, *target, value);
        if (bpf_map_update_elem(to, key, out.data(), BPF_ANY) != 0 && errno != E2BIG &&
            errno != ENOMEM)
          failed = errno;
      });
  if (!read) return read.error();
  if (failed != 0) return Error(failed, std::string("write ") + source.name);
  return {};
}

/// Copies every entry, keys unchanged, values by their common prefix with the rest zero (abi.h: a
/// value may grow at its end only). A map whose key size differs is not copied: EINVAL. Entries
/// that do not fit a smaller target are left out.
Result<void> copy_map(int from, int to, const Wins& wins) {
  const Result<bpf_map_info> source = info_of(from);
  if (!source) return source.error();
  const Result<bpf_map_info> target = info_of(to);
  if (!target) return target.error();
  if (source->key_size != target->key_size || source->type != target->type)
    return Error(EINVAL, std::string(source->name) + " has another kind of key now");
  if (is_array(source->type)) return copy_array(from, to, *source, *target);
  return copy_hash(from, to, *source, wins);
}

/// `seen` lies in the part that every layout of the entry has.
bool saw_more(const uint8_t* source, const Bytes& target) {
  uint64_t old_seen = 0, new_seen = 0;
  std::memcpy(&old_seen, source + offsetof(loom_flow_entry, seen), sizeof(old_seen));
  std::memcpy(&new_seen, target.data() + offsetof(loom_flow_entry, seen), sizeof(new_seen));
  return old_seen > new_seen;
}

int fd_of(const MapSet& maps, const char* name) {
  const auto it = maps.find(name);
  return it == maps.end() ? -1 : it->second.get();
}

/// What one counter stands at: live on every CPU, and carried over from before.
Result<loom_counter> counted(const MapSet& maps, const char* live, const char* carry,
                             uint32_t key) {
  const Result<std::vector<loom_counter>> per_cpu =
      BpfMap<uint32_t, loom_counter>(fd_of(maps, live), live).get_per_cpu(key);
  if (!per_cpu) return per_cpu.error();
  loom_counter sum{};
  if (const int fd = fd_of(maps, carry); fd >= 0) {
    const Result<std::optional<loom_counter>> carried =
        BpfMap<uint32_t, loom_counter>(fd, carry).get(key);
    if (!carried) return carried.error();
    sum = carried->value_or(loom_counter{});
  }
  for (const loom_counter& counter : *per_cpu) add(sum, counter);
  return sum;
}

Result<void> carry(const MapSet& from, const MapSet& to, const char* live, const char* carry_name,
                   uint32_t key) {
  const Result<loom_counter> sum = counted(from, live, carry_name, key);
  if (!sum) return sum.error();
  return BpfMap<uint32_t, loom_counter>(fd_of(to, carry_name), carry_name).put(key, *sum);
}

Result<void> carry_backends(const MapSet& from, const MapSet& to) {
  const BpfMap<uint32_t, loom_backend> old_map(fd_of(from, "loom_backends"), "loom_backends");
  const BpfMap<uint32_t, loom_backend> new_map(fd_of(to, "loom_backends"), "loom_backends");
  const Result<bpf_map_info> info = info_of(fd_of(from, "loom_backends"));
  if (!info) return info.error();
  for (uint32_t id = 1; id < info->max_entries; ++id) {
    const Result<std::optional<loom_backend>> old_entry = old_map.get(id);
    if (!old_entry) return old_entry.error();
    if (!*old_entry || (*old_entry)->forwarding == LOOM_FORWARD_NONE) continue;
    const Result<std::optional<loom_backend>> new_entry = new_map.get(id);
    if (!new_entry) return new_entry.error();
    // A free id may have been given to another backend meanwhile.
    if (!*new_entry || (*new_entry)->generation != (*old_entry)->generation) continue;
    if (Result<void> done = carry(from, to, "loom_backend_counters", "loom_backend_carry", id);
        !done)
      return done;
  }
  return {};
}

Result<void> carry_errors(const MapSet& from, const MapSet& to) {
  const BpfMap<uint32_t, uint64_t> live(fd_of(from, "loom_errors"), "loom_errors");
  const BpfMap<uint32_t, uint64_t> carried(fd_of(to, "loom_error_carry"), "loom_error_carry");
  const Result<bpf_map_info> info = info_of(fd_of(from, "loom_errors"));
  if (!info) return info.error();
  for (uint32_t error = 0; error < std::min<uint32_t>(info->max_entries, LOOM_ERROR_MAX); ++error) {
    const Result<std::vector<uint64_t>> per_cpu = live.get_per_cpu(error);
    if (!per_cpu) return per_cpu.error();
    uint64_t sum = std::accumulate(per_cpu->begin(), per_cpu->end(), uint64_t{0});
    if (const int fd = fd_of(from, "loom_error_carry"); fd >= 0) {
      const Result<std::optional<uint64_t>> before =
          BpfMap<uint32_t, uint64_t>(fd, "loom_error_carry").get(error);
      if (!before) return before.error();
      sum += before->value_or(0);
    }
    if (Result<void> done = carried.put(error, sum); !done) return done;
  }
  return {};
}

}  // namespace

Result<void> copy_flows(const MapSet& from, const MapSet& to) {
  if (fd_of(from, "loom_flows") < 0) return Error(ENOENT, "loom_flows is not pinned");
  for (const char* name : {"loom_flows", "loom_probation"})
    if (const int source = fd_of(from, name); source >= 0)
      if (Result<void> done = copy_map(source, fd_of(to, name), saw_more); !done) return done;
  return {};
}

Result<void> copy_counters(const MapSet& from, const MapSet& to) {
  if (fd_of(from, "loom_verdicts") < 0 || fd_of(from, "loom_errors") < 0 ||
      fd_of(from, "loom_backends") < 0 || fd_of(from, "loom_backend_counters") < 0)
    return Error(ENOENT, "counters are not pinned");
  const Result<bpf_map_info> verdicts = info_of(fd_of(from, "loom_verdicts"));
  if (!verdicts) return verdicts.error();
  for (uint32_t v = 0; v < std::min<uint32_t>(verdicts->max_entries, LOOM_VERDICT_MAX); ++v)
    if (Result<void> done = carry(from, to, "loom_verdicts", "loom_verdict_carry", v); !done)
      return done;
  if (Result<void> done = carry_errors(from, to); !done) return done;
  return carry_backends(from, to);
}

Result<void> copy_tables(const MapSet& from, const MapSet& to) {
  // loom_fragments stays behind: by the time it were copied, most of its packets are complete.
  constexpr std::array kApart{"loom_flows",         "loom_fragments",        "loom_probation",
                              "loom_rings",         "loom_settings",         "loom_clock_value",
                              "loom_verdicts",      "loom_backend_counters", "loom_errors",
                              "loom_verdict_carry", "loom_backend_carry",    "loom_error_carry"};
  for (const auto& [name, source] : from) {
    if (std::find(kApart.begin(), kApart.end(), name) != kApart.end()) continue;
    const auto target = to.find(name);
    if (target == to.end()) continue;  // a map the new release no longer has
    if (Result<void> done = copy_map(source.get(), target->second.get(), nullptr); !done)
      return std::move(done.error()).in("migrate " + name);
  }
  return {};
}

Result<void> copy_rings(const Pins& pins, const std::string& old_generation,
                        const std::string& new_generation, const MapSet& to, uint32_t ring_size) {
  const int info_fd = to.at("loom_service_info").get();
  const BpfMap<uint32_t, loom_service_info> infos(info_fd, "loom_service_info");
  for (uint32_t id = 1; id < LOOM_MAX_SERVICES; ++id) {
    Result<std::optional<loom_service_info>> info = infos.get(id);
    if (!info) return info.error();
    if (!*info || (*info)->name[0] == '\0') continue;
    const std::string service = name_of((*info)->name);

    Result<UniqueFd> ring = open_pin(pins.ring(old_generation, service));
    const Result<bpf_map_info> shape = ring ? info_of(ring->get()) : ring.error();
    if (!shape || shape->max_entries != ring_size) {
      (*info)->ring_digest = 0;  // the planner will see that there is no ring
      if (Result<void> done = infos.put(id, **info); !done) return done;
      continue;
    }
    const int fd = ring->get();
    if (bpf_map_update_elem(to.at("loom_rings").get(), &id, &fd, BPF_ANY) != 0)
      return Error(errno, "migrate the ring of " + service);
    if (Result<void> done = pin_replacing(fd, pins.ring(new_generation, service)); !done)
      return done;
    // A ring without history is one whose past is not known.
    if (Result<UniqueFd> history = open_pin(pins.history(old_generation, service)); history)
      if (Result<void> done = pin_replacing(history->get(), pins.history(new_generation, service));
          !done)
        return done;
  }
  return {};
}

bool same_shape(const bpf_map* wanted, int fd) {
  const Result<bpf_map_info> info = info_of(fd);
  if (!info) return false;
  // The kernel adds BPF_F_RDONLY_PROG to redirect maps by itself.
  const uint32_t flags = info->map_flags & ~uint32_t{BPF_F_RDONLY_PROG};
  return info->type == bpf_map__type(wanted) && info->key_size == bpf_map__key_size(wanted) &&
         info->value_size == bpf_map__value_size(wanted) &&
         info->max_entries == bpf_map__max_entries(wanted) && flags == bpf_map__map_flags(wanted);
}

}  // namespace loom
