// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/bpf_map.hpp"

#include <bpf/libbpf.h>

namespace loom {

int possible_cpus() {
  static const int count = libbpf_num_possible_cpus();
  return count;
}

}  // namespace loom
