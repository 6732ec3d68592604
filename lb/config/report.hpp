// SPDX-License-Identifier: Apache-2.0
// Collects what is wrong with a file, so that one run reports all of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lb/config/load.hpp"
#include "lb/config/node.hpp"

namespace loom {

class Report {
 public:
  void error(const Place& place, std::string_view code, std::string message,
             std::string suggestion = {});
  void warning(const Place& place, std::string_view code, std::string message,
               std::string suggestion = {});
  void note(const Place& place, std::string_view code, std::string message);

  [[nodiscard]] bool has_errors() const { return errors_ > 0; }
  /// So much is wrong that looking for more would only cost time.
  [[nodiscard]] bool full() const;
  /// In file order, cut to what a human reads.
  [[nodiscard]] std::vector<Diagnostic> finish() &&;

 private:
  void add(Severity severity, const Place& place, Diagnostic diagnostic);

  std::vector<Diagnostic> diagnostics_;
  size_t errors_ = 0;
  size_t others_ = 0;
};

/// In double quotes, control characters replaced, long text cut: safe to print.
[[nodiscard]] std::string quoted(std::string_view text);

/// "did you mean \"weight\"?" if one of `known` is within an edit distance of 2; else empty.
[[nodiscard]] std::string did_you_mean(std::string_view text,
                                       const std::vector<std::string_view>& known);

}  // namespace loom
