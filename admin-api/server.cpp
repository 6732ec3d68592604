// SPDX-License-Identifier: Apache-2.0
#include "admin-api/server.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "admin-api/connection.hpp"
#include "admin-api/listener.hpp"
#include "lb/base/log.hpp"

namespace loom {
namespace {

/// Each serves one connection at a time; more of them wait in the socket's backlog.
constexpr size_t kWorkers = 32;
constexpr int kAcceptPauseMs = 100;

Result<UniqueFd> listener_of(const AdminOptions& options) {
  if (options.listen_fd) return adopt_listener(UniqueFd(*options.listen_fd));
  if (!options.listen.address.is_loopback())
    return Error(EACCES, "admin.listen " + options.listen.to_string() +
                             " is not a loopback address, and the API has no authentication")
        .with_hint("use 127.0.0.1 or ::1, and an SSH tunnel from elsewhere");
  return open_listener(options.listen);
}

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::start(Control& control, AdminOptions options) {
  Result<UniqueFd> listener = listener_of(options);
  if (!listener) return listener.error().in("admin API");
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return Error(errno, "admin API: eventfd");

  // Private constructor: make_unique cannot.
  std::unique_ptr<AdminServer> server(
      new AdminServer(control, std::move(*listener), std::move(wake), std::move(options.build)));
  const Endpoint& bound = server->bound_;
  if (options.listen_fd && bound.port != 0 && !bound.address.is_loopback())
    log_warning("admin: the socket handed over listens on " + bound.to_string() +
                ": whoever reaches it can change the balancer");
  for (size_t i = 0; i < kWorkers; ++i)
    server->workers_.emplace_back([raw = server.get()] { raw->work(); });
  return server;
}

AdminServer::AdminServer(Control& control, UniqueFd listener, UniqueFd wake, BuildInfo build)
    : listener_(std::move(listener)),
      wake_(std::move(wake)),
      bound_(local_endpoint(listener_)),
      router_(control, std::move(build), bound_) {}

AdminServer::~AdminServer() {
  stop();
}

void AdminServer::stop() {
  // Never read again: every thread that polls it sees it. Fails only if it is set already.
  (void)eventfd_write(wake_.get(), 1);
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

bool AdminServer::wait_for_connection() const {
  std::array<pollfd, 2> fds{{{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
  while (::poll(fds.data(), fds.size(), -1) < 0)
    if (errno != EINTR) return false;
  return fds[1].revents == 0;
}

void AdminServer::pause_accepting() const {
  pollfd wake{wake_.get(), POLLIN, 0};
  (void)::poll(&wake, 1, kAcceptPauseMs);
}

void AdminServer::work() {
  const std::unique_ptr<ConnectionServer> server = ConnectionServer::make(router_, wake_.get());
  while (wait_for_connection()) {
    UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection)
      server->serve(connection);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
      pause_accepting();  // the connection stays in the backlog, and poll would return at once
  }
}

}  // namespace loom
