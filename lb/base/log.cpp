// SPDX-License-Identifier: Apache-2.0
#include "lb/base/log.hpp"

#include <utility>

namespace loom {
namespace {

LogSink& sink() {
  static LogSink instance;
  return instance;
}

}  // namespace

void set_log_sink(LogSink new_sink) {
  sink() = std::move(new_sink);
}

void log(LogLevel level, std::string_view line) {
  if (sink()) sink()(level, line);
}

}  // namespace loom
