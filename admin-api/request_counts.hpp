// SPDX-License-Identifier: Apache-2.0
// How often each endpoint answered what. Labels come from the route table, so their number is
// bounded whatever clients send.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

namespace loom {

class RequestCounts {
 public:
  /// Route, method, status.
  using Key = std::tuple<std::string, std::string, int>;

  void add(const Key& key) {
    const std::lock_guard lock(mutex_);
    ++counts_[key];
  }
  [[nodiscard]] std::map<Key, uint64_t> read() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<Key, uint64_t> counts_;
};

}  // namespace loom
