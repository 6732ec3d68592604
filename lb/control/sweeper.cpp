// SPDX-License-Identifier: Apache-2.0
#include "lb/control/sweeper.hpp"

#include "lb/base/log.hpp"

namespace loom {
namespace {

constexpr auto kSweepEvery = std::chrono::seconds(5);  // what connections_active promises

}  // namespace

Sweeper::Sweeper(Dataplane& dataplane, uint64_t max_connections, Handler swept)
    : dataplane_(dataplane),
      max_connections_(max_connections),
      swept_(std::move(swept)),
      thread_([this] { run(); }) {}

Sweeper::~Sweeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  // The mark outlives us, and nobody would take it off again.
  if (limit_reached_ != true) return;
  if (Result<void> done = dataplane_.limit_connections(Limit::kOpen); !done)
    log_warning("connection limit: " + done.error().message());
}

void Sweeper::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    Result<FlowSweep> sweep = dataplane_.sweep();
    if (sweep) {
      apply_connection_limit(sweep->confirmed);
      swept_(*sweep);
    } else {
      log_warning("sweep of the flow table: " + sweep.error().message());
    }
    lock.lock();
    if (sweep) last_ = std::move(*sweep);
    wake_.wait_for(lock, kSweepEvery, [this] { return stopping_; });
  }
}

void Sweeper::apply_connection_limit(uint64_t connections) {
  const bool reached = max_connections_ != 0 && connections >= max_connections_;
  if (limit_reached_ == reached) return;
  if (Result<void> done = dataplane_.limit_connections(reached ? Limit::kReached : Limit::kOpen);
      !done) {
    log_warning("connection limit: " + done.error().message());
    return;
  }
  if (reached)
    log_warning("max_connections is reached: new flows go to the stack");
  else if (limit_reached_)
    log_info("below max_connections again");
  limit_reached_ = reached;
}

FlowSweep Sweeper::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

}  // namespace loom
