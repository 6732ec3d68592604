// SPDX-License-Identifier: Apache-2.0
#include "admin-api/bounded_socket.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace loom {
namespace {

constexpr int kWriteDeadlineFactor = 4;

int poll_timeout(BoundedSocket::Clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - BoundedSocket::Clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

bool wait_writable(int fd, BoundedSocket::Clock::time_point deadline) {
  pollfd wanted{fd, POLLOUT, 0};
  int ready = 0;
  do {
    ready = ::poll(&wanted, 1, poll_timeout(deadline));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

}  // namespace

void BoundedSocket::allow(size_t bytes, Clock::time_point deadline) {
  budget_ = bytes;
  deadline_ = deadline;
  failure_ = Failure::kNone;
}

bool BoundedSocket::wait_readable(Clock::time_point deadline) const {
  if (begin_ < end_) return true;
  std::array<pollfd, 2> fds{{{fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}}};
  int ready = 0;
  do {
    ready = ::poll(fds.data(), fds.size(), poll_timeout(deadline));
  } while (ready < 0 && errno == EINTR);
  return ready > 0 && fds[1].revents == 0;
}

ssize_t BoundedSocket::fill() {
  if (!wait_readable(deadline_)) {
    failure_ = Failure::kTimeout;
    return -1;
  }
  const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
  if (got <= 0) {
    failure_ = Failure::kClosed;
    return got;
  }
  begin_ = 0;
  end_ = static_cast<size_t>(got);
  return got;
}

ssize_t BoundedSocket::read(char* out, size_t size) {
  if (budget_ == 0) {
    failure_ = Failure::kTooMuch;
    return -1;
  }
  if (begin_ == end_)
    if (const ssize_t got = fill(); got <= 0) return got;
  const size_t count = std::min({size, end_ - begin_, budget_});
  std::memcpy(out, buffer_.data() + begin_, count);
  begin_ += count;
  budget_ -= count;
  return static_cast<ssize_t>(count);
}

ssize_t BoundedSocket::write(const char* data, size_t size, std::chrono::milliseconds timeout) {
  const Clock::time_point latest = Clock::now() + timeout * kWriteDeadlineFactor;
  size_t done = 0;
  while (done < size) {
    const ssize_t sent = ::send(fd_, data + done, size - done, MSG_NOSIGNAL);
    if (sent > 0) {
      done += static_cast<size_t>(sent);
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    const bool full = sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (!full || !wait_writable(fd_, std::min(latest, Clock::now() + timeout))) {
      failure_ = full ? Failure::kTimeout : Failure::kClosed;
      return -1;
    }
  }
  return static_cast<ssize_t>(size);
}

void BoundedSocket::linger(std::chrono::milliseconds timeout) {
  if (::shutdown(fd_, SHUT_WR) != 0) return;
  const Clock::time_point deadline = Clock::now() + timeout;
  begin_ = end_ = 0;
  while (wait_readable(deadline) && Clock::now() < deadline)
    if (::recv(fd_, buffer_.data(), buffer_.size(), 0) <= 0) return;
}

}  // namespace loom
