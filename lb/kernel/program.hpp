// SPDX-License-Identifier: Apache-2.0
// A loaded BPF program, and what the kernel says of it.
#pragma once

#include <cstdint>
#include <string>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"

namespace loom {

struct Program {
  UniqueFd fd;
  uint32_t id = 0;
  std::string tag;  ///< Hex, as bpftool prints it.
};

/// Fills in what the kernel knows of program.fd.
Result<void> describe(Program& program);

/// `log`: what libbpf said meanwhile.
Error load_error(int code, std::string log);

}  // namespace loom
