// SPDX-License-Identifier: Apache-2.0
// PathMtus between the thread that hears of them and the one that acts on them, with a log line
// per change.
#pragma once

#include <map>
#include <mutex>

#include "lb/model/path_mtu.hpp"

namespace loom {

/// Any thread.
class PathMtuTable {
 public:
  // As PathMtus, now.
  bool learn(const TooBig& message);
  bool expire();
  void follow(const State& state);
  [[nodiscard]] std::map<IpAddr, PathMtu> learned() const;

 private:
  mutable std::mutex mutex_;
  PathMtus path_mtus_;
};

}  // namespace loom
