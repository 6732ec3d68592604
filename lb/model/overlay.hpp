// SPDX-License-Identifier: Apache-2.0
// Overlay: what was changed through the API, kept apart from what the file says.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "lb/base/result.hpp"
#include "lb/model/service.hpp"

namespace loom {

/// One backend of one service as the API left it.
struct OverlayBackend {
  bool removed = false;              ///< A tombstone: the file's backend is not served.
  std::optional<BackendSpec> added;  ///< Not in the file, or removed from it before.
  std::optional<uint32_t> weight;    ///< Replaces the file's.
  std::optional<AdminState> state;
  std::optional<std::string> name;

  bool operator==(const OverlayBackend&) const = default;
};

struct Overlay {
  std::map<std::string, std::map<Endpoint, OverlayBackend>> services;

  /// The file's spec with every change applied. Changes to services or backends that the file no
  /// longer has are without effect.
  [[nodiscard]] Spec apply(Spec file) const;
  [[nodiscard]] size_t objects() const;
  [[nodiscard]] bool touches(const std::string& service, const Endpoint& endpoint) const;
};

/// Brings a backend that a user wrote into the form the service keeps: under DSR packets arrive
/// unchanged, so its port must be absent or equal every port of the service (rule 34), and is
/// stored as 0. Errors: EINVAL with a sentence for the user.
Result<void> normalize_backend(const ServiceSpec& service, BackendSpec& backend);

}  // namespace loom
