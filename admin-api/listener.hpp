// SPDX-License-Identifier: Apache-2.0
// Listening TCP sockets: opened, or handed over by who started us.
#pragma once

#include <string>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"
#include "lb/net/endpoint.hpp"

namespace loom {

/// Port 0: the kernel chooses. EADDRINUSE names who has the port.
[[nodiscard]] Result<UniqueFd> open_listener(const Endpoint& endpoint);

/// Checks that `fd` is a listening stream socket and makes it ready for accept_connection().
[[nodiscard]] Result<UniqueFd> adopt_listener(UniqueFd fd);

/// Of a Unix socket: "::" without a port.
[[nodiscard]] Endpoint local_endpoint(const UniqueFd& socket);

/// "127.0.0.1:50000"; for a Unix socket "the admin socket".
[[nodiscard]] std::string peer_name(const UniqueFd& connection);

/// Which process listens there, as a phrase: "held by nginx (process 4711)".
[[nodiscard]] std::string describe_holder(const Endpoint& endpoint);

}  // namespace loom
