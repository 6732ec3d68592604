// SPDX-License-Identifier: Apache-2.0
// PathMtuMonitor: hears the "too big" that routers answer to tunnel packets. They come to addresses
// of this host, whose stack has no such tunnel and would throw them away.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"
#include "lb/model/path_mtu.hpp"

namespace loom {

/// Of the namespace of the thread that starts it.
class PathMtuMonitor {
 public:
  using Handler = std::function<void(const TooBig&)>;

  /// `heard` is called from a thread of the monitor's, for messages about anybody's packets. A
  /// family whose socket cannot be opened is a warning in the log: the others work.
  static Result<std::unique_ptr<PathMtuMonitor>> start(Handler heard);
  /// When it returns, `heard` neither runs nor will run again.
  ~PathMtuMonitor();
  PathMtuMonitor(const PathMtuMonitor&) = delete;
  PathMtuMonitor& operator=(const PathMtuMonitor&) = delete;

 private:
  struct Sockets {
    UniqueFd v4;
    UniqueFd v6;
    UniqueFd stop;  ///< eventfd; readable: the thread ends.
  };

  PathMtuMonitor(Sockets sockets, Handler heard);

  void run();
  /// True: to be ended.
  [[nodiscard]] bool pause();
  void drain(int socket, Family family);

  Sockets sockets_;
  Handler heard_;
  std::thread thread_;
};

}  // namespace loom
