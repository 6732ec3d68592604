// SPDX-License-Identifier: Apache-2.0
// The parts the field table is joined from; for fields.cpp only.
#pragma once

#include <span>

#include "lb/config/fields.hpp"

namespace loom {

[[nodiscard]] std::span<const Field> fields_page();
[[nodiscard]] std::span<const Field> fields_services();
[[nodiscard]] std::span<const Field> fields_daemon();

}  // namespace loom
