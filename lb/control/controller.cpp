// SPDX-License-Identifier: Apache-2.0
#include "lb/control/controller.hpp"

#include <algorithm>
#include <cerrno>
#include <future>

#include "lb/base/log.hpp"
#include "lb/control/overlay_store.hpp"

namespace loom {
namespace {

using namespace std::chrono_literals;

constexpr auto kTurn = 1s;  // retry after an error; heartbeat of the watchdog

/// The id that a backend has in the datapath; 0: none.
uint32_t api_id_in(const State& state, const ServiceSpec& service, const Endpoint& endpoint) {
  const auto known = state.services.find(datapath_service(service, endpoint.address.family()));
  if (known == state.services.end()) return 0;
  const auto backend = known->second.backends.find(endpoint);
  return backend == known->second.backends.end() ? 0 : backend->second.api_id;
}

}  // namespace

Controller::Controller(ControllerOptions options, Dataplane& dataplane, LinkMonitor& links)
    : options_(std::move(options)),
      dataplane_(dataplane),
      links_(links),
      backend_ids_(std::min(options_.max_backends, kMaxBackends)),
      views_(dataplane, options_.ring_size),
      last_turn_(std::chrono::steady_clock::now()) {
  auto first = std::make_shared<Snapshot>();
  first->started = std::chrono::system_clock::now();
  first->config_file = options_.config_file;
  first->adopted = options_.adopted;
  snapshot_ = std::move(first);
}

Result<std::unique_ptr<Controller>> Controller::start(ControllerOptions options,
                                                      Dataplane& dataplane, LinkMonitor& links) {
  Overlay overlay;
  if (!options.overlay_file.empty()) {
    Result<Overlay> loaded = load_overlay(options.overlay_file);
    if (!loaded) return loaded.error();
    overlay = std::move(*loaded);
  }
  std::unique_ptr<Controller> self(new Controller(std::move(options), dataplane, links));
  self->overlay_ = std::move(overlay);
  Controller* raw = self.get();
  // Watch before the first look: a change in between must not be lost.
  const Result<void> watching = links.watch([raw] { raw->links_changed(); });
  if (!watching) return watching.error();

  // What fails here is in the snapshot and retried by the loop.
  if (const Result<void> done = self->reconcile(); !done) log_debug(done.error().message());
  self->thread_ = std::thread([raw] { raw->loop(); });
  self->sweeper_.emplace(dataplane, raw->options_.max_connections, [raw](const FlowSweep& sweep) {
    raw->post([raw, sweep] { raw->age_rings(sweep); });
  });
  return self;
}

Controller::~Controller() {
  // First: its thread calls into this object.
  links_.unwatch();
  sweeper_.reset();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Controller::links_changed() {
  const std::lock_guard lock(mutex_);
  links_changed_ = true;
  wake_.notify_all();
}

void Controller::too_big(const TooBig& message) {
  if (path_mtus_.learn(message)) links_changed();
}

void Controller::loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, kTurn, [this] { return stopping_ || links_changed_ || !tasks_.empty(); });
    last_turn_ = std::chrono::steady_clock::now();
    while (!tasks_.empty()) {
      last_turn_ = std::chrono::steady_clock::now();
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
    if (path_mtus_.expire()) links_changed_ = true;
    if (!std::exchange(links_changed_, false) && snapshot_->not_ready().empty()) continue;
    lock.unlock();
    if (const Result<void> done = reconcile(); !done) log_debug(done.error().message());
    lock.lock();
  }
}

void Controller::age_rings(const FlowSweep& sweep) {
  if (Result<void> done = dataplane_.age_rings(sweep); !done)
    log_warning("the rings' past: " + done.error().message());
}

void Controller::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_all();
}

template <class T>
Result<T> Controller::ask(std::function<Result<T>()> work) {
  std::promise<Result<T>> promise;
  std::future<Result<T>> answer = promise.get_future();
  post([&] { promise.set_value(work()); });
  return answer.get();
}

