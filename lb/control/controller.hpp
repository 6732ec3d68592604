// SPDX-License-Identifier: Apache-2.0
// Controller: the one thread that changes the datapath, and the snapshots everybody else reads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "lb/base/result.hpp"
#include "lb/control/control.hpp"
#include "lb/control/dataplane.hpp"
#include "lb/control/edit.hpp"
#include "lb/control/link_monitor.hpp"
#include "lb/control/path_mtu_table.hpp"
#include "lb/control/sweeper.hpp"
#include "lb/control/view_builder.hpp"
#include "lb/model/desired.hpp"
#include "lb/model/overlay.hpp"

namespace loom {

struct ControllerOptions {
  Spec spec;
  uint32_t ring_size = kDefaultRingSize;
  uint32_t max_backends = kMaxBackends;
  std::string config_file;
  std::string overlay_file;      ///< Where changes through the API are kept; empty: nowhere.
  bool adopted = false;          ///< The dataplane took over pinned state.
  uint64_t max_connections = 0;  ///< New flows beyond it go to the stack; 0: no limit.
};

class Controller final : public Control {
 public:
  /// Reconciles once, then starts the threads. A first reconcile that fails is retried every
  /// second and reported by the snapshot: a missing interface may still appear.
  /// `dataplane` and `links` must outlive the controller.
  static Result<std::unique_ptr<Controller>> start(ControllerOptions options, Dataplane& dataplane,
                                                   LinkMonitor& links);
  ~Controller() override;

  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const override;
  Result<BackendView> add_backend(const NewBackend& backend) override;
  Result<BackendView> patch_backend(uint32_t api_id, const BackendPatch& patch) override;
  Result<void> remove_backend(uint32_t api_id) override;
  [[nodiscard]] Result<Counters> counters() const override;
  [[nodiscard]] Result<ConnectionList> connections(const ConnectionQuery& query) const override;
  [[nodiscard]] FlowSweep sweep() const override;
  [[nodiscard]] Result<std::vector<MapFill>> maps() const override;

  /// A router's answer to a packet of ours, true or not. Any thread.
  void too_big(const TooBig& message);

  /// When the control loop last came round: for the service manager's watchdog.
  [[nodiscard]] std::chrono::steady_clock::time_point last_turn() const { return last_turn_; }

 private:
  Controller(ControllerOptions options, Dataplane& dataplane, LinkMonitor& links);

  void loop();
  void links_changed();
  void post(std::function<void()> task);
  template <class T>
  Result<T> ask(std::function<Result<T>()> work);

  // On the controller thread:
  void age_rings(const FlowSweep& sweep);
  Result<void> reconcile();
  Result<void> try_reconcile();
  Result<void> change(const Edit& edit);
  Result<void> check_usable(const Edit& edit);
  [[nodiscard]] EditContext edit_context(const Snapshot& now) const;
  Result<BackendView> do_add(const NewBackend& backend);
  Result<BackendView> do_patch(uint32_t api_id, const BackendPatch& patch);
  Result<void> do_remove(uint32_t api_id);
  Result<void> assign_api_ids(const State& have, Spec& spec);
  Result<void> apply(const State& have, const Desired& want);
  void learn_next_hops(const State& have);
  void keep_known_next_hops(Links& links);
  void publish(const Spec& spec, const Links& links, const Desired& want);
  void log_changes_of(const Snapshot& next);

  const ControllerOptions options_;
  Dataplane& dataplane_;
  LinkMonitor& links_;

  // Controller thread only.
  Overlay overlay_;
  HealthMap health_;
  IdPool service_ids_{kMaxServices};
  IdPool backend_ids_;
  std::map<IpAddr, NextHop> known_next_hops_;
  ViewBuilder views_;
  std::map<std::pair<std::string, Endpoint>, uint32_t> api_ids_;      ///< By service and endpoint.
  std::map<std::pair<std::string, Endpoint>, std::string> unusable_;  ///< Of the last reconcile.
  uint64_t generation_ = 0;
  std::optional<size_t> steps_at_start_;
  std::map<std::string, std::string> attach_problems_;  ///< By interface, of the last apply().
  std::string logged_problems_ = "none yet";

  PathMtuTable path_mtus_;

  mutable std::mutex mutex_;  ///< Guards what follows.
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool links_changed_ = false;
  bool stopping_ = false;
  std::shared_ptr<const Snapshot> snapshot_;

  std::atomic<std::chrono::steady_clock::time_point> last_turn_;
  std::thread thread_;
  std::optional<Sweeper> sweeper_;
};

}  // namespace loom
