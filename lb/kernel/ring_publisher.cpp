// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/ring_publisher.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "lb/base/log.hpp"
#include "lb/kernel/history_map.hpp"
#include "lb/kernel/ring_map.hpp"
#include "loom/abi.h"

namespace loom {
namespace {

uint32_t to_abi(const SlotOwners& slot) {
  return slot.current | slot.previous << 15 | uint32_t{slot.flagged} << 30;
}

std::vector<uint32_t> slots_of(const std::vector<uint32_t>& owners, const RingHistory* history) {
  std::vector<uint32_t> slots(owners.size());
  const bool has_past = history && !history->at_rest();
  for (uint32_t i = 0; i < owners.size(); ++i)
    slots[i] =
        to_abi(has_past ? history->owners(i, owners[i]) : SlotOwners{owners[i], owners[i], false});
  return slots;
}

/// Backends whose removal was interrupted: their ids may be given to others.
void forget_strangers(RingHistory& history, const ServiceState& state) {
  std::set<uint32_t> strangers;
  for (const RingHistory::Past& past : history.events()) strangers.insert(past.owner);
  for (const auto& [endpoint, backend] : state.backends) strangers.erase(backend.id);
  for (const uint32_t owner : strangers) history.forget(owner);
}

}  // namespace

MonotonicTime monotonic_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::duration_cast<MonotonicTime>(std::chrono::seconds(now.tv_sec) +
                                                   std::chrono::nanoseconds(now.tv_nsec));
}

RingPublisher::RingPublisher(const Datapath& datapath)
    : datapath_(datapath),
      window_(std::max(datapath.config().timeouts[LOOM_STATE_ESTABLISHED],
                       datapath.config().timeouts[LOOM_STATE_UDP])) {}

Result<void> RingPublisher::restore(const State& state) {
  for (const auto& [service, entry] : state.services) {
    if (!entry.has_past()) {
      if (Result<void> done = remove_past(service); !done) return done;
      continue;
    }
    RingHistory history(window_, entry.tracking);
    const Result<UniqueFd> pin =
        open_pin(datapath_.pins().history(datapath_.generation(), service));
    const Result<KeptHistory> kept = pin ? read_history_map(pin->get()) : pin.error();
    if (kept)
      history.restore(kept->events, kept->flagged_until);
    else
      history.lose(monotonic_now());
    if (!kept)
      log_warning(service + ": the past of its ring is not known: " + kept.error().message());
    forget_strangers(history, entry);
    const bool at_rest = history.at_rest();
    histories_.insert_or_assign(service, std::move(history));
    if (at_rest) continue;
    if (Result<void> done = refresh(service); !done) return done;
  }
  return {};
}

Result<void> RingPublisher::put_service(const std::string& service, const ServiceState& state) {
  if (!state.has_past()) return remove_past(service);
  const auto found = histories_.try_emplace(service, window_, state.tracking).first;
  found->second.set_tracking(state.tracking, monotonic_now());
  return found->second.at_rest() ? Result<void>() : refresh(service);
}

Result<std::vector<uint32_t>> RingPublisher::published_owners(const std::string& service) const {
  const Result<UniqueFd> ring = open_pin(datapath_.pins().ring(datapath_.generation(), service));
  if (!ring) return ring.error();
  Result<std::vector<uint32_t>> slots = read_ring(ring->get(), datapath_.config().ring_size);
  if (slots)
    for (uint32_t& slot : *slots) slot = LOOM_SLOT_CURRENT(slot);
  return slots;
}

Result<RingPublisher::NewRing> RingPublisher::build(const PutRings::Ring& ring) {
  NewRing out;
  out.owners = build_ring(ring.members, ring.recipe, datapath_.config().ring_size);
  const auto history = histories_.find(ring.service);
  if (history != histories_.end()) {
    const Result<std::vector<uint32_t>> before = published_owners(ring.service);
    if (before) history->second.change(*before, out.owners, monotonic_now());
    if (!before && before.error().code() != ENOENT) return before.error();
    // First: a past that did not come to pass does no harm, one that is missing does.
    if (Result<void> done = keep(ring.service); !done) return done.error();
  }
  Result<UniqueFd> fd = create_ring_map(
      slots_of(out.owners, history == histories_.end() ? nullptr : &history->second));
  if (!fd) return std::move(fd.error()).in(ring.service);
  out.fd = std::move(*fd);
  return out;
}

