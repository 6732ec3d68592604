// SPDX-License-Identifier: Apache-2.0
// The memory of a BPF array with BPF_F_MMAPABLE.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>

#include "lb/base/result.hpp"

namespace loom {

struct UnmapArray {
  size_t bytes = 0;
  template <class Cell>
  void operator()(Cell* memory) const {
    munmap(memory, bytes);
  }
};

/// Cell is a value as it lies there: values are padded to a multiple of 8 bytes.
template <class Cell>
using MappedArray = std::unique_ptr<Cell[], UnmapArray>;

/// `protection` as for mmap(2).
template <class Cell>
Result<MappedArray<Cell>> map_array(int fd, size_t entries, int protection) {
  static_assert(sizeof(Cell) % 8 == 0);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t bytes = (entries * sizeof(Cell) + page - 1) / page * page;
  void* memory = mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return Error(errno, "map an array into memory");
  return MappedArray<Cell>(static_cast<Cell*>(memory), UnmapArray{bytes});
}

}  // namespace loom
