// SPDX-License-Identifier: Apache-2.0
// Attaching the TC program: a clsact filter of our own name, known again by the pin of its program.
// A filter outlives the daemon by itself.
#pragma once

#include <optional>
#include <string>

#include "lb/base/result.hpp"
#include "lb/kernel/attach.hpp"
#include "lb/kernel/pins.hpp"

namespace loom {

/// The filter we attached to `interface`, if it is there and still runs a program of ours.
struct TcFilter {
  uint32_t ifindex = 0;
  uint32_t program_id = 0;
};
Result<std::optional<TcFilter>> tc_filter(const Pins& pins, const std::string& interface);

/// Whether attach_tc() could work: no other filter has our place. A filter of ours that was pinned
/// under the interface's earlier name gets the new one.
Result<void> check_attachable_tc(const Pins& pins, const std::string& interface);

/// The program runs on the interface when this returns; one that is there already is replaced in
/// one step. Other filters are left alone: they see what ours passes. Errors: EBUSY, when another
/// program has our place.
Result<void> attach_tc(const Pins& pins, const AttachRequest& request);

/// Takes the filter off and removes the pin; nothing pinned is no error.
Result<void> detach_tc(const Pins& pins, const std::string& interface);

}  // namespace loom
