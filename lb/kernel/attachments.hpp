// SPDX-License-Identifier: Apache-2.0
// Where the datapath runs: XDP or TC on each interface, and what the programs must know of it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "lb/base/result.hpp"
#include "lb/kernel/datapath.hpp"
#include "lb/model/plan.hpp"

namespace loom {

/// As an interface is found to be. Where nothing runs any more the ifindex is 0.
struct Attached {
  uint32_t ifindex = 0;
  XdpMode mode = XdpMode::kNative;  ///< Never kAuto.
  uint32_t program_id = 0;
  bool tc_beside = false;  ///< With XDP: takes what XDP hands up.
  bool current = false;    ///< Every program is of this datapath.
};

/// By interface: those with pins.
Result<std::map<std::string, Attached>> attached_interfaces(const Datapath& datapath);

/// Whether attach_interface() could work. What is ours under an earlier name of the interface gets
/// the new one.
Result<void> check_attachable(Pins& pins, const std::string& interface, XdpMode mode);

/// The datapath runs on the interface when this returns, and runs all the time if it did before.
/// kAuto tries native, generic and TC in this order. Answers why it is not the first choice; empty:
/// it is.
Result<std::string> attach_interface(const Datapath& datapath, const Attach& step);

Result<void> detach_interface(const Datapath& datapath, const Detach& step);

}  // namespace loom