/// In the spec and not in the state: a backend that cannot be served now has an id all the same.
Result<void> Controller::assign_api_ids(const State& have, Spec& spec) {
  std::set<uint32_t> taken;
  for (const ServiceSpec& service : spec.services)
    for (const BackendSpec& backend : service.backends) {
      if (backend.api_id == 0) continue;
      taken.insert(backend.api_id);
      if (Result<void> done = dataplane_.reserve_api_id(backend.api_id); !done) return done;
    }

  for (ServiceSpec& service : spec.services)
    for (BackendSpec& backend : service.backends) {
      uint32_t& known = api_ids_[{service.name, backend.endpoint}];
      if (backend.api_id != 0) {
        known = backend.api_id;
        continue;
      }
      if (known == 0) known = api_id_in(have, service, backend.endpoint);
      // The file may have given its id to another backend meanwhile.
      if (known == 0 || !taken.insert(known).second) {
        const Result<uint32_t> id = dataplane_.next_api_id();
        if (!id) return id.error();
        taken.insert(known = *id);
      }
      backend.api_id = known;
    }
  return {};
}

/// After a restart: what the pinned state sends to is known, whatever the neighbour table says.
void Controller::learn_next_hops(const State& have) {
  for (const auto& [name, service] : have.services)
    for (const auto& [endpoint, backend] : service.backends)
      if (backend.next_hop) known_next_hops_.emplace(endpoint.address, *backend.next_hop);
}

/// A neighbour that stops answering keeps its MAC here: whether its backend is down is for the
/// probes to say, and a garbage-collected neighbour entry is no reason to drop packets.
void Controller::keep_known_next_hops(Links& links) {
  std::map<IpAddr, NextHop> kept;
  for (const auto& [address, why] : links.unresolved) {
    const auto known = known_next_hops_.find(address);
    if (known == known_next_hops_.end() || why.find("not resolved") == std::string::npos) continue;
    const bool link_unchanged =
        std::any_of(links.interfaces.begin(), links.interfaces.end(), [&](const auto& entry) {
          return entry.second.ifindex == known->second.ifindex &&
                 entry.second.mac == known->second.source;
        });
    if (link_unchanged) kept.insert(*known);
  }
  for (const auto& [address, hop] : kept) {
    links.unresolved.erase(address);
    links.incomplete.erase(address);
  }
  links.next_hops.merge(kept);
  known_next_hops_ = links.next_hops;
}

Result<void> Controller::apply(const State& have, const Desired& want) {
  const std::vector<Step> steps = plan(have, want.state, want.recipes);
  attach_problems_.clear();
  if (!steps_at_start_) {
    steps_at_start_ = steps.size();
    log_info("first plan has " + std::to_string(steps.size()) + " steps" +
             (options_.adopted ? " after adopting the pinned state" : ""));
  }
  for (const Step& step : steps) {
    log_debug(describe(step));
    Result<void> done = dataplane_.apply(step);
    if (done) continue;
    // One interface that cannot be attached to must not keep changes from the others.
    const Attach* attach = std::get_if<Attach>(&step);
    if (!attach) return std::move(done.error()).in(describe(step));
    attach_problems_[attach->interface] = done.error().message();
  }
  return {};
}

Result<void> Controller::reconcile() {
  Result<void> done = try_reconcile();
  if (done) return done;
  // The loop retries until it works; readers must see that it did not.
  auto next = std::make_shared<Snapshot>(*snapshot());
  next->last_reconcile_ok = false;
  next->last_error = done.error().message();
  log_changes_of(*next);
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(next);
  return done;
}

Result<void> Controller::try_reconcile() {
  Spec spec = overlay_.apply(options_.spec);
  Result<Links> links = links_.read(next_hop_targets(spec));
  if (!links) return std::move(links.error()).in("read the host's network");
  links->path_mtus = path_mtus_.learned();
  const Result<State> have = dataplane_.read();
  if (!have) return have.error();
  if (!steps_at_start_) learn_next_hops(*have);
  keep_known_next_hops(*links);
  if (Result<void> done = assign_api_ids(*have, spec); !done) return done;

  Desired want = desired(spec, *links, health_);
  if (Result<void> done = assign_ids(want, *have, service_ids_, backend_ids_); !done) return done;
  if (Result<void> done = assign_sources(want, *have); !done) return done;
  keep_last_known(want, *have);
  set_ring_digests(want, options_.ring_size);
  if (Result<void> done = apply(*have, want); !done) return done;
  path_mtus_.follow(want.state);
  publish(spec, *links, want);
  unusable_ = std::move(want.unusable);
  return {};
}

