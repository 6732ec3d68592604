// SPDX-License-Identifier: Apache-2.0
#include "lb/control/controller.hpp"

#include <algorithm>
#include <cerrno>
#include <future>

#include "lb/base/log.hpp"

namespace loom {
namespace {

using namespace std::chrono_literals;

constexpr auto kTurn = 1s;        // retry after an error; heartbeat of the watchdog
constexpr auto kSweepEvery = 5s;  // what connections_active promises

const BackendSpec* find(const ServiceSpec& service, const Endpoint& endpoint) {
  const auto it = std::find_if(service.backends.begin(), service.backends.end(),
                               [&](const BackendSpec& b) { return b.endpoint == endpoint; });
  return it == service.backends.end() ? nullptr : &*it;
}

/// The id that a backend has in the datapath; 0: none.
uint32_t api_id_in(const State& state, const ServiceSpec& service, const Endpoint& endpoint) {
  const auto known = state.services.find(datapath_service(service, endpoint.address.family()));
  if (known == state.services.end()) return 0;
  const auto backend = known->second.backends.find(endpoint);
  return backend == known->second.backends.end() ? 0 : backend->second.api_id;
}

Error unknown_backend(uint32_t api_id) {
  return Error(ENOENT, "no backend has id " + std::to_string(api_id))
      .with_hint("GET /ebpf/backends lists them");
}

/// The service a new backend goes to.
Result<const ServiceSpec*> target_service(const Spec& spec, const NewBackend& backend) {
  if (backend.service) {
    const ServiceSpec* service = spec.find(*backend.service);
    if (!service) return Error(ENOENT, "no service is called \"" + *backend.service + "\"");
    return service;
  }
  if (spec.services.size() == 1) return &spec.services.front();
  if (spec.services.empty()) return Error(ENOENT, "no service is configured");
  std::string names;
  for (const ServiceSpec& service : spec.services)
    names += (names.empty() ? "" : ", ") + service.name;
  return Error(EINVAL, "several services exist; name one of " + names + " as \"service\"");
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
  std::unique_ptr<Controller> self(new Controller(std::move(options), dataplane, links));
  Controller* raw = self.get();
  // Watch before the first look: a change in between must not be lost.
  const Result<void> watching = links.watch([raw] {
    const std::lock_guard lock(raw->mutex_);
    raw->links_changed_ = true;
    raw->wake_.notify_all();
  });
  if (!watching) return watching.error();

  // What fails here is in the snapshot and retried by the loop.
  if (const Result<void> done = self->reconcile(); !done) log_debug(done.error().message());
  self->thread_ = std::thread([raw] { raw->loop(); });
  self->sweeper_ = std::thread([raw] { raw->sweep_loop(); });
  return self;
}

Controller::~Controller() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (sweeper_.joinable()) sweeper_.join();
}

void Controller::loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, kTurn, [this] { return stopping_ || links_changed_ || !tasks_.empty(); });
    last_turn_ = std::chrono::steady_clock::now();
    while (!tasks_.empty()) {
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
    if (!std::exchange(links_changed_, false) && snapshot_->not_ready().empty()) continue;
    lock.unlock();
    if (const Result<void> done = reconcile(); !done) log_debug(done.error().message());
    lock.lock();
  }
}

void Controller::sweep_loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    Result<FlowSweep> swept = dataplane_.sweep();
    if (!swept) log_warning("sweep of the flow table: " + swept.error().message());
    lock.lock();
    if (swept) sweep_ = std::move(*swept);
    wake_.wait_for(lock, kSweepEvery, [this] { return stopping_; });
  }
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
  for (const ServiceSpec& service : spec.services)
    for (const BackendSpec& backend : service.backends)
      if (backend.api_id != 0)
        if (Result<void> done = dataplane_.reserve_api_id(backend.api_id); !done) return done;

  for (ServiceSpec& service : spec.services)
    for (BackendSpec& backend : service.backends) {
      uint32_t& known = api_ids_[{service.name, backend.endpoint}];
      if (backend.api_id != 0) known = backend.api_id;
      if (known == 0) known = api_id_in(have, service, backend.endpoint);
      if (known == 0) {
        const Result<uint32_t> id = dataplane_.next_api_id();
        if (!id) return id.error();
        known = *id;
      }
      backend.api_id = known;
    }
  return {};
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
  for (const auto& [address, hop] : kept) links.unresolved.erase(address);
  links.next_hops.merge(kept);
  known_next_hops_ = links.next_hops;
}

