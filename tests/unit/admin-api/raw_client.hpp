// SPDX-License-Identifier: Apache-2.0
// A client that sends exactly the bytes it is told, and curl.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "lb/base/unique_fd.hpp"

namespace loom {

class RawClient {
 public:
  explicit RawClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  }

  /// False: the server has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  /// Up to the server's close.
  std::string read_all() {
    std::string out;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0)) > 0;)
      out.append(buffer.data(), static_cast<size_t>(got));
    return out;
  }
  std::string ask(std::string_view bytes) {
    send(bytes);
    return read_all();
  }

 private:
  UniqueFd fd_;
};

/// What the command prints.
inline std::string run(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  EXPECT_TRUE(pipe);
  std::string out;
  std::array<char, 4096> buffer{};
  for (size_t got = 0; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    out.append(buffer.data(), got);
  EXPECT_EQ(pclose(pipe), 0) << command << out;
  return out;
}

inline bool have_curl() {
  return std::system("command -v curl >/dev/null") == 0;
}

}  // namespace loom
