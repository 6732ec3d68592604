// SPDX-License-Identifier: Apache-2.0
// The admin API on a TCP port.
#pragma once

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "admin-api/build_info.hpp"
#include "admin-api/routes.hpp"
#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"
#include "lb/control/control.hpp"
#include "lb/net/endpoint.hpp"

namespace loom {

struct AdminOptions {
  Endpoint listen;  ///< Loopback; port 0: the kernel chooses. EACCES: not a loopback address.
  /// A listening socket handed over by who started us; used instead of `listen`. The server's from
  /// now on, also if it does not start.
  std::optional<int> listen_fd;
  BuildInfo build;
};

class AdminServer {
 public:
  /// Answers requests when it returns. `control` must outlive it. EADDRINUSE names who has the
  /// port.
  static Result<std::unique_ptr<AdminServer>> start(Control& control, AdminOptions options);
  ~AdminServer();

  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  /// Where it listens, with the port the kernel chose.
  [[nodiscard]] Endpoint bound() const { return bound_; }

  /// Returns when no request is being answered any more. Call from one thread.
  void stop();

 private:
  AdminServer(Control& control, UniqueFd listener, UniqueFd wake, BuildInfo build);
  void work();
  [[nodiscard]] bool wait_for_connection() const;
  void pause_accepting() const;

  const UniqueFd listener_;
  const UniqueFd wake_;  ///< Readable: stop.
  const Endpoint bound_;
  Router router_;
  std::vector<std::thread> workers_;
};

}  // namespace loom
