// SPDX-License-Identifier: Apache-2.0
// Keeps the overlay in a file, so that changes through the API survive a restart.
#pragma once

#include <string>

#include "lb/base/result.hpp"
#include "lb/model/overlay.hpp"

namespace loom {

/// A missing file is an empty overlay. Errors: the file cannot be read or is not one of ours.
Result<Overlay> load_overlay(const std::string& path);

/// On disk when it returns, and never torn: written aside, synced, renamed. Makes the directory.
Result<void> save_overlay(const std::string& path, const Overlay& overlay);

}  // namespace loom
