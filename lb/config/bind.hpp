// SPDX-License-Identifier: Apache-2.0
// From a checked document to a Config, remembering where each part of a service was written.
#pragma once

#include <optional>
#include <vector>

#include "lb/config/config.hpp"
#include "lb/config/node.hpp"
#include "lb/config/report.hpp"

namespace loom {

/// Where a ServiceSpec comes from; the lists run parallel to its own.
struct ServicePlaces {
  Place self;
  std::vector<Place> vips;
  std::vector<Place> ports;
  std::vector<Place> backends;
  /// Nothing was left out because of an error: what is missing is missing in the file too.
  bool complete = true;
};

struct Bound {
  Config config;
  std::vector<ServicePlaces> places;  ///< Parallel to config.spec.services.
};

/// `root` as check() left it; what is not valid is left out. Reports contradictions between keys
/// that mean the same.
[[nodiscard]] Bound bind(const ConfigNode& root, Report& report);

}  // namespace loom
