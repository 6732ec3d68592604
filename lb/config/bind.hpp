// SPDX-License-Identifier: Apache-2.0
// From a checked document to a Config, remembering where each part of a service was written.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "lb/config/config.hpp"
#include "lb/config/node.hpp"
#include "lb/config/report.hpp"
#include "lb/net/prefix.hpp"

namespace loom {

/// Where a ServiceSpec comes from; the lists run parallel to its own.
struct ServicePlaces {
  Place self;
  std::vector<Place> vips;
  std::vector<Place> ports;
  std::vector<Place> backends;
  std::optional<Place> tracking;  ///< If the service says itself.
  /// What service.source_pool is made of.
  std::vector<std::pair<Prefix, Place>> source_pool;
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
