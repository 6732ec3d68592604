// SPDX-License-Identifier: Apache-2.0
#include "admin-api/listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace loom {
namespace {

constexpr int kBacklog = 128;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress to_socket_address(const Endpoint& endpoint) {
  SocketAddress out;
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    const auto bytes = endpoint.address.v4_bytes();
    std::memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&out.storage, &v4, sizeof(v4));
    out.size = sizeof(v4);
    return out;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::memcpy(&v6.sin6_addr, endpoint.address.bytes().data(), endpoint.address.bytes().size());
  std::memcpy(&out.storage, &v6, sizeof(v6));
  out.size = sizeof(v6);
  return out;
}

Endpoint from_socket_address(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof(v4));
    std::array<uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return {IpAddr::from_v4(bytes), ntohs(v4.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof(v6));
    std::array<uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return {IpAddr(bytes), ntohs(v6.sin6_port)};
  }
  return {};
}

/// bind(2) and getsockname(2) want the general type for every family.
sockaddr* as_sockaddr(sockaddr_storage& storage) {
  return reinterpret_cast<sockaddr*>(&storage);
}

Result<void> set_option(const UniqueFd& socket, int level, int option) {
  const int on = 1;
  if (setsockopt(socket.get(), level, option, &on, sizeof(on)) != 0)
    return Error(errno, "set socket option");
  return {};
}

Result<void> prepare(const UniqueFd& socket, const Endpoint& endpoint) {
  // Connections of the daemon before us may still be in TIME_WAIT.
  if (Result<void> done = set_option(socket, SOL_SOCKET, SO_REUSEADDR); !done) return done.error();
  if (endpoint.address.is_v4()) return {};
  return set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY);
}

Error bind_error(const Endpoint& endpoint, int code) {
  if (code == EADDRINUSE)
    return Error(code, describe_holder(endpoint))
        .with_hint("stop that process, or set admin.listen to another port");
  if (code == EADDRNOTAVAIL)
    return Error(code, "bind").with_hint("admin.listen must be an address of this host");
  return {code, "bind"};
}

}  // namespace

Result<UniqueFd> open_listener(const Endpoint& endpoint) {
  const std::string context = "listen on " + endpoint.to_string();
  const int family = endpoint.address.is_v4() ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error(errno, context);
  if (Result<void> done = prepare(fd, endpoint); !done) return done.error().in(context);

  SocketAddress address = to_socket_address(endpoint);
  if (::bind(fd.get(), as_sockaddr(address.storage), address.size) != 0)
    return bind_error(endpoint, errno).in(context);
  // Two sockets may bind with SO_REUSEADDR; only one of them may listen.
  if (::listen(fd.get(), kBacklog) != 0) return bind_error(endpoint, errno).in(context);
  return fd;
}

Result<UniqueFd> adopt_listener(UniqueFd fd) {
  const std::string context = "socket activation: descriptor " + std::to_string(fd.get());
  int listening = 0;
  int type = 0;
  socklen_t size = sizeof(listening);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0)
    return Error(errno, context);
  size = sizeof(type);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0) return Error(errno, context);
  if (listening == 0 || type != SOCK_STREAM)
    return Error(EINVAL, context + " is not a listening stream socket");

  // Several threads wait for one connection: those that come late must not block in accept.
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return Error(errno, context);
  if (fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) return Error(errno, context);
  return fd;
}

Endpoint local_endpoint(const UniqueFd& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getsockname(socket.get(), as_sockaddr(storage), &size) != 0) return {};
  return from_socket_address(storage);
}

std::string peer_name(const UniqueFd& connection) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getpeername(connection.get(), as_sockaddr(storage), &size) != 0) return "a closed connection";
  if (storage.ss_family == AF_UNIX) return "the admin socket";
  return from_socket_address(storage).to_string();
}

}  // namespace loom
