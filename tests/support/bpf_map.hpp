// SPDX-License-Identifier: Apache-2.0
// Keys and values of a libbpf map, for tests: what goes wrong fails the test.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace loom::test {

template <class Key, class Value>
void put(const bpf_map* map, const Key& key, const Value& value) {
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY), 0)
      << bpf_map__name(map) << ": " << std::strerror(errno);
}

template <class Key>
std::vector<Key> keys_of(const bpf_map* map) {
  std::vector<Key> keys;
  Key key{};
  Key next{};
  for (const Key* from = nullptr; bpf_map_get_next_key(bpf_map__fd(map), from, &next) == 0;) {
    keys.push_back(next);
    key = next;
    from = &key;
  }
  return keys;
}

}  // namespace loom::test
