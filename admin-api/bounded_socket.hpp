// SPDX-License-Identifier: Apache-2.0
// A non-blocking socket read and written with a deadline and a budget of bytes.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>

#include "lb/base/unique_fd.hpp"

namespace loom {

class BoundedSocket {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Failure { kNone, kClosed, kTimeout, kTooMuch };

  /// Neither fd is owned. Reads stop when `wake_fd` becomes readable.
  BoundedSocket(int fd, int wake_fd) : fd_(fd), wake_fd_(wake_fd) {}

  /// What may be read from now on, and until when.
  void allow(size_t bytes, Clock::time_point deadline);
  /// For what is read next, without more time.
  void allow(size_t bytes) { budget_ = bytes; }

  /// Bytes read; 0: the other side has closed; -1: see failure().
  ssize_t read(char* out, size_t size);
  /// All of it, or -1. Waits at most `timeout` for each piece, and four times that in all.
  ssize_t write(const char* data, size_t size, std::chrono::milliseconds timeout);
  /// True: read() has something, or the end, at once.
  [[nodiscard]] bool wait_readable(Clock::time_point deadline) const;

  /// Says goodbye and reads what is still coming: closing with unread bytes resets the connection,
  /// and the answer may be lost with it (RFC 9112 9.6).
  void linger(std::chrono::milliseconds timeout);

  [[nodiscard]] Failure failure() const { return failure_; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  ssize_t fill();

  const int fd_;
  const int wake_fd_;
  std::array<char, 8192> buffer_{};
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t budget_ = 0;
  Clock::time_point deadline_;
  Failure failure_ = Failure::kNone;
};

}  // namespace loom
