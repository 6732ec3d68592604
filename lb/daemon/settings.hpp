// SPDX-License-Identifier: Apache-2.0
// From the configuration to what the dataplane and the controller are started with.
#pragma once

#include <string>

#include "lb/base/result.hpp"
#include "lb/config/config.hpp"
#include "lb/control/controller.hpp"
#include "lb/kernel/bpf_dataplane.hpp"

namespace loom {

/// Looks at the host for the tick rate and the port range. Errors: the host's own port range leaves
/// no room for NAT ports.
Result<DataplaneOptions> dataplane_options(const Config& config);

ControllerOptions controller_options(const Config& config, const std::string& file, bool adopted);

[[nodiscard]] std::string_view to_string(Datapath::Origin origin);

}  // namespace loom
