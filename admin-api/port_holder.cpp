// SPDX-License-Identifier: Apache-2.0
// Whose listening socket it is: the socket's inode from /proc/net, its owner from /proc/PID/fd.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "admin-api/listener.hpp"

namespace loom {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kListenState = "0A";

/// "0100007F" or 32 such digits: 32-bit words as the kernel has them in memory.
std::optional<IpAddr> parse_kernel_address(std::string_view hex) {
  if (hex.size() != 8 && hex.size() != 32) return std::nullopt;
  std::array<uint8_t, 16> bytes{};
  for (size_t word = 0; word < hex.size() / 8; ++word) {
    uint32_t value = 0;
    const std::string_view digits = hex.substr(word * 8, 8);
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value, 16).ec != std::errc())
      return std::nullopt;
    std::memcpy(&bytes[word * 4], &value, sizeof(value));
  }
  if (hex.size() == 32) return IpAddr(bytes);
  return IpAddr::from_v4({bytes[0], bytes[1], bytes[2], bytes[3]});
}

bool conflicts(const IpAddr& theirs, const IpAddr& ours) {
  return theirs == ours || theirs.is_unspecified() || ours.is_unspecified();
}

/// The inode in a line of /proc/net/tcp, if it is of a listening socket in the way of `wanted`.
std::optional<std::string> conflicting_inode(const std::string& line, const Endpoint& wanted) {
  std::istringstream fields(line);
  std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
  if (!(fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >>
        timeout >> inode))
    return std::nullopt;
  const size_t colon = local.find(':');
  if (state != kListenState || colon == std::string::npos) return std::nullopt;
  uint16_t port = 0;
  std::from_chars(local.data() + colon + 1, local.data() + local.size(), port, 16);
  const std::optional<IpAddr> address =
      parse_kernel_address(std::string_view(local).substr(0, colon));
  if (port != wanted.port || !address || !conflicts(*address, wanted.address)) return std::nullopt;
  return inode;
}

std::optional<std::string> find_inode(const Endpoint& wanted) {
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    while (std::getline(file, line))
      if (std::optional<std::string> inode = conflicting_inode(line, wanted)) return inode;
  }
  return std::nullopt;
}

bool has_open(const fs::path& process, const std::string& target) {
  std::error_code error;
  for (fs::directory_iterator fd(process / "fd", error), end; !error && fd != end;
       fd.increment(error)) {
    std::error_code gone;
    if (fs::read_symlink(fd->path(), gone) == target && !gone) return true;
  }
  return false;
}

bool is_process(const fs::path& path) {
  const std::string name = path.filename().string();
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<fs::path> find_process(const std::string& inode) {
  const std::string target = "socket:[" + inode + "]";
  std::error_code error;
  for (fs::directory_iterator process("/proc", error), end; !error && process != end;
       process.increment(error))
    if (is_process(process->path()) && has_open(process->path(), target)) return process->path();
  return std::nullopt;
}

}  // namespace

std::string describe_holder(const Endpoint& endpoint) {
  const std::optional<std::string> inode = find_inode(endpoint);
  if (!inode) return "held by a socket that does not listen";
  const std::optional<fs::path> process = find_process(*inode);
  if (process) {
    std::string name;
    std::ifstream comm(*process / "comm");
    std::getline(comm, name);
    return "held by " + name + " (process " + process->filename().string() + ")";
  }
  if (geteuid() != 0) return "held by a process that only root can see";
  return "held by a process of another PID namespace";
}

}  // namespace loom
