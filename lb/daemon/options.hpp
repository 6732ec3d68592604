// SPDX-License-Identifier: Apache-2.0
// loomd's command line.
#pragma once

#include <optional>
#include <string>

#include "lb/base/result.hpp"

namespace loom {

struct DaemonOptions {
  std::string config_file;
  bool check = false;  ///< Validate the file and leave.
  bool version = false;
  bool help = false;
  std::optional<std::string> log_level;  ///< Overrides the file.
  std::optional<std::string> log_format;
};

/// Errors: EINVAL with a sentence for the user.
Result<DaemonOptions> parse_options(int argc, const char* const* argv);

[[nodiscard]] std::string usage();

}  // namespace loom
