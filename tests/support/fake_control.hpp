// SPDX-License-Identifier: Apache-2.0
// FakeControl: the control plane in memory, for tests of what stands on it. Keeps Control's
// promises about errors; counters and the like answer what the test put there.
#pragma once

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lb/control/control.hpp"

namespace loom {

class FakeControl : public Control {
 public:
  // What reads answer. Change only while nobody else calls.
  Snapshot state;
  Counters counters_now;
  FlowSweep sweep_now;
  std::vector<MapFill> maps_now;
  ConnectionList connections_now;
  /// Set: counters(), maps() and connections() fail with it.
  std::optional<Error> read_failure;
  /// Set: every change fails with it.
  std::optional<Error> write_failure;
  /// What connections() was asked last.
  mutable ConnectionQuery last_query;

  ServiceView& add_service(const std::string& name, uint32_t datapath_id) {
    state.services.push_back({.name = name, .datapath_ids = {datapath_id}});
    return state.services.back();
  }
  /// Api and datapath id are the next of each.
  BackendView& put_backend(ServiceView& service, const std::string& endpoint) {
    const Result<Endpoint> parsed = Endpoint::parse(endpoint);
    service.backends.push_back({.id = next_api_id_++,
                                .datapath_id = next_datapath_id_++,
                                .service = service.name,
                                .endpoint = *parsed,
                                .weight = kDefaultWeight,
                                .slot_ratio = 0.5});
    return service.backends.back();
  }

  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const override {
    const std::lock_guard lock(mutex_);
    return std::make_shared<const Snapshot>(state);
  }

  Result<BackendView> add_backend(const NewBackend& wanted) override {
    const std::lock_guard lock(mutex_);
    if (write_failure) return *write_failure;
    Result<ServiceView*> service = choose_service(wanted.service);
    if (!service) return service.error();
    for (const BackendView& backend : (*service)->backends)
      if (backend.endpoint == wanted.backend.endpoint)
        return Error(EEXIST, backend.endpoint.to_string() + " is already backend " +
                                 std::to_string(backend.id) + " of service " + backend.service);
    BackendView& added = put_backend(**service, wanted.backend.endpoint.to_string());
    added.name = wanted.backend.name;
    added.weight = wanted.backend.weight;
    added.state = wanted.backend.state;
    added.source = Source::kApi;
    ++state.generation;
    return added;
  }

  Result<BackendView> patch_backend(uint32_t api_id, const BackendPatch& patch) override {
    const std::lock_guard lock(mutex_);
    if (write_failure) return *write_failure;
    for (ServiceView& service : state.services)
      for (BackendView& backend : service.backends)
        if (backend.id == api_id) {
          if (patch.weight) backend.weight = *patch.weight;
          if (patch.state) backend.state = *patch.state;
          if (patch.name) backend.name = *patch.name;
          ++state.generation;
          return backend;
        }
    return unknown(api_id);
  }

  Result<void> remove_backend(uint32_t api_id) override {
    const std::lock_guard lock(mutex_);
    if (write_failure) return *write_failure;
    for (ServiceView& service : state.services)
      if (std::erase_if(service.backends,
                        [&](const BackendView& backend) { return backend.id == api_id; }) > 0) {
        ++state.generation;
        return {};
      }
    return unknown(api_id);
  }

  [[nodiscard]] Result<Counters> counters() const override {
    if (read_failure) return *read_failure;
    return counters_now;
  }
  [[nodiscard]] Result<ConnectionList> connections(const ConnectionQuery& query) const override {
    const std::lock_guard lock(mutex_);
    if (read_failure) return *read_failure;
    last_query = query;
    ConnectionList out = connections_now;
    std::erase_if(out.connections, [&](const Connection& connection) {
      return (query.client && connection.client.address != *query.client) ||
             (query.backend_id && connection.backend_id != *query.backend_id);
    });
    out.total = out.connections.size();
    if (out.connections.size() > query.limit) out.connections.resize(query.limit);
    return out;
  }
  [[nodiscard]] FlowSweep sweep() const override { return sweep_now; }
  [[nodiscard]] Result<std::vector<MapFill>> maps() const override {
    if (read_failure) return *read_failure;
    return maps_now;
  }

 private:
  Result<ServiceView*> choose_service(const std::optional<std::string>& name) {
    if (!name && state.services.size() != 1)
      return Error(EINVAL, "several services exist; name one as \"service\"");
    for (ServiceView& service : state.services)
      if (!name || service.name == *name) return &service;
    return Error(ENOENT, "no service is called \"" + *name + "\"");
  }
  static Error unknown(uint32_t api_id) {
    return Error(ENOENT, "no backend has id " + std::to_string(api_id));
  }

  mutable std::mutex mutex_;
  uint32_t next_api_id_ = 1;
  uint32_t next_datapath_id_ = 1;
};

}  // namespace loom
