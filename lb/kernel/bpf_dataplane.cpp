// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/bpf_dataplane.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "lb/base/log.hpp"
#include "lb/kernel/attach.hpp"
#include "lb/kernel/codec.hpp"
#include "lb/kernel/read_counters.hpp"
#include "lb/kernel/read_state.hpp"
#include "lb/kernel/ring_map.hpp"
#include "lb/kernel/xdp_probe.hpp"

namespace loom {
namespace {

loom_counter sum(const std::vector<loom_counter>& parts, loom_counter start) {
  for (const loom_counter& counter : parts) add(start, counter);
  return start;
}

}  // namespace

Result<std::unique_ptr<BpfDataplane>> BpfDataplane::open(const DataplaneOptions& options) {
  Result<Pins> pins = Pins::open(options.pin_path);
  if (!pins) return pins.error();
  for (const std::string& interface : options.interfaces)
    if (Result<void> done = check_attachable(*pins, interface); !done) return done.error();
  Result<Datapath> datapath = Datapath::open(std::move(*pins), options.datapath);
  if (!datapath) return datapath.error();
  return std::unique_ptr<BpfDataplane>(new BpfDataplane(std::move(*datapath)));
}

Result<void> BpfDataplane::detach_all() {
  for (const std::string& interface : datapath_.pins().links())
    if (Result<void> done = detach_xdp(datapath_.pins(), interface); !done) return done;
  return datapath_.pins().remove_all();
}

Result<State> BpfDataplane::read() const {
  Result<State> state = read_state(datapath_);
  if (!state) return std::move(state.error()).in("read the datapath");
  return state;
}

Result<void> BpfDataplane::apply(const Step& step) {
  return std::visit([this](const auto& concrete) { return on(concrete); }, step);
}

Result<void> BpfDataplane::on(const PutEgress& step) {
  return datapath_.map<uint32_t, uint32_t>("loom_egress").put(step.ifindex, step.ifindex);
}

Result<void> BpfDataplane::on(const RemoveEgress& step) {
  return datapath_.map<uint32_t, uint32_t>("loom_egress").erase(step.ifindex);
}

Result<void> BpfDataplane::on(const PutSources& step) {
  const auto map = datapath_.map<uint32_t, loom_addr>("loom_sources");
  for (const auto& [index, address] : step.sources)
    if (Result<void> done = map.put(index, to_abi(address)); !done) return done;
  return {};
}

Result<void> BpfDataplane::on(const RemoveSources& step) {
  const auto map = datapath_.map<uint32_t, loom_addr>("loom_sources");
  for (const uint16_t index : step.indexes)
    if (Result<void> done = map.put(index, loom_addr{}); !done) return done;
  return {};
}

Result<uint32_t> BpfDataplane::next_generation() {
  const auto map = datapath_.map<uint32_t, loom_meta>("loom_meta");
  Result<std::optional<loom_meta>> meta = map.get(0);
  if (!meta) return meta.error();
  const uint32_t generation = (*meta)->next_generation++;
  if (Result<void> done = map.put(0, **meta); !done) return done.error();
  return generation;
}

Result<void> BpfDataplane::on(const PutBackend& step) {
  const auto entries = datapath_.map<uint32_t, loom_backend>("loom_backends");
  const uint32_t id = step.backend.id;
  uint32_t generation = 0;
  if (step.fresh) {
    const Result<uint32_t> next = next_generation();
    if (!next) return next.error();
    generation = *next;
    const std::vector<loom_counter> zero(static_cast<size_t>(possible_cpus()));
    Result<void> done =
        datapath_.map<uint32_t, loom_counter>("loom_backend_counters").put_per_cpu(id, zero);
    if (!done) return done;
    done = datapath_.map<uint32_t, loom_counter>("loom_backend_carry").put(id, loom_counter{});
    if (!done) return done;
  } else {
    const Result<std::optional<loom_backend>> old = entries.get(id);
    if (!old) return old.error();
    generation = (*old)->generation;
  }
  const BackendEntry out = to_abi(step, generation);
  // The info first: an entry that is in use always has one.
  Result<void> done =
      datapath_.map<uint32_t, loom_backend_info>("loom_backend_info").put(id, out.info);
  if (!done) return done;
  return entries.put(id, out.entry);
}

Result<void> BpfDataplane::on(const RemoveBackend& step) {
  const auto counters = datapath_.map<uint32_t, loom_counter>("loom_backend_counters");
  const auto infos = datapath_.map<uint32_t, loom_service_info>("loom_service_info");
  const auto entries = datapath_.map<uint32_t, loom_backend>("loom_backends");

  const std::unique_lock lock(retiring_);
  const Result<std::optional<loom_backend>> entry = entries.get(step.id);
  if (!entry) return entry.error();
  if (!*entry || (*entry)->forwarding == LOOM_FORWARD_NONE) return {};  // done before
  if (Result<void> done = entries.put(step.id, loom_backend{}); !done) return done;
  wait_for_packets_in_flight();

  Result<std::vector<loom_counter>> counts = counters.get_per_cpu(step.id);
  if (!counts) return counts.error();
  const Result<std::optional<loom_counter>> carried =
      datapath_.map<uint32_t, loom_counter>("loom_backend_carry").get(step.id);
  if (!carried) return carried.error();
  counts->push_back(carried->value_or(loom_counter{}));
  // A service that is gone itself left its counts with id 0.
  Result<std::optional<loom_service_info>> info = infos.get(step.service_id);
  if (!info) return info.error();
  const bool service_gone = !*info || (*info)->name[0] == '\0';
  const uint32_t heir = service_gone ? 0 : step.service_id;
  if (service_gone) info = infos.get(0);
  if (!info) return info.error();
  (*info)->retired = sum(*counts, (*info)->retired);
  return infos.put(heir, **info);
}

Result<void> BpfDataplane::on(const PutService& step) {
  const auto infos = datapath_.map<uint32_t, loom_service_info>("loom_service_info");
  const auto services = datapath_.map<uint32_t, loom_service>("loom_services");
  const Result<std::optional<loom_service_info>> known = infos.get(step.state.id);
  if (!known) return known.error();
  // A service that changes while it serves keeps its ring's digest and its retired counts.
  if (!*known || name_of((*known)->name) != step.service) {
    loom_service_info info{};
    copy_name(info.name, step.service);
    if (Result<void> done = infos.put(step.state.id, info); !done) return done;
  }
  return services.put(step.state.id, to_abi(step.state));
}

Result<void> BpfDataplane::on(const RemoveService& step) {
  const auto infos = datapath_.map<uint32_t, loom_service_info>("loom_service_info");
  Result<void> done =
      datapath_.map<uint32_t, loom_service>("loom_services").put(step.service_id, loom_service{});
  if (!done) return done;

  const std::unique_lock lock(retiring_);
  const Result<std::optional<loom_service_info>> info = infos.get(step.service_id);
  if (!info) return info.error();
  Result<std::optional<loom_service_info>> nobody = infos.get(0);
  if (!nobody) return nobody.error();
  (*nobody)->retired = sum({(*info)->retired}, (*nobody)->retired);
  if (done = infos.put(0, **nobody); !done) return done;
  const std::string name = name_of((*info)->name);
  if (done = infos.put(step.service_id, loom_service_info{}); !done) return done;
  const int err = bpf_map_delete_elem(datapath_.map_fd("loom_rings"), &step.service_id);
  if (err != 0 && errno != ENOENT) return Error(errno, "remove the ring");
  // A service that changed its id keeps its pin: the new ring is under it already.
  const Result<State> now = read_state(datapath_);
  if (now && !now->services.contains(name))
    unlink(datapath_.pins().ring(datapath_.generation(), name).c_str());
  return {};
}

Result<void> BpfDataplane::on(const PutRings& step) {
  const auto infos = datapath_.map<uint32_t, loom_service_info>("loom_service_info");
  std::vector<UniqueFd> rings;
  std::vector<int> fds;
  std::vector<uint32_t> ids;
  for (const PutRings::Ring& ring : step.rings) {
    const std::vector<uint32_t> slots =
        build_ring(ring.members, ring.recipe, datapath_.config().ring_size);
    Result<UniqueFd> fd = create_ring_map(slots);
    if (!fd) return std::move(fd.error()).in(ring.service);
    ids.push_back(ring.service_id);
    fds.push_back(fd->get());
    rings.push_back(std::move(*fd));
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

Result<void> BpfDataplane::on(const PutListener& step) {
  const loom_listener value{step.service_id, step.service_id == 0 ? LOOM_LISTENER_F_PASS : 0};
  if (!step.listener.port.is_exact())
    return datapath_.map<loom_range_key, loom_listener>("loom_port_ranges")
        .put(to_range_abi(step.listener), value);
  return datapath_.map<loom_listener_key, loom_listener>("loom_listeners")
      .put(to_abi(step.listener), value);
}

Result<void> BpfDataplane::on(const RemoveListener& step) {
  if (!step.listener.port.is_exact())
    return datapath_.map<loom_range_key, loom_listener>("loom_port_ranges")
        .erase(to_range_abi(step.listener));
  return datapath_.map<loom_listener_key, loom_listener>("loom_listeners")
      .erase(to_abi(step.listener));
}

Result<void> BpfDataplane::on(const PutVip& step) {
  return datapath_.map<loom_addr, loom_vip>("loom_vips")
      .put(to_abi(step.address), to_abi(step.state));
}

Result<void> BpfDataplane::on(const RemoveVip& step) {
  return datapath_.map<loom_addr, loom_vip>("loom_vips").erase(to_abi(step.address));
}

Result<void> BpfDataplane::on(const Attach& step) {
  const auto slots = datapath_.map<uint32_t, loom_interface>("loom_interfaces");
  const uint32_t slot = step.state.ifindex % LOOM_INTERFACE_SLOTS;
  const Result<std::optional<loom_interface>> there = slots.get(slot);
  if (!there) return there.error();
  const uint32_t holder = (*there).value_or(loom_interface{}).ifindex;
  if (holder != 0 && holder != step.state.ifindex && runs_on(holder))
    return Error(0, "its index " + std::to_string(step.state.ifindex) +
                        " and that of another interface (" + std::to_string(holder) +
                        ") share a slot; re-create one of them");
  // Before the program: its first packet must find its own address.
  if (Result<void> done = slots.put(slot, to_abi(step.state)); !done) return done;

  Result<std::string> note =
      attach_xdp(datapath_.pins(),
                 {step.interface, step.state.ifindex, step.state.mode, datapath_.program_fd()});
  if (!note) {
    // An interface we are not attached to must not look as if we were.
    const Result<void> undone = slots.put(slot, (*there).value_or(loom_interface{}));
    if (!undone) log_warning(undone.error().message());
    return note.error();
  }
  if (!note->empty()) mode_notes_[step.interface] = *note;
  return finish_switch();
}

bool BpfDataplane::runs_on(uint32_t ifindex) const {
  const std::vector<std::string> names = datapath_.pins().links();
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const Result<std::optional<PinnedLink>> link = pinned_link(datapath_.pins(), name);
    return link && *link && (*link)->ifindex == ifindex;
  });
}

/// Once the last interface that ran the old program has the new one, nobody uses what only the old
/// one needs.
Result<void> BpfDataplane::finish_switch() {
  if (!datapath_.switch_pending()) return {};
  for (const std::string& interface : datapath_.pins().links()) {
    const Result<std::optional<PinnedLink>> link = pinned_link(datapath_.pins(), interface);
    if (!link) return link.error();
    if (*link && (*link)->ifindex != 0 && (*link)->program_id != datapath_.program_id()) return {};
  }
  return datapath_.finish_switch();
}

Result<void> BpfDataplane::on(const Detach& step) {
  if (Result<void> done = detach_xdp(datapath_.pins(), step.interface); !done) return done;
  mode_notes_.erase(step.interface);
  const auto slots = datapath_.map<uint32_t, loom_interface>("loom_interfaces");
  const uint32_t slot = step.state.ifindex % LOOM_INTERFACE_SLOTS;
  const Result<std::optional<loom_interface>> there = slots.get(slot);
  if (!there) return there.error();
  if (step.state.ifindex != 0 && *there && (*there)->ifindex == step.state.ifindex)
    if (Result<void> done = slots.put(slot, loom_interface{}); !done) return done;
  return finish_switch();
}

Result<uint32_t> BpfDataplane::next_api_id() {
  const auto map = datapath_.map<uint32_t, loom_meta>("loom_meta");
  Result<std::optional<loom_meta>> meta = map.get(0);
  if (!meta) return meta.error();
  const uint32_t id = (*meta)->next_api_id++;
  if (Result<void> done = map.put(0, **meta); !done) return done.error();
  return id;
}

Result<void> BpfDataplane::reserve_api_id(uint32_t id) {
  const auto map = datapath_.map<uint32_t, loom_meta>("loom_meta");
  Result<std::optional<loom_meta>> meta = map.get(0);
  if (!meta) return meta.error();
  if ((*meta)->next_api_id > id) return {};
  (*meta)->next_api_id = id + 1;
  return map.put(0, **meta);
}

Result<std::map<uint32_t, uint32_t>> BpfDataplane::ring_slots(const std::string& service) const {
  const Result<UniqueFd> ring = open_pin(datapath_.pins().ring(datapath_.generation(), service));
  if (!ring) return ring.error();
  return count_slots(ring->get(), datapath_.config().ring_size);
}

Result<Counters> BpfDataplane::counters() const {
  const std::shared_lock lock(retiring_);
  return read_counters(datapath_);
}

Result<ConnectionList> BpfDataplane::connections(const ConnectionQuery& query) const {
  return read_connections(datapath_, query);
}

Result<FlowSweep> BpfDataplane::sweep() const {
  return sweep_flows(datapath_);
}

Result<void> BpfDataplane::limit_connections(Limit limit) {
  return datapath_.change_setting(LOOM_SETTING_CONNECTION_LIMIT, limit == Limit::kReached);
}

Result<std::vector<MapFill>> BpfDataplane::maps() const {
  return read_map_fill(datapath_);
}

std::vector<ProgramInfo> BpfDataplane::programs() const {
  std::vector<ProgramInfo> out;
  for (const std::string& interface : datapath_.pins().links()) {
    const Result<std::optional<PinnedLink>> link = pinned_link(datapath_.pins(), interface);
    if (!link || !*link || (*link)->ifindex == 0 || (*link)->program_id != datapath_.program_id())
      continue;
    ProgramInfo info{interface, "", "link", (*link)->program_id, datapath_.program_tag(), ""};
    if (const auto there = xdp_attached((*link)->ifindex); there && *there)
      info.mode = to_string((*there)->mode);
    if (const auto note = mode_notes_.find(interface); note != mode_notes_.end())
      info.note = note->second;
    out.push_back(std::move(info));
  }
  return out;
}

}  // namespace loom
