// SPDX-License-Identifier: Apache-2.0
// Captures on one interface of the current network namespace and verifies every IPv4, TCP, UDP and
// ICMP checksum it sees, inner packets of IPIP and GUE included.
//
//   capture_check INTERFACE SECONDS      ends earlier on SIGTERM or SIGINT
//
// Prints "capturing" once it sees packets, at the end one line "WHAT GOOD BAD PARTIAL UNSET" per
// kind. Exit status 1: a bad or a partial checksum, or packets that were lost before the check.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>

#include <array>
#include <csignal>

#include "checksums.hpp"

namespace loom::tools {
namespace {

volatile std::sig_atomic_t stop_requested = 0;

void request_stop(int /*signal*/) {
  stop_requested = 1;
}

int open_capture(const std::string& interface) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
  if (fd < 0) die_errno("packet socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (address.sll_ifindex == 0) die_errno(interface);
  set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20);
  set_option(fd, SOL_PACKET, PACKET_AUXDATA, 1);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) die_errno("bind");
  return fd;
}

/// What the kernel notes beside a packet.
uint32_t read_status(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata note;
    std::memcpy(&note, CMSG_DATA(part), sizeof(note));
    return note.tp_status;
  }
  return 0;
}

/// false: nothing there at the moment.
bool check_one(int fd, ChecksumChecker& checker) {
  static Bytes frame(65'536 + 256);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
  iovec part{frame.data(), frame.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = recvmsg(fd, &message, 0);
  if (size < 0) return false;
  checker.check(std::span(frame).first(static_cast<size_t>(size)),
                (read_status(message) & TP_STATUS_CSUMNOTREADY) != 0);
  return true;
}

size_t count_lost(int fd) {
  tpacket_stats stats{};
  socklen_t size = sizeof(stats);
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0)
    die_errno("PACKET_STATISTICS");
  return stats.tp_drops;
}

int report(const ChecksumChecker& checker, size_t lost) {
  bool fine = lost == 0;
  for (const auto& [what, tally] : checker.tallies()) {
    std::printf("%-16s %8zu %6zu %6zu %6zu\n", what.c_str(), tally.good, tally.bad, tally.partial,
                tally.unset);
    fine &= tally.bad == 0 && tally.partial == 0;
  }
  if (lost) std::printf("lost %zu\n", lost);
  return fine ? 0 : 1;
}

int run(const std::string& interface, std::chrono::seconds duration) {
  std::signal(SIGTERM, request_stop);
  std::signal(SIGINT, request_stop);
  const int fd = open_capture(interface);
  std::printf("capturing\n");
  std::fflush(stdout);

  ChecksumChecker checker;
  const Clock::time_point end = Clock::now() + duration;
  while (!stop_requested && Clock::now() < end) {
    pollfd wait{fd, POLLIN, 0};
    if (poll(&wait, 1, 100) > 0)
      while (check_one(fd, checker)) continue;
  }
  while (check_one(fd, checker)) continue;  // what was already queued
  return report(checker, count_lost(fd));
}

}  // namespace
}  // namespace loom::tools

int main(int argc, char** argv) {
  using loom::tools::parse_number;
  if (argc != 3) loom::tools::die("usage: capture_check INTERFACE SECONDS");
  return loom::tools::run(argv[1], std::chrono::seconds(parse_number(argv[2], 3600)));
}
