// SPDX-License-Identifier: Apache-2.0
// Fragments, port ranges and source pools, as tests see and change them.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "support/bpf_map.hpp"
#include "support/bpf_program.hpp"
// After the types of its read-only data.
#include "loom_xdp.skel.h"

namespace loom::test {

void Datapath::put_range(const std::string& vip, uint16_t port, uint32_t bits, uint8_t proto,
                         loom_listener value) {
  put(program().maps.loom_port_ranges,
      loom_range_key{LOOM_RANGE_PREFIX + bits, addr(vip), 0, proto, htons(port)}, value);
}

void Datapath::put_source(uint32_t index, const std::string& address) {
  put(program().maps.loom_sources, index, addr(address));
}

size_t Datapath::fragments() {
  return keys_of<loom_fragment_key>(program().maps.loom_fragments).size();
}

void Datapath::age_fragments(uint64_t jiffies) {
  const bpf_map* map = program().maps.loom_fragments;
  for (const loom_fragment_key& key : keys_of<loom_fragment_key>(map)) {
    loom_fragment fragment{};
    ASSERT_EQ(bpf_map_lookup_elem(bpf_map__fd(map), &key, &fragment), 0);
    fragment.seen -= jiffies;
    put(map, key, fragment);
  }
}

uint64_t Datapath::fragment_timeout() {
  return program().rodata->loom_config.fragment_timeout;
}

}  // namespace loom::test
