// SPDX-License-Identifier: Apache-2.0
// What is running: set once by the daemon.
#pragma once

#include <string>

namespace loom {

struct BuildInfo {
  std::string version;   ///< "0.1.0"
  std::string revision;  ///< Of git; empty: unknown.
  std::string compiler;  ///< "g++ 12.2.0"
  std::string kernel;    ///< Of the running host: "6.1.0-18-amd64".
};

}  // namespace loom
