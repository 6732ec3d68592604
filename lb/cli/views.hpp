// SPDX-License-Identifier: Apache-2.0
// The API's objects as people read them: used by several commands.
#pragma once

#include <map>
#include <string>

#include "lb/cli/json.hpp"
#include "lb/cli/table.hpp"

namespace loom::cli {

/// "10.0.0.1:80", "[2001:db8::1]:80"; without a port where it is 0.
[[nodiscard]] std::string endpoint_text(const std::string& address, const std::string& port);
[[nodiscard]] std::string backend_address(const Json& backend);
/// "up", "drain", "down", "maint" in its colour.
[[nodiscard]] Cell status_cell(const Json& backend);
/// "80/tcp 443/tcp"
[[nodiscard]] std::string ports_text(const Json& service);
[[nodiscard]] std::string addresses_text(const Json& service);

enum class Detail { kBasic, kWide };
/// A column PROBLEM appears when there is one. `traffic` (kWide only) is a backend_stats document.
[[nodiscard]] Table backend_table(const Json& backends, Detail detail, const Json& traffic);
[[nodiscard]] Table map_table(const Json& maps);

struct BackendTally {
  size_t total = 0;
  std::map<std::string, size_t> by_status;
};
/// Of one service, or of all for an empty name.
[[nodiscard]] BackendTally tally(const Json& backends, const std::string& service);
/// "5 of 6 up, 1 drain"
[[nodiscard]] std::string tally_text(const BackendTally& tally);

}  // namespace loom::cli
