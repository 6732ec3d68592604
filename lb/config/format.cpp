// SPDX-License-Identifier: Apache-2.0
// A diagnostic as a compiler prints it, with the source line and a caret.
#include <algorithm>

#include "lb/config/load.hpp"

namespace loom {
namespace {

constexpr size_t kContext = 100;  // Bytes shown on each side of the column.

std::string_view word_for(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kNote:
      break;
  }
  return "note";
}

std::string_view line_at(std::string_view text, int number) {
  for (int i = 1; i < number; ++i) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  std::string_view line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

/// The source line around the column, and a caret below it.
std::string excerpt(std::string_view line, size_t column) {
  size_t start = column > kContext ? column - kContext : 0;
  while (start > 0 && start < line.size() && is_continuation(line[start])) --start;
  size_t end = std::min(line.size(), column + kContext);
  while (end < line.size() && is_continuation(line[end])) ++end;
  std::string shown = start > 0 ? "..." : "";
  std::string caret(shown.size(), ' ');
  for (size_t i = start; i < end; ++i) {
    const auto byte = static_cast<unsigned char>(line[i]);
    // The line may be why the file was refused: print nothing a terminal would act on.
    shown += (byte < 0x20 && byte != '\t') || byte == 0x7f ? '?' : line[i];
    if (i < column && !is_continuation(line[i])) caret += line[i] == '\t' ? '\t' : ' ';
  }
  if (end < line.size()) shown += "...";
  return "  " + shown + "\n  " + caret + "^\n";
}

}  // namespace

std::string format_diagnostic(const Diagnostic& diagnostic, std::string_view file,
                              std::string_view text) {
  std::string out(file);
  if (diagnostic.line > 0)
    out += ":" + std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column);
  out += ": " + std::string(word_for(diagnostic.severity)) + ": ";
  if (!diagnostic.path.empty()) out += diagnostic.path + ": ";
  out += diagnostic.message + " [" + diagnostic.code + "]\n";
  if (diagnostic.line > 0) {
    const std::string_view line = line_at(text, diagnostic.line);
    const size_t column = diagnostic.column > 0 ? static_cast<size_t>(diagnostic.column) - 1 : 0;
    if (!line.empty()) out += excerpt(line, std::min(column, line.size()));
  }
  if (!diagnostic.suggestion.empty()) out += "  " + diagnostic.suggestion + "\n";
  return out;
}

}  // namespace loom
