// SPDX-License-Identifier: Apache-2.0
// Flows of Tracking::kAtRisk services that the ring alone would send elsewhere.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/kernel/datapath.hpp"
#include "loom/abi.h"

namespace loom {

/// One sweep's findings.
class Exceptions {
 public:
  static Result<Exceptions> read(const Datapath& datapath);

  /// A live flow, as the client sends it; `service` is its backend's.
  void see(const loom_flow& key, uint32_t backend, uint32_t service);
  [[nodiscard]] std::map<std::string, std::set<uint32_t>> take() { return std::move(slots_); }

 private:
  struct Service {
    std::string name;
    bool by_source = false;
    std::optional<std::vector<uint32_t>> ring;  ///< Read when the first flow asks for it.
  };

  explicit Exceptions(const Datapath& datapath) : datapath_(&datapath) {}

  const Datapath* datapath_;
  std::map<uint32_t, Service> services_;  ///< By id.
  std::map<std::string, std::set<uint32_t>> slots_;
};

}  // namespace loom
