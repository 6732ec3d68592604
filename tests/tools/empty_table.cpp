// SPDX-License-Identifier: Apache-2.0
// Takes every entry out of pinned hash maps, as if they had been lost.  empty_table PIN...
#include <bpf/bpf.h>

#include <vector>

#include "common.hpp"

namespace loom::tools {
namespace {

/// How many there were.
size_t empty(const char* pin) {
  const int fd = bpf_obj_get(pin);
  if (fd < 0) die_errno(pin);
  bpf_map_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) die_errno(pin);
  std::vector<char> key(info.key_size);
  size_t count = 0;
  while (bpf_map_get_next_key(fd, nullptr, key.data()) == 0)
    if (bpf_map_delete_elem(fd, key.data()) == 0) ++count;
  close(fd);
  return count;
}

}  // namespace
}  // namespace loom::tools

int main(int argc, char** argv) {
  size_t count = 0;
  for (int i = 1; i < argc; ++i) count += loom::tools::empty(argv[i]);
  std::printf("%zu entries\n", count);
}
