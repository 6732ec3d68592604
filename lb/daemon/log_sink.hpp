// SPDX-License-Identifier: Apache-2.0
// Where the daemon's log lines go.
#pragma once

#include <string>

namespace loom {

/// Lines go to stderr: `format` text for people, json one object a line, auto: text with the
/// journal's priority prefixes when the journal listens, else plain text. `level` is the lowest
/// that is written: debug, info, warning, error.
void start_log(const std::string& level, const std::string& format);

}  // namespace loom
