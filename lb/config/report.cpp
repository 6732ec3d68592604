// SPDX-License-Identifier: Apache-2.0
#include "lb/config/report.hpp"

#include <algorithm>
#include <numeric>

namespace loom {
namespace {

constexpr size_t kMaxErrors = 20;
constexpr size_t kMaxOthers = 100;
/// Kept until sorted: the walk is nearly in file order, so the first ones are among these.
constexpr size_t kMaxKept = 1000;
constexpr size_t kMaxQuoted = 64;
constexpr size_t kMaxPath = 256;
constexpr size_t kMaxDistance = 2;

/// Keys come from the file too, with whatever their quotes and escapes made of them.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

Diagnostic omitted(size_t count, std::string_view what) {
  return {.severity = Severity::kNote,
          .code = what == "errors" ? "too-many-errors" : "too-many-warnings",
          .message = "too many " + std::string(what) + ": " + std::to_string(count) +
                     " more are not shown"};
}

}  // namespace

void Report::error(const Place& place, std::string_view code, std::string message,
                   std::string suggestion) {
  add(Severity::kError, place,
      {.code = std::string(code),
       .message = std::move(message),
       .suggestion = std::move(suggestion)});
}

void Report::warning(const Place& place, std::string_view code, std::string message,
                     std::string suggestion) {
  add(Severity::kWarning, place,
      {.code = std::string(code),
       .message = std::move(message),
       .suggestion = std::move(suggestion)});
}

void Report::note(const Place& place, std::string_view code, std::string message) {
  add(Severity::kNote, place, {.code = std::string(code), .message = std::move(message)});
}

void Report::add(Severity severity, const Place& place, Diagnostic diagnostic) {
  size_t& count = severity == Severity::kError ? errors_ : others_;
  if (++count > kMaxKept) return;
  diagnostic.severity = severity;
  diagnostic.line = place.line;
  diagnostic.column = place.column;
  diagnostic.path = printable(place.path.substr(0, kMaxPath));
  diagnostics_.push_back(std::move(diagnostic));
}

bool Report::full() const {
  return errors_ >= kMaxKept;
}

std::vector<Diagnostic> Report::finish() && {
  std::stable_sort(diagnostics_.begin(), diagnostics_.end(),
                   [](const Diagnostic& a, const Diagnostic& b) {
                     return std::pair(a.line, a.column) < std::pair(b.line, b.column);
                   });
  std::vector<Diagnostic> out;
  size_t errors = 0;
  size_t others = 0;
  for (Diagnostic& diagnostic : diagnostics_) {
    const bool is_error = diagnostic.severity == Severity::kError;
    if (is_error ? ++errors <= kMaxErrors : ++others <= kMaxOthers)
      out.push_back(std::move(diagnostic));
  }
  if (errors_ > kMaxErrors) out.push_back(omitted(errors_ - kMaxErrors, "errors"));
  if (others_ > kMaxOthers) out.push_back(omitted(others_ - kMaxOthers, "warnings"));
  return out;
}

std::string quoted(std::string_view text) {
  std::string out = "\"" + printable(std::string(text.substr(0, kMaxQuoted)));
  // A cut inside a UTF-8 sequence would leave half a character.
  if (text.size() > kMaxQuoted) {
    while (out.size() > 1 && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80)
      out.pop_back();
    if (static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
    out += "...";
  }
  return out + "\"";
}

std::string did_you_mean(std::string_view text, const std::vector<std::string_view>& known) {
  std::string_view best;
  size_t best_distance = kMaxDistance + 1;
  for (const std::string_view candidate : known) {
    const size_t longer = std::max(text.size(), candidate.size());
    const size_t shorter = std::min(text.size(), candidate.size());
    if (longer - shorter > kMaxDistance) continue;
    const size_t distance = edit_distance(text, candidate);
    // Two edits turn any word of two letters into any other.
    if (distance < best_distance && distance < longer) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best.empty() ? "" : "did you mean \"" + std::string(best) + "\"?";
}

}  // namespace loom
