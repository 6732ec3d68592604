// SPDX-License-Identifier: Apache-2.0
// Request bodies to the control plane's types, with every error of a body in one answer.
#pragma once

#include <string_view>

#include "admin-api/problem.hpp"
#include "lb/control/control.hpp"

namespace loom {

/// The body of POST /ebpf/backends.
[[nodiscard]] OrProblem<NewBackend> parse_new_backend(std::string_view body);

/// The body of PATCH /ebpf/backends/{id}, by RFC 7396: null sets the default again.
[[nodiscard]] OrProblem<BackendPatch> parse_backend_patch(std::string_view body);

}  // namespace loom
