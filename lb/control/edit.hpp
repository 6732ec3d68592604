// SPDX-License-Identifier: Apache-2.0
// What a change through the API does to the overlay. Pure: the controller makes it true.
#pragma once

#include <string>

#include "lb/base/result.hpp"
#include "lb/control/control.hpp"
#include "lb/model/overlay.hpp"

namespace loom {

struct EditContext {
  const Spec& file;        ///< As loaded.
  const Overlay& overlay;  ///< In force.
  const Snapshot& now;
  uint32_t max_backends = kMaxBackends;  ///< Over all services.
};

/// The overlay to be, and whom it is about.
struct Edit {
  Overlay overlay;
  std::string service;
  Endpoint endpoint;
};

/// Errors: see Control. The new backend has no API id yet: entry().added->api_id is the caller's.
Result<Edit> edit_add(const EditContext& context, const NewBackend& request);
Result<Edit> edit_patch(const EditContext& context, uint32_t api_id, const BackendPatch& patch);
Result<Edit> edit_remove(const EditContext& context, uint32_t api_id);

}  // namespace loom
