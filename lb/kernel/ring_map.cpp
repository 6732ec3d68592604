// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/ring_map.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "lb/kernel/mapped_array.hpp"
#include "loom/abi.h"

namespace loom {
namespace {

/// The kernel lays values of 4 bytes out at a stride of 8.
struct Cell {
  loom_slot slot;
  uint32_t unused;
};

}  // namespace

Result<UniqueFd> create_ring_map(std::span<const uint32_t> slots) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  UniqueFd fd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "loom_ring", sizeof(uint32_t), sizeof(loom_slot),
                             static_cast<uint32_t>(slots.size()), &options));
  if (!fd) return Error(errno, "create a ring");
  const Result<MappedArray<Cell>> memory =
      map_array<Cell>(fd.get(), slots.size(), PROT_READ | PROT_WRITE);
  if (!memory) return memory.error();
  for (size_t i = 0; i < slots.size(); ++i) (*memory)[i].slot = slots[i];
  return fd;
}

Result<void> publish_rings(int outer_fd, std::span<const uint32_t> service_ids,
                           std::span<const int> ring_fds) {
  uint32_t count = static_cast<uint32_t>(service_ids.size());
  if (bpf_map_update_batch(outer_fd, service_ids.data(), ring_fds.data(), &count, nullptr) == 0)
    return {};
  if (errno != ENOTSUP && errno != EINVAL && errno != 524 /* ENOTSUPP of the kernel */)
    return Error(errno, "publish rings");
  for (size_t i = 0; i < service_ids.size(); ++i)
    if (bpf_map_update_elem(outer_fd, &service_ids[i], &ring_fds[i], BPF_ANY) != 0)
      return Error(errno, "publish a ring");
  return {};
}

Result<std::vector<uint32_t>> read_ring(int ring_fd, uint32_t ring_size) {
  const Result<MappedArray<Cell>> memory = map_array<Cell>(ring_fd, ring_size, PROT_READ);
  if (!memory) return memory.error();
  std::vector<uint32_t> slots(ring_size);
  for (uint32_t i = 0; i < ring_size; ++i) slots[i] = (*memory)[i].slot;
  return slots;
}

Result<void> rewrite_ring(int ring_fd, std::span<const uint32_t> slots) {
  const Result<MappedArray<Cell>> memory =
      map_array<Cell>(ring_fd, slots.size(), PROT_READ | PROT_WRITE);
  if (!memory) return memory.error();
  for (size_t i = 0; i < slots.size(); ++i) {
    std::atomic_ref<uint32_t> slot((*memory)[i].slot);
    if (slot.load(std::memory_order_relaxed) != slots[i])
      slot.store(slots[i], std::memory_order_relaxed);
  }
  return {};
}

Result<std::map<uint32_t, uint32_t>> count_slots(int ring_fd, uint32_t ring_size) {
  const Result<MappedArray<Cell>> memory = map_array<Cell>(ring_fd, ring_size, PROT_READ);
  if (!memory) return memory.error();
  std::vector<uint32_t> counts(LOOM_MAX_BACKENDS, 0);
  for (uint32_t i = 0; i < ring_size; ++i) ++counts[LOOM_SLOT_CURRENT((*memory)[i].slot)];
  std::map<uint32_t, uint32_t> out;
  for (uint32_t id = 0; id < counts.size(); ++id)
    if (counts[id] != 0) out[id] = counts[id];
  return out;
}

}  // namespace loom
