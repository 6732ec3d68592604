// SPDX-License-Identifier: Apache-2.0
// The services of a document, among them the implicit `default`.
#pragma once

#include "lb/config/bind.hpp"
#include "lb/config/reader.hpp"

namespace loom {

/// Appends to out.config.spec.services and out.places. Warns of settings that have no effect with
/// the forwarding chosen.
void bind_services(const Reader& root, Bound& out, Report& report);

}  // namespace loom
