// SPDX-License-Identifier: Apache-2.0
#include "admin-api/process_stats.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace loom {
namespace {

/// In /proc/self/stat field 22 is the start time; what follows the name begins with field 3.
constexpr int kFieldsBeforeStart = 19;

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

uint64_t count_open_fds() {
  uint64_t count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
       !error && entry != end; entry.increment(error))
    ++count;
  return count > 0 ? count - 1 : 0;  // one of them was the directory
}

double boot_time_seconds() {
  std::ifstream stat("/proc/stat");
  std::string word;
  double value = 0;
  while (stat >> word)
    if (word == "btime" && stat >> value) return value;
  return 0;
}

double start_time_seconds() {
  std::ifstream stat("/proc/self/stat");
  std::string line;
  std::getline(stat, line);
  // The command's name is in parentheses and may contain anything.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < kFieldsBeforeStart; ++i) fields >> skipped;
  double ticks = 0;
  const double boot = boot_time_seconds();
  if (!(fields >> ticks) || boot == 0) return 0;
  return boot + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

ProcessStats read_process_stats() {
  static const double start_time = start_time_seconds();
  ProcessStats stats{.start_time_seconds = start_time};

  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0)
    stats.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) stats.max_fds = limit.rlim_cur;

  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::ifstream statm("/proc/self/statm");
  uint64_t virtual_pages = 0;
  uint64_t resident_pages = 0;
  if (statm >> virtual_pages >> resident_pages) {
    stats.virtual_bytes = virtual_pages * page;
    stats.resident_bytes = resident_pages * page;
  }
  stats.open_fds = count_open_fds();
  return stats;
}

}  // namespace loom
