// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 on one connection, with bounds on what a client can make us hold or wait for.
#pragma once

#include <memory>

#include "admin-api/routes.hpp"
#include "lb/base/unique_fd.hpp"

namespace loom {

/// One per thread.
class ConnectionServer {
 public:
  /// Both must outlive it. When `wake_fd` becomes readable, serve() stops waiting for requests.
  static std::unique_ptr<ConnectionServer> make(Router& router, int wake_fd);

  ConnectionServer() = default;
  ConnectionServer(const ConnectionServer&) = delete;
  ConnectionServer& operator=(const ConnectionServer&) = delete;
  virtual ~ConnectionServer() = default;

  /// Answers requests until either side closes. `connection` must be non-blocking.
  virtual void serve(const UniqueFd& connection) = 0;
};

}  // namespace loom
