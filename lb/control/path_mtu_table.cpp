// SPDX-License-Identifier: Apache-2.0
#include "lb/control/path_mtu_table.hpp"

#include "lb/base/log.hpp"

namespace loom {

bool PathMtuTable::learn(const TooBig& message) {
  const std::lock_guard lock(mutex_);
  if (!path_mtus_.learn(message, PathMtus::Clock::now())) return false;
  log_info("path MTU to " + message.destination.to_string() + " is " +
           std::to_string(path_mtus_.learned().at(message.destination).mtu) + ", says " +
           message.router.to_string());
  return true;
}

bool PathMtuTable::expire() {
  const std::lock_guard lock(mutex_);
  const std::map<IpAddr, PathMtu> before = path_mtus_.learned();
  if (!path_mtus_.expire(PathMtus::Clock::now())) return false;
  for (const auto& [address, path] : before)
    if (!path_mtus_.learned().contains(address))
      log_info("path MTU to " + address.to_string() + " is no longer taken to be " +
               std::to_string(path.mtu));
  return true;
}

void PathMtuTable::follow(const State& state) {
  const std::lock_guard lock(mutex_);
  path_mtus_.follow(state);
}

std::map<IpAddr, PathMtu> PathMtuTable::learned() const {
  const std::lock_guard lock(mutex_);
  return path_mtus_.learned();
}

}  // namespace loom
