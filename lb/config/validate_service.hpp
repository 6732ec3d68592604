// SPDX-License-Identifier: Apache-2.0
// Whether VIPs, ports, forwarding and backends of one service fit together.
#pragma once

#include "lb/config/bind.hpp"
#include "lb/config/report.hpp"

namespace loom {

void validate_service(ServiceSpec& service, const ServicePlaces& places, Report& report);

}  // namespace loom
