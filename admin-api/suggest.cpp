// SPDX-License-Identifier: Apache-2.0
#include "admin-api/suggest.hpp"

#include <algorithm>
#include <numeric>

namespace loom {
namespace {

constexpr size_t kMaxEdits = 2;
/// Longer words are not typing errors of anything we know.
constexpr size_t kMaxWord = 64;

/// Levenshtein distance, one row at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > kMaxWord) return "";
  const std::string* best = nullptr;
  size_t best_distance = kMaxEdits + 1;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    // A word of two letters is two edits from every other one.
    if (distance < best_distance && distance < candidate.size()) {
      best = &candidate;
      best_distance = distance;
    }
  }
  return best ? "did you mean \"" + *best + "\"?" : "";
}

}  // namespace loom
