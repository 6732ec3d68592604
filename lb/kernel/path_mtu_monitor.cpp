// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/path_mtu_monitor.hpp"

#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>

#include "lb/base/log.hpp"
#include "lb/kernel/too_big.hpp"

namespace loom {
namespace {

// 3200 messages a second and family at most: a flood costs this thread next to nothing, and what is
// lost in it comes again with the next packet that is too big.
constexpr int kBatch = 64;
constexpr int kPauseMs = 20;
constexpr int kReceiveBytes = 128 * 1024;
constexpr size_t kMessageBytes = 1500;  // RFC 1812: at most 576; RFC 4443: at most 1280

Result<UniqueFd> open_raw(int family, int protocol) {
  UniqueFd fd(socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd) return Error(errno, "open a raw ICMP socket");
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBytes, sizeof(kReceiveBytes)) != 0)
    return Error(errno, "bound the receive buffer of a raw ICMP socket");
  return fd;
}

Result<UniqueFd> open_v4() {
  Result<UniqueFd> fd = open_raw(AF_INET, IPPROTO_ICMP);
  if (!fd) return fd;
  const icmp_filter filter{~(1u << ICMP_DEST_UNREACH)};
  if (setsockopt(fd->get(), SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)) != 0)
    return Error(errno, "filter a raw ICMP socket");
  return fd;
}

Result<UniqueFd> open_v6() {
  Result<UniqueFd> fd = open_raw(AF_INET6, IPPROTO_ICMPV6);
  if (!fd) return fd;
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &filter);
  if (setsockopt(fd->get(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) != 0)
    return Error(errno, "filter a raw ICMPv6 socket");
  return fd;
}

/// The socket; none, with a word about what does without it.
UniqueFd or_warn(Result<UniqueFd> fd, const char* family) {
  if (fd) return std::move(*fd);
  log_warning(std::string("path MTUs of ") + family +
              " tunnels are not learned from ICMP: " + fd.error().message());
  return {};
}

IpAddr address_of(const sockaddr_in6& sender) {
  std::array<uint8_t, 16> bytes{};
  std::copy_n(sender.sin6_addr.s6_addr, bytes.size(), bytes.begin());
  return IpAddr(bytes);
}

}  // namespace

Result<std::unique_ptr<PathMtuMonitor>> PathMtuMonitor::start(Handler heard) {
  UniqueFd stop(eventfd(0, EFD_CLOEXEC));
  if (!stop) return Error(errno, "create an eventfd");
  Sockets sockets{or_warn(open_v4(), "IPv4"), or_warn(open_v6(), "IPv6"), std::move(stop)};
  return std::unique_ptr<PathMtuMonitor>(new PathMtuMonitor(std::move(sockets), std::move(heard)));
}

PathMtuMonitor::PathMtuMonitor(Sockets sockets, Handler heard)
    : sockets_(std::move(sockets)), heard_(std::move(heard)), thread_([this] { run(); }) {}

PathMtuMonitor::~PathMtuMonitor() {
  eventfd_write(sockets_.stop.get(), 1);
  thread_.join();
}

void PathMtuMonitor::run() {
  do {
    // poll() overlooks a socket that is none.
    std::array<pollfd, 3> ready{pollfd{.fd = sockets_.v4.get(), .events = POLLIN},
                                pollfd{.fd = sockets_.v6.get(), .events = POLLIN},
                                pollfd{.fd = sockets_.stop.get(), .events = POLLIN}};
    poll(ready.data(), ready.size(), -1);
    if (ready[0].revents != 0) drain(sockets_.v4.get(), Family::kV4);
    if (ready[1].revents != 0) drain(sockets_.v6.get(), Family::kV6);
  } while (!pause());
}

bool PathMtuMonitor::pause() {
  pollfd stop{.fd = sockets_.stop.get(), .events = POLLIN};
  return poll(&stop, 1, kPauseMs) > 0;
}

void PathMtuMonitor::drain(int socket, Family family) {
  std::array<uint8_t, kMessageBytes> buffer;
  for (int i = 0; i < kBatch; ++i) {
    sockaddr_in6 sender{};
    socklen_t length = sizeof(sender);
    const ssize_t size = recvfrom(socket, buffer.data(), buffer.size(), 0,
                                  reinterpret_cast<sockaddr*>(&sender), &length);
    if (size < 0) return;
    const std::span<const uint8_t> bytes(buffer.data(), static_cast<size_t>(size));
    const std::optional<TooBig> message = family == Family::kV4
                                              ? parse_too_big_v4(bytes)
                                              : parse_too_big_v6(bytes, address_of(sender));
    if (message) heard_(*message);
  }
}

}  // namespace loom
