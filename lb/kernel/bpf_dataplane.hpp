// SPDX-License-Identifier: Apache-2.0
// BpfDataplane: the control plane's Dataplane, done with BPF maps and links.
#pragma once

#include <memory>
#include <shared_mutex>

#include "lb/control/dataplane.hpp"
#include "lb/kernel/datapath.hpp"
#include "lb/kernel/ring_publisher.hpp"

namespace loom {

struct DataplaneOptions {
  std::string pin_path;
  std::vector<std::string> interfaces;  ///< Checked before anything is loaded.
  DatapathConfig datapath;
  XdpMode mode = XdpMode::kAuto;  ///< How the interfaces will be attached.
};

class BpfDataplane final : public Dataplane {
 public:
  /// Errors: ENODEV for a missing interface, EBUSY for one with a foreign XDP program; then nothing
  /// was changed.
  static Result<std::unique_ptr<BpfDataplane>> open(const DataplaneOptions& options);

  [[nodiscard]] Datapath::Origin origin() const { return datapath_.origin(); }
  /// Takes the programs off every interface and removes all pins.
  Result<void> detach_all();

  Result<State> read() const override;
  Result<void> apply(const Step& step) override;
  Result<uint32_t> next_api_id() override;
  Result<void> reserve_api_id(uint32_t id) override;
  Result<std::map<uint32_t, uint32_t>> ring_slots(const std::string& service) const override;
  Result<void> age_rings(const FlowSweep& sweep) override;
  Result<Counters> counters() const override;
  Result<ConnectionList> connections(const ConnectionQuery& query) const override;
  Result<FlowSweep> sweep() const override;
  Result<void> limit_connections(Limit limit) override;
  Result<std::vector<MapFill>> maps() const override;
  std::vector<ProgramInfo> programs() const override;

 private:
  explicit BpfDataplane(Datapath datapath) : datapath_(std::move(datapath)), rings_(datapath_) {}

  // One per kind of step; overloads, called through std::visit.
  Result<void> on(const PutEgress& step);
  Result<void> on(const PutSources& step);
  Result<void> on(const RemoveSources& step);
  Result<void> on(const PutBackend& step);
  Result<void> on(const PutService& step);
  Result<void> on(const PutRings& step);
  Result<void> on(const PutListener& step);
  Result<void> on(const PutVip& step);
  Result<void> on(const Attach& step);
  Result<void> on(const Detach& step);
  Result<void> on(const RemoveVip& step);
  Result<void> on(const RemoveListener& step);
  Result<void> on(const RemoveService& step);
  Result<void> on(const RemoveBackend& step);
  Result<void> on(const RemoveEgress& step);

  void forget_ring(const std::string& service);
  Result<uint32_t> next_generation();
  Result<void> finish_switch();
  /// Whether one of our links is on that interface.

  Datapath datapath_;
  RingPublisher rings_;
  std::map<std::string, std::string> mode_notes_;  ///< By interface.
  /// Shared by readers of counters, exclusive while a backend's counts move to its service.
  mutable std::shared_mutex retiring_;
};

}  // namespace loom
