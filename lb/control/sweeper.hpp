// SPDX-License-Identifier: Apache-2.0
// Sweeper: looks through the flow tables every few seconds, and holds the limit for connections.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "lb/control/dataplane.hpp"

namespace loom {

class Sweeper {
 public:
  /// Called on the sweeper's thread after each sweep.
  using Handler = std::function<void(const FlowSweep&)>;

  /// New flows beyond `max_connections` go to the stack; 0: no limit. `dataplane` must outlive it.
  Sweeper(Dataplane& dataplane, uint64_t max_connections, Handler swept);
  ~Sweeper();
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  /// Any thread. All zero before the first sweep.
  [[nodiscard]] FlowSweep last() const;

 private:
  void run();
  void apply_connection_limit(uint64_t connections);

  Dataplane& dataplane_;
  const uint64_t max_connections_;
  const Handler swept_;
  /// Own thread only. Unset: what an earlier daemon left behind is not known.
  std::optional<bool> limit_reached_;

  mutable std::mutex mutex_;  ///< Guards what follows.
  std::condition_variable wake_;
  bool stopping_ = false;
  FlowSweep last_;

  std::thread thread_;
};

}  // namespace loom
