// SPDX-License-Identifier: Apache-2.0
// Loading loom_tc over the maps of loom_xdp.
#pragma once

#include <string_view>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"
#include "lb/kernel/datapath.hpp"
#include "loom/abi.h"

namespace loom {

struct TcProgram {
  UniqueFd program;
  UniqueFd later_programs;  ///< The array of those that it calls.
};

/// What is loaded: another code is another program.
std::string_view tc_program_code();

/// `maps` and `config` are those of loom_xdp.
Result<TcProgram> load_tc_program(const MapSet& maps, const loom_config& config);

}  // namespace loom