void Controller::publish(const Spec& spec, const Links& links, const Desired& want) {
  auto next = std::make_shared<Snapshot>(*snapshot());
  next->generation = ++generation_;
  next->last_reconcile_ok = true;
  next->last_error.clear();
  next->steps_at_start = steps_at_start_.value_or(0);
  next->overlay_objects = overlay_.objects();
  next->programs = dataplane_.programs();

  next->services = views_.services({spec, links, want, health_, overlay_});

  next->interfaces.clear();
  for (const std::string& name : spec.interfaces) {
    InterfaceView out{name, links.interfaces.contains(name), false, ""};
    out.attached = std::any_of(next->programs.begin(), next->programs.end(),
                               [&](const ProgramInfo& p) { return p.interface == name; });
    if (!out.present) out.problem = "no such interface";
    if (const auto it = attach_problems_.find(name); it != attach_problems_.end())
      out.problem = it->second;
    next->interfaces.push_back(std::move(out));
  }

  log_changes_of(*next);
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(next);
}

/// A problem that stays is one line in the log, not one a second.
void Controller::log_changes_of(const Snapshot& next) {
  std::string problems;
  for (const std::string& reason : next.not_ready())
    problems += (problems.empty() ? "" : "; ") + reason;
  if (problems == logged_problems_) return;
  if (problems.empty())
    log_info("reconciled; the datapath is as configured");
  else
    log_error("reconcile: " + problems);
  logged_problems_ = problems;
}

/// Makes the edit the truth if the datapath and the disk take it, else leaves everything as it was.
Result<void> Controller::change(const Edit& edit) {
  const Overlay before = std::exchange(overlay_, edit.overlay);
  Result<void> done = reconcile();
  if (done) done = check_usable(edit);
  if (done && !options_.overlay_file.empty()) done = save_overlay(options_.overlay_file, overlay_);
  if (done) return done;
  overlay_ = before;
  if (const Result<void> undone = reconcile(); !undone)
    log_error("undo of a failed change: " + undone.error().message());
  return done;
}

/// A 2xx says that the datapath has the backend: one that nothing can ever be sent to is refused.
Result<void> Controller::check_usable(const Edit& edit) {
  const auto& entries = edit.overlay.services;
  const auto service = entries.find(edit.service);
  if (service == entries.end()) return {};
  const auto entry = service->second.find(edit.endpoint);
  if (entry == service->second.end() || !entry->second.added) return {};
  const auto problem = unusable_.find({edit.service, edit.endpoint});
  if (problem == unusable_.end()) return {};
  return Error(EINVAL, edit.endpoint.to_string() + " " + problem->second);
}

Result<BackendView> Controller::do_add(const NewBackend& request) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  Result<Edit> edit = edit_add(edit_context(*now), request);
  if (!edit) return edit.error();
  const Result<uint32_t> id = dataplane_.next_api_id();
  if (!id) return id.error();
  edit->overlay.services[edit->service][edit->endpoint].added->api_id = *id;
  if (Result<void> done = change(*edit); !done) return done.error();
  return *snapshot()->find_backend(*id);
}

Result<BackendView> Controller::do_patch(uint32_t api_id, const BackendPatch& patch) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  const Result<Edit> edit = edit_patch(edit_context(*now), api_id, patch);
  if (!edit) return edit.error();
  if (Result<void> done = change(*edit); !done) return done.error();
  return *snapshot()->find_backend(api_id);
}

Result<void> Controller::do_remove(uint32_t api_id) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  const Result<Edit> edit = edit_remove(edit_context(*now), api_id);
  if (!edit) return edit.error();
  Result<void> done = change(*edit);
  // Only now: a removal that failed leaves the backend its id.
  if (done) api_ids_.erase({edit->service, edit->endpoint});
  return done;
}

EditContext Controller::edit_context(const Snapshot& now) const {
  return {options_.spec, overlay_, now, options_.max_backends};
}

std::shared_ptr<const Snapshot> Controller::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

Result<BackendView> Controller::add_backend(const NewBackend& backend) {
  return ask<BackendView>([&] { return do_add(backend); });
}

Result<BackendView> Controller::patch_backend(uint32_t api_id, const BackendPatch& patch) {
  return ask<BackendView>([&] { return do_patch(api_id, patch); });
}

Result<void> Controller::remove_backend(uint32_t api_id) {
  return ask<void>([&] { return do_remove(api_id); });
}

Result<Counters> Controller::counters() const {
  return dataplane_.counters();
}

Result<ConnectionList> Controller::connections(const ConnectionQuery& query) const {
  return dataplane_.connections(query);
}

FlowSweep Controller::sweep() const {
  return sweeper_ ? sweeper_->last() : FlowSweep{};
}

Result<std::vector<MapFill>> Controller::maps() const {
  return dataplane_.maps();
}

}  // namespace loom
