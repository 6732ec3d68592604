// SPDX-License-Identifier: Apache-2.0
// Logging as the library folders see it: a level and a line. The daemon decides where lines go.
#pragma once

#include <functional>
#include <string_view>

namespace loom {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogSink = std::function<void(LogLevel, std::string_view line)>;

/// Before the first call, lines are dropped. Call once, before threads start.
void set_log_sink(LogSink sink);

/// Thread-safe if the sink is.
void log(LogLevel level, std::string_view line);

inline void log_debug(std::string_view line) {
  log(LogLevel::kDebug, line);
}
inline void log_info(std::string_view line) {
  log(LogLevel::kInfo, line);
}
inline void log_warning(std::string_view line) {
  log(LogLevel::kWarning, line);
}
inline void log_error(std::string_view line) {
  log(LogLevel::kError, line);
}

}  // namespace loom
