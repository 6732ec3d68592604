// SPDX-License-Identifier: Apache-2.0
// /metrics: every metric family, in Prometheus' text format, read anew at each scrape.
#pragma once

#include <string>

#include "admin-api/routes.hpp"

namespace loom {

/// Fails if the datapath cannot be read: a failed scrape is seen, half of one is not.
[[nodiscard]] Result<std::string> metrics_text(const ApiContext& api);

}  // namespace loom
