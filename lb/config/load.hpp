// SPDX-License-Identifier: Apache-2.0
// From YAML text to a Config, or to every reason why not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/config/config.hpp"

namespace loom {

enum class Severity : uint8_t { kError, kWarning, kNote };

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string code;        ///< Stable: "unknown-key", "wrong-type", "out-of-range" ...
  int line = 0;            ///< From 1; 0: the whole file.
  int column = 0;          ///< From 1.
  std::string path;        ///< "ebpf.backends[1].port"
  std::string message;     ///< One sentence, no final dot.
  std::string suggestion;  ///< "did you mean \"weight\"?"; may be empty.
};

struct LoadResult {
  Config config;                        ///< Meaningful only if ok().
  std::vector<Diagnostic> diagnostics;  ///< In file order; at most 20 errors.

  [[nodiscard]] bool ok() const;
};

/// Parses, binds and validates. Never throws; `text` may be anything.
[[nodiscard]] LoadResult load_config(std::string_view text);

/// Reads the file (at most 1 MiB), then load_config(). Errors: the file cannot be read.
[[nodiscard]] Result<LoadResult> load_config_file(const std::string& path, std::string& text);

/// "FILE:LINE:COLUMN: error: PATH: MESSAGE [CODE]", the source line, a caret, the suggestion.
[[nodiscard]] std::string format_diagnostic(const Diagnostic& diagnostic, std::string_view file,
                                            std::string_view text);

}  // namespace loom
