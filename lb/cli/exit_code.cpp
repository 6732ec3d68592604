// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/exit_code.hpp"

#include <cerrno>

namespace loom::cli {

ExitCode exit_code(const Error& error) {
  switch (error.code()) {
    case EINVAL:
      return ExitCode::kUsage;
    case EHOSTUNREACH:
      return ExitCode::kUnreachable;
    case ENOENT:
      return ExitCode::kNotFound;
    case EEXIST:
    case EBUSY:
      return ExitCode::kConflict;
    case EACCES:
    case EPERM:
      return ExitCode::kPermission;
    case ETIME:
      return ExitCode::kWaitTimedOut;
    default:
      return ExitCode::kFailed;
  }
}

}  // namespace loom::cli
