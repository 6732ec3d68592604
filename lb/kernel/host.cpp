// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/host.hpp"

#include <cerrno>
#include <ctime>
#include <fstream>
#include <string>

namespace loom {

Result<uint32_t> kernel_hz() {
  timespec resolution{};
  // The coarse clocks advance once a tick, and say so.
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) < 0)
    return Error(errno, "read the kernel's tick");
  constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
  const int64_t tick = resolution.tv_sec * kNanosecondsPerSecond + resolution.tv_nsec;
  if (tick <= 0 || tick > kNanosecondsPerSecond)
    return Error(ERANGE, "the kernel's tick is " + std::to_string(tick) + " ns");
  return static_cast<uint32_t>((kNanosecondsPerSecond + tick / 2) / tick);
}

Result<std::pair<uint16_t, uint16_t>> local_port_range() {
  constexpr char kPath[] = "/proc/sys/net/ipv4/ip_local_port_range";
  std::ifstream file(kPath);
  if (!file) return Error(errno, std::string("open ") + kPath);
  uint16_t first = 0;
  uint16_t last = 0;
  if (!(file >> first >> last) || first > last)
    return Error(EINVAL, std::string(kPath) + " is not a range of ports");
  return std::pair{first, last};
}

}  // namespace loom
