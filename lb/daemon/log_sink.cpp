// SPDX-License-Identifier: Apache-2.0
#include "lb/daemon/log_sink.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

#include "lb/base/log.hpp"

namespace loom {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// A JSON string's inside.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else
      out += c;
  }
  return out;
}

/// sd-daemon(3): "<4>" before a line gives it a priority in the journal.
const char* journal_prefix(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "<7>";
    case LogLevel::kInfo:
      return "<6>";
    case LogLevel::kWarning:
      return "<4>";
    case LogLevel::kError:
      return "<3>";
  }
  return "<6>";
}

}  // namespace

void start_log(const std::string& level, const std::string& format) {
  auto logger = spdlog::stderr_color_mt("loomd");
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::debug);

  const bool json = format == "json";
  const bool journal = format == "auto" && std::getenv("JOURNAL_STREAM") != nullptr;
  if (json)
    logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%v"})");
  else if (journal)
    logger->set_pattern("%v");
  else
    logger->set_pattern("%H:%M:%S.%e %^%-7l%$ %v");

  set_log_sink([logger, json, journal](LogLevel line_level, std::string_view line) {
    const std::string text =
        json ? escaped(line) : (journal ? journal_prefix(line_level) : "") + std::string(line);
    logger->log(level_of(line_level), text);
  });
}

}  // namespace loom
