// SPDX-License-Identifier: Apache-2.0
// What readers see of services and backends, from what was declared and what is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lb/control/control.hpp"
#include "lb/control/dataplane.hpp"
#include "lb/model/desired.hpp"
#include "lb/model/overlay.hpp"

namespace loom {

struct ViewInput {
  const Spec& spec;  ///< With the overlay applied.
  const Links& links;
  const Desired& want;
  const HealthMap& health;
  const Overlay& overlay;
};

class ViewBuilder {
 public:
  ViewBuilder(Dataplane& dataplane, uint32_t ring_size)
      : dataplane_(dataplane), ring_size_(ring_size) {}

  /// By name. Reads the published rings that changed since the last call.
  std::vector<ServiceView> services(const ViewInput& input);

 private:
  ServiceView view(const ServiceSpec& service, const ViewInput& input);
  BackendView view(const ServiceSpec& service, const BackendSpec& spec, const ViewInput& input);
  double slot_ratio(const std::string& service, const ServiceState& state, uint32_t id);

  struct Slots {
    uint64_t digest = 0;
    std::map<uint32_t, uint32_t> by_id;
  };

  Dataplane& dataplane_;
  uint32_t ring_size_;
  std::map<std::string, Slots> slots_;  ///< By datapath service.
};

}  // namespace loom
