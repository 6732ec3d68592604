// SPDX-License-Identifier: Apache-2.0
// What libbpf says, kept until somebody needs it for an error message.
#pragma once

#include <string>

namespace loom {

/// From now on libbpf's warnings are collected per thread instead of printed.
void capture_libbpf_log();

/// What this thread's libbpf calls said since the last call; at most the last 4 KiB.
[[nodiscard]] std::string take_libbpf_log();

}  // namespace loom