Result<void> RingPublisher::publish(const PutRings& step) {
  const auto infos = datapath_.map<uint32_t, loom_service_info>("loom_service_info");
  std::vector<UniqueFd> rings;
  std::vector<int> fds;
  std::vector<uint32_t> ids;
  for (const PutRings::Ring& ring : step.rings) {
    Result<NewRing> built = build(ring);
    if (!built) return built.error();
    ids.push_back(ring.service_id);
    fds.push_back(built->fd.get());
    rings.push_back(std::move(built->fd));
  }
  if (Result<void> done = publish_rings(datapath_.map_fd("loom_rings"), ids, fds); !done)
    return done;

  for (size_t i = 0; i < rings.size(); ++i) {
    const PutRings::Ring& ring = step.rings[i];
    Result<void> done =
        pin_replacing(fds[i], datapath_.pins().ring(datapath_.generation(), ring.service));
    if (!done) return done;
    // The digest last: without it the ring counts as not published.
    Result<std::optional<loom_service_info>> info = infos.get(ring.service_id);
    if (!info) return info.error();
    (*info)->ring_digest = ring.digest;
    if (done = infos.put(ring.service_id, **info); !done) return done;
  }
  return {};
}

Result<void> RingPublisher::keep(const std::string& service) {
  const RingHistory& history = histories_.at(service);
  Result<UniqueFd> map = create_history_map({history.events(), history.flagged_until()});
  if (!map) return std::move(map.error()).in(service);
  const std::string path = datapath_.pins().history(datapath_.generation(), service);
  // Generations that an earlier release made have no such directory.
  const std::string folder = path.substr(0, path.rfind('/'));
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return Error(errno, "make " + folder);
  return pin_replacing(map->get(), path);
}

Result<void> RingPublisher::refresh(const std::string& service) {
  const Result<std::vector<uint32_t>> owners = published_owners(service);
  if (!owners) return owners.error().code() == ENOENT ? Result<void>() : owners.error();
  const Result<UniqueFd> ring = open_pin(datapath_.pins().ring(datapath_.generation(), service));
  if (!ring) return ring.error();
  Result<void> done = rewrite_ring(ring->get(), slots_of(*owners, &histories_.at(service)));
  // The pin last: what it has too much is let go of again.
  return done ? keep(service) : done;
}

Result<void> RingPublisher::forget(const std::string& service, uint32_t backend_id) {
  const auto found = histories_.find(service);
  if (found == histories_.end() || found->second.at_rest()) return {};
  found->second.forget(backend_id);
  return refresh(service);
}

/// Marks that nobody would take off again any more go first.
Result<void> RingPublisher::remove_past(const std::string& service) {
  const std::string pin = datapath_.pins().history(datapath_.generation(), service);
  if (!histories_.contains(service) && access(pin.c_str(), F_OK) != 0) return {};
  const Result<std::vector<uint32_t>> owners = published_owners(service);
  if (owners) {
    const Result<UniqueFd> ring = open_pin(datapath_.pins().ring(datapath_.generation(), service));
    if (!ring) return ring.error();
    if (Result<void> done = rewrite_ring(ring->get(), slots_of(*owners, nullptr)); !done)
      return done;
  }
  remove(service);
  return {};
}

void RingPublisher::remove(const std::string& service) {
  histories_.erase(service);
  unlink(datapath_.pins().history(datapath_.generation(), service).c_str());
}

Result<void> RingPublisher::expire(MonotonicTime now) {
  for (auto& [service, history] : histories_)
    if (history.expire(now))
      if (Result<void> done = refresh(service); !done) return done;
  return {};
}

Result<void> RingPublisher::set_exceptions(const std::map<std::string, std::set<uint32_t>>& slots,
                                           MonotonicTime sweep_began) {
  const std::set<uint32_t> none;
  for (auto& [service, history] : histories_) {
    const auto found = slots.find(service);
    if (history.set_exceptions(found == slots.end() ? none : found->second, sweep_began))
      if (Result<void> done = refresh(service); !done) return done;
  }
  return {};
}

}  // namespace loom
