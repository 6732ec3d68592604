// SPDX-License-Identifier: Apache-2.0
// Typed views of BPF maps that somebody else owns (a MapSet).
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "lb/base/result.hpp"
#include "loom/abi.h"

namespace loom {

/// Possible CPUs: the width of a per-CPU value. Never fails after the first map was created.
int possible_cpus();

template <class Key, class Value>
class BpfMap {
  static_assert(std::has_unique_object_representations_v<Key>,
                "a map key is compared byte by byte: no padding, no floats");
  static_assert(std::is_trivially_copyable_v<Value>);

 public:
  BpfMap(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  Result<void> put(const Key& key, const Value& value) const {
    if (bpf_map_update_elem(fd_, &key, &value, BPF_ANY) != 0) return Error(errno, "write " + name_);
    return {};
  }

  Result<std::optional<Value>> get(const Key& key) const {
    Value value{};
    if (bpf_map_lookup_elem(fd_, &key, &value) == 0) return std::optional<Value>{value};
    if (errno == ENOENT) return std::optional<Value>{};
    return Error(errno, "read " + name_);
  }

  /// Removing what is not there is no error.
  Result<void> erase(const Key& key) const {
    if (bpf_map_delete_elem(fd_, &key) != 0 && errno != ENOENT)
      return Error(errno, "delete from " + name_);
    return {};
  }

  /// Every entry of a hash map. Entries that come or go meanwhile may or may not be seen.
  Result<void> for_each(const std::function<void(const Key&, const Value&)>& visit) const {
    constexpr uint32_t kBatch = 4096;
    std::vector<Key> keys(kBatch);
    std::vector<Value> values(kBatch);
    uint32_t position = 0;
    void* in = nullptr;
    for (;;) {
      uint32_t count = kBatch;
      const int err =
          bpf_map_lookup_batch(fd_, in, &position, keys.data(), values.data(), &count, nullptr);
      const int code = errno;
      // ENOSPC: one bucket holds more than a batch; cannot happen with hashed keys at this size.
      if (err != 0 && code != ENOENT) return Error(code, "read " + name_);
      for (uint32_t i = 0; i < count; ++i) visit(keys[i], values[i]);
      if (err != 0) return {};
      in = &position;
    }
  }

  /// The same one by one, for map types without batch operations (LPM tries before 5.19).
  Result<void> for_each_by_key(const std::function<void(const Key&, const Value&)>& visit) const {
    Key previous{};
    Key key{};
    const void* from = nullptr;
    while (bpf_map_get_next_key(fd_, from, &key) == 0) {
      const Result<std::optional<Value>> value = get(key);
      if (!value) return value.error();
      if (*value) visit(key, **value);
      previous = key;
      from = &previous;
    }
    if (errno != ENOENT) return Error(errno, "read " + name_);
    return {};
  }

  /// The first `entries` values of an array map, in one call.
  Result<std::vector<Value>> get_all(uint32_t entries) const {
    static_assert(sizeof(Value) % 4 == 0);
    std::vector<Value> values(entries);
    std::vector<Key> keys(entries);
    uint32_t position = 0;
    uint32_t count = entries;
    if (bpf_map_lookup_batch(fd_, nullptr, &position, keys.data(), values.data(), &count,
                             nullptr) != 0 &&
        errno != ENOENT)
      return Error(errno, "read " + name_);
    return values;
  }

  /// One value per possible CPU.
  Result<std::vector<Value>> get_per_cpu(const Key& key) const {
    static_assert(sizeof(Value) % 8 == 0, "the kernel rounds per-CPU values up to 8 bytes");
    std::vector<Value> values(static_cast<size_t>(possible_cpus()));
    if (bpf_map_lookup_elem(fd_, &key, values.data()) != 0) return Error(errno, "read " + name_);
    return values;
  }

  Result<void> put_per_cpu(const Key& key, const std::vector<Value>& values) const {
    if (bpf_map_update_elem(fd_, &key, values.data(), BPF_ANY) != 0)
      return Error(errno, "write " + name_);
    return {};
  }

 private:
  int fd_;
  std::string name_;
};

}  // namespace loom