Result<void> Controller::apply(const State& have, const Desired& want) {
  const std::vector<Step> steps = plan(have, want.state, want.seeds);
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
  Spec spec = overlay_.apply(options_.spec);
  Result<Links> links = links_.read(next_hop_targets(spec));
  if (!links) return std::move(links.error()).in("read the host's network");
  keep_known_next_hops(*links);
  const Result<State> have = dataplane_.read();
  if (!have) return have.error();
  if (Result<void> done = assign_api_ids(*have, spec); !done) return done;

  Desired want = desired(spec, *links, health_);
  Result<void> done = assign_ids(want, *have, service_ids_, backend_ids_);
  if (done) {
    set_ring_digests(want, options_.ring_size);
    done = apply(*have, want);
  }
  publish(spec, *links, want, done);
  return done;
}

void Controller::publish(const Spec& spec, const Links& links, const Desired& want,
                         const Result<void>& done) {
  auto next = std::make_shared<Snapshot>(*snapshot());
  next->generation = ++generation_;
  next->last_reconcile_ok = bool(done);
  next->last_error = done ? "" : done.error().message();
  next->steps_at_start = steps_at_start_.value_or(0);
  next->overlay_objects = overlay_.objects();
  next->programs = dataplane_.programs();

  next->services = views_.services({spec, want, health_, overlay_});

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

/// Makes `overlay` the truth if the datapath takes it, else leaves everything as it was.
Result<void> Controller::change(Overlay overlay) {
  std::swap(overlay_, overlay);
  Result<void> done = reconcile();
  if (done) return done;
  std::swap(overlay_, overlay);
  if (const Result<void> undone = reconcile(); !undone)
    log_error("undo of a failed change: " + undone.error().message());
  return done;
}

Result<BackendView> Controller::do_add(const NewBackend& request) {
  const Spec spec = overlay_.apply(options_.spec);
  const Result<const ServiceSpec*> service = target_service(spec, request);
  if (!service) return service.error();
  const ServiceSpec& target = **service;

  BackendSpec backend = request.backend;
  if (Result<void> done = normalize_backend(target, backend); !done) return done.error();
  const Endpoint endpoint = backend.endpoint;
  if (find(target, endpoint)) {
    uint32_t id = 0;
    for (const ServiceView& s : snapshot()->services)
      for (const BackendView& b : s.backends)
        if (s.name == target.name && b.endpoint == endpoint) id = b.id;
    return Error(EEXIST, endpoint.to_string() + " is already backend " + std::to_string(id) +
                             " of service " + target.name);
  }

  Overlay next = overlay_;
  OverlayBackend& entry = next.services[target.name][endpoint];
  const ServiceSpec* in_file = options_.spec.find(target.name);
  if (in_file && find(*in_file, endpoint))
    entry = {.weight = backend.weight, .state = backend.state, .name = backend.name};
  else
    entry = {.added = backend};
  if (Result<void> done = change(std::move(next)); !done) return done.error();

  for (const ServiceView& s : snapshot()->services)
    for (const BackendView& b : s.backends)
      if (s.name == target.name && b.endpoint == endpoint) return b;
  return Error(EIO, "the new backend is missing from the state");
}

Result<BackendView> Controller::do_patch(uint32_t api_id, const BackendPatch& patch) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  const BackendView* backend = now->find_backend(api_id);
  if (!backend) return unknown_backend(api_id);
  if (patch.weight && *patch.weight > kMaxWeight)
    return Error(EINVAL, "weight must be 0 to " + std::to_string(kMaxWeight));

  Overlay next = overlay_;
  OverlayBackend& entry = next.services[backend->service][backend->endpoint];
  if (patch.weight) entry.weight = patch.weight;
  if (patch.state) entry.state = patch.state;
  if (patch.name) entry.name = patch.name;
  if (Result<void> done = change(std::move(next)); !done) return done.error();
  return *snapshot()->find_backend(api_id);
}

Result<void> Controller::do_remove(uint32_t api_id) {
  const std::shared_ptr<const Snapshot> now = snapshot();
  const BackendView* backend = now->find_backend(api_id);
  if (!backend) return unknown_backend(api_id);

  api_ids_.erase({backend->service, backend->endpoint});  // its id is never used again
  Overlay next = overlay_;
  const ServiceSpec* in_file = options_.spec.find(backend->service);
  if (in_file && find(*in_file, backend->endpoint)) {
    next.services[backend->service][backend->endpoint] = {.removed = true};
  } else {
    next.services[backend->service].erase(backend->endpoint);
  }
  return change(std::move(next));
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
  const std::lock_guard lock(mutex_);
  return sweep_;
}

Result<std::vector<MapFill>> Controller::maps() const {
  return dataplane_.maps();
}

}  // namespace loom
