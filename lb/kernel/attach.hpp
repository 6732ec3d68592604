// SPDX-License-Identifier: Apache-2.0
// Attaching the XDP program by a bpf_link of our own that is pinned and so outlives the daemon.
#pragma once

#include <optional>
#include <string>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"
#include "lb/kernel/pins.hpp"
#include "lb/model/service.hpp"

namespace loom {

struct PinnedLink {
  UniqueFd fd;
  uint32_t ifindex = 0;  ///< 0: severed, the interface or its namespace is gone.
  uint32_t program_id = 0;
};

/// The link pinned for `interface`, if any.
Result<std::optional<PinnedLink>> pinned_link(const Pins& pins, const std::string& interface);

struct AttachRequest {
  std::string interface;
  uint32_t ifindex = 0;
  XdpMode mode = XdpMode::kAuto;
  int program_fd = -1;
};

/// Its ifindex.
Result<uint32_t> find_interface(const std::string& name);

/// Whether attach_xdp() could work: the interface exists and carries no foreign program. A link of
/// ours that was pinned under the interface's earlier name gets the new one.
Result<void> check_attachable_xdp(Pins& pins, const std::string& interface);

/// The program runs on the interface when this returns. A link that is there already is updated in
/// place (never detach and attach: that loses packets). kAuto tries native, then generic. Answers
/// why the mode is not the first choice; empty: it is. Errors: EBUSY, naming a foreign program.
Result<std::string> attach_xdp(const Pins& pins, const AttachRequest& request);

/// Takes the program off and removes the pin; nothing pinned is no error.
Result<void> detach_xdp(const Pins& pins, const std::string& interface);

}  // namespace loom
