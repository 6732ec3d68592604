// SPDX-License-Identifier: Apache-2.0
// The text of one value to the value, strictly. Errors: what() says what was expected, hint() what
// to write; neither repeats the text, which may be a secret.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "lb/base/result.hpp"
#include "lb/net/endpoint.hpp"
#include "lb/net/mac.hpp"

namespace loom {

/// Decimal digits, perhaps with a minus, no leading zero.
[[nodiscard]] Result<int64_t> parse_integer(std::string_view text);

/// "true" or "false".
[[nodiscard]] Result<bool> parse_boolean(std::string_view text);

/// "250ms", "30s", "5m", "1h30m": each unit at most once, largest first.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "127.0.0.1:9091" or "[::1]:9091"; the port is needed.
[[nodiscard]] Result<Endpoint> parse_listen(std::string_view text);

struct PortSpan {
  uint16_t first = 0;
  uint16_t last = 0;  ///< 0: `first` alone.
};
/// "80", "8000-8099", or "any": 0 to 65535.
[[nodiscard]] Result<PortSpan> parse_ports(std::string_view text);

/// "00:00:5e:00:01:0a"; one host's, and not all zero.
[[nodiscard]] Result<Mac> parse_mac(std::string_view text);

/// What Linux takes as the name of an interface.
[[nodiscard]] Result<void> check_interface_name(std::string_view text);

/// [a-z0-9-]{1,63}
[[nodiscard]] Result<void> check_name(std::string_view text);

/// Replaces ${VAR}, ${VAR:-default} and ${VAR:?message} by what the environment says, once: what
/// is put in is not looked at again. A "$" that no "{" follows stays.
[[nodiscard]] Result<std::string> substitute(std::string_view text);

}  // namespace loom
