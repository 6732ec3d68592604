// SPDX-License-Identifier: Apache-2.0
// Which backend a client means by "3" or "10.0.1.10:8080".
#pragma once

#include <string_view>

#include "admin-api/problem.hpp"
#include "lb/control/control.hpp"

namespace loom {

/// Numbers are API ids; anything else is address:port, which several services may have: 409 then.
/// The pointer is into `snapshot`.
[[nodiscard]] OrProblem<const BackendView*> find_backend(const Snapshot& snapshot,
                                                         std::string_view id);

/// All backends, in the order of their API ids.
[[nodiscard]] std::vector<const BackendView*> backends_by_id(const Snapshot& snapshot);

/// "/ebpf/backends/3".
[[nodiscard]] std::string backend_path(uint32_t api_id);

}  // namespace loom
