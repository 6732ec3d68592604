// SPDX-License-Identifier: Apache-2.0
#include "lb/control/control.hpp"

namespace loom {

std::string_view to_string(Source value) {
  return value == Source::kApi ? "api" : "file";
}

std::string_view to_string(FlowState value) {
  switch (value) {
    case FlowState::kSynSent:
      return "syn_sent";
    case FlowState::kSynRecv:
      return "syn_recv";
    case FlowState::kEstablished:
      return "established";
    case FlowState::kFinWait:
      return "fin_wait";
    case FlowState::kTimeWait:
      return "time_wait";
    case FlowState::kUdp:
      return "udp";
  }
  return "invalid";
}

Count& Count::operator+=(const Count& other) {
  packets += other.packets;
  rx_bytes += other.rx_bytes;
  tx_bytes += other.tx_bytes;
  flows += other.flows;
  return *this;
}

std::vector<std::string> Snapshot::not_ready() const {
  std::vector<std::string> reasons;
  if (!last_reconcile_ok)
    reasons.push_back(last_error.empty() ? "the first reconcile has not finished" : last_error);
  for (const InterfaceView& interface : interfaces)
    if (!interface.attached)
      reasons.push_back(interface.name + ": " +
                        (interface.problem.empty() ? "not attached" : interface.problem));
  return reasons;
}

const BackendView* Snapshot::find_backend(uint32_t api_id) const {
  for (const ServiceView& service : services)
    for (const BackendView& backend : service.backends)
      if (backend.id == api_id) return &backend;
  return nullptr;
}

}  // namespace loom
