// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/migrate.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "lb/kernel/codec.hpp"

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
  if (info.type == BPF_MAP_TYPE_DEVMAP_HASH) {
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

Result<void> copy_hash(int from, int to, const bpf_map_info& source, CopyMode mode) {
  const Result<bpf_map_info> target = info_of(to);
  if (!target) return target.error();
  const uint64_t flags = mode == CopyMode::kAddOnly ? BPF_NOEXIST : BPF_ANY;
  int failed = 0;
  Result<void> read = for_each_raw(from, source, [&](const uint8_t* key, const uint8_t* value) {
    const Bytes out = converted(source, *target, value);
    if (bpf_map_update_elem(to, key, out.data(), flags) != 0 && errno != EEXIST && errno != E2BIG &&
        errno != ENOMEM)
      failed = errno;
  });
  if (!read) return read;
  if (failed != 0) return Error(failed, std::string("write ") + source.name);
  return {};
}

}  // namespace

Result<void> copy_map(int from, int to, CopyMode mode) {
  const Result<bpf_map_info> source = info_of(from);
  if (!source) return source.error();
  const Result<bpf_map_info> target = info_of(to);
  if (!target) return target.error();
  if (source->key_size != target->key_size || source->type != target->type)
    return Error(EINVAL, std::string(source->name) + " has another kind of key now");
  if (is_array(source->type)) return copy_array(from, to, *source, *target);
  return copy_hash(from, to, *source, mode);
}

Result<void> copy_tables(const MapSet& from, const MapSet& to) {
  constexpr std::array kApart{"loom_flows", "loom_rings", "loom_settings", "loom_clock_value"};
  for (const auto& [name, source] : from) {
    if (std::find(kApart.begin(), kApart.end(), name) != kApart.end()) continue;
    const auto target = to.find(name);
    if (target == to.end()) continue;  // a map the new release no longer has
    if (Result<void> done = copy_map(source.get(), target->second.get(), CopyMode::kReplace); !done)
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
  }
  return {};
}

}  // namespace loom
