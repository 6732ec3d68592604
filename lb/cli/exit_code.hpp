// SPDX-License-Identifier: Apache-2.0
// Exit codes of `loom`: scripts depend on them, so they never change.
#pragma once

#include "lb/base/result.hpp"

namespace loom::cli {

enum class ExitCode {
  kOk = 0,
  kFailed = 1,  ///< Also: not ready, unhealthy.
  kUsage = 2,
  kConfigInvalid = 3,
  kConfigWarnings = 4,  ///< Only under --strict.
  kUnreachable = 5,
  kNotFound = 6,
  kConflict = 7,
  kPermission = 8,
  kWaitTimedOut = 9,
};

/// EHOSTUNREACH stands for every way of not reaching the daemon, ETIME for a --wait that ran out.
[[nodiscard]] ExitCode exit_code(const Error& error);

}  // namespace loom::cli
