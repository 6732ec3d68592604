// SPDX-License-Identifier: Apache-2.0
// The control plane's views as JSON. The shapes are the API: openapi.yaml describes them.
#pragma once

#include "admin-api/json.hpp"
#include "lb/control/control.hpp"

namespace loom {

[[nodiscard]] Json to_json(const BackendView& backend);
/// Everything but the backends.
[[nodiscard]] Json to_json(const ServiceView& service);
[[nodiscard]] Json to_json(const ProgramInfo& program);
[[nodiscard]] Json to_json(const InterfaceView& interface);
[[nodiscard]] Json to_json(const MapFill& map);
/// Every member of Count.
[[nodiscard]] Json to_json(const Count& count);

/// "" is null: no text is different from an empty one only to machines.
[[nodiscard]] Json text_or_null(const std::string& text);

}  // namespace loom
