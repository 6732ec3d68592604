// SPDX-License-Identifier: Apache-2.0
// A TCP connection that carries blocks: header with length, hash and sender, then random payload.
// Non-blocking; what cannot be written now waits in the buffer.
#pragma once

#include <array>
#include <optional>

#include "common.hpp"

namespace loom::tools {

struct BlockHeader {
  uint64_t hash = 0;
  uint32_t length = 0;
  std::array<char, 20> sender{};  // zero-terminated
};
static_assert(sizeof(BlockHeader) == 32);

constexpr uint32_t kMaxBlock = 16'384;

enum class BlockState : uint8_t { kComplete, kIncomplete, kDamaged };

class Stream {
 public:
  explicit Stream(int fd) : fd_(fd) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { close(fd_); }

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool has_output() const { return sent_ < out_.size(); }

  void queue_block(std::string_view sender, const Bytes& payload) {
    BlockHeader header;
    header.hash = fnv64(payload);
    header.length = static_cast<uint32_t>(payload.size());
    sender.copy(header.sender.data(), header.sender.size() - 1);
    const auto* raw = reinterpret_cast<const uint8_t*>(&header);
    out_.insert(out_.end(), raw, raw + sizeof(header));
    out_.insert(out_.end(), payload.begin(), payload.end());
  }

  /// false: the connection is broken.
  [[nodiscard]] bool flush() {
    while (has_output()) {
      const ssize_t n = send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      sent_ += static_cast<size_t>(n);
    }
    out_.clear();
    sent_ = 0;
    return true;
  }

  /// false: the connection is broken or was closed by the other side.
  [[nodiscard]] bool receive() {
    std::array<uint8_t, 32'768> buffer;
    for (;;) {
      const ssize_t n = recv(fd_, buffer.data(), buffer.size(), 0);
      if (n == 0) return false;
      if (n < 0) return errno == EAGAIN || errno == EINTR;
      in_.insert(in_.end(), buffer.begin(), buffer.begin() + n);
    }
  }

  /// kComplete: `sender` and `size` are those of the block, which is taken.
  [[nodiscard]] BlockState take_block(std::string& sender, size_t& size) {
    BlockHeader header;
    if (in_.size() < sizeof(header)) return BlockState::kIncomplete;
    std::memcpy(&header, in_.data(), sizeof(header));
    if (header.length > kMaxBlock) return BlockState::kDamaged;
    size = sizeof(header) + header.length;
    if (in_.size() < size) return BlockState::kIncomplete;
    if (fnv64(std::span(in_).subspan(sizeof(header), header.length)) != header.hash)
      return BlockState::kDamaged;
    header.sender.back() = '\0';
    sender = header.sender.data();
    in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(size));
    return BlockState::kComplete;
  }

 private:
  int fd_;
  Bytes in_;
  Bytes out_;
  size_t sent_ = 0;
};

}  // namespace loom::tools
