// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/history_map.hpp"

#include <bpf/bpf.h>

#include <cerrno>

#include "lb/kernel/mapped_array.hpp"
#include "loom/abi.h"

namespace loom {
namespace {

uint64_t to_abi(MonotonicTime time) {
  return static_cast<uint64_t>(time.count());
}

MonotonicTime time_of(uint64_t value) {
  return MonotonicTime(static_cast<int64_t>(value));
}

}  // namespace

Result<UniqueFd> create_history_map(const KeptHistory& history) {
  const size_t entries = history.events.size() + 1;
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  UniqueFd fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "loom_history", sizeof(uint32_t),
                             sizeof(loom_past), static_cast<uint32_t>(entries), &options));
  if (!fd) return Error(errno, "create a ring's history");
  const Result<MappedArray<loom_past>> memory =
      map_array<loom_past>(fd.get(), entries, PROT_READ | PROT_WRITE);
  if (!memory) return memory.error();
  loom_past* out = memory->get();
  *out++ = {to_abi(history.flagged_until), 0, 0};
  for (const RingHistory::Past& past : history.events)
    *out++ = {to_abi(past.until), past.slot, past.owner};
  return fd;
}

Result<KeptHistory> read_history_map(int fd) {
  bpf_map_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0)
    return Error(errno, "look at a ring's history");
  if (info.value_size != sizeof(loom_past) || info.max_entries == 0)
    return Error(EINVAL, "a ring's history is of another layout");
  const Result<MappedArray<loom_past>> memory =
      map_array<loom_past>(fd, info.max_entries, PROT_READ);
  if (!memory) return memory.error();
  const loom_past* from = memory->get();
  KeptHistory out;
  out.flagged_until = time_of(from->until);
  for (uint32_t i = 1; i < info.max_entries; ++i)
    out.events.push_back({from[i].slot, from[i].owner, time_of(from[i].until)});
  return out;
}

}  // namespace loom
