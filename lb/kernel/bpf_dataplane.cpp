// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/bpf_dataplane.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "lb/base/log.hpp"
#include "lb/kernel/attachments.hpp"
#include "lb/kernel/codec.hpp"
#include "lb/kernel/read_counters.hpp"
#include "lb/kernel/read_state.hpp"
#include "lb/kernel/ring_map.hpp"

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
    if (Result<void> done = check_attachable(*pins, interface, options.mode); !done)
      return done.error();
  Result<Datapath> datapath = Datapath::open(std::move(*pins), options.datapath);
  if (!datapath) return datapath.error();
  std::unique_ptr<BpfDataplane> self(new BpfDataplane(std::move(*datapath)));
  const Result<State> state = self->read();
  if (!state) return state.error();
  if (Result<void> done = self->rings_.restore(*state); !done) return done.error();
  return self;
}

Result<void> BpfDataplane::detach_all() {
  const Pins& pins = datapath_.pins();
  for (const std::vector<std::string>& interfaces : {pins.links(), pins.filters()})
    for (const std::string& interface : interfaces)
      if (Result<void> done = detach_interface(datapath_, {interface, {}}); !done) return done;
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

  // First: once the entry is gone, an interrupted removal is not taken up again.
  if (Result<void> done = rings_.forget(step.service, step.id); !done) return done;
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
  // Slots are flagged before the table is left alone for those that are not, and not after it.
  const auto put_entry = [&] { return services.put(step.state.id, to_abi(step.state)); };
  const auto put_past = [&] { return rings_.put_service(step.service, step.state); };
  const bool past_first = step.state.tracking == Tracking::kAtRisk;
  if (Result<void> done = past_first ? put_past() : put_entry(); !done) return done;
  return past_first ? put_entry() : put_past();
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
  if (now && !now->services.contains(name)) forget_ring(name);
  return {};
}

void BpfDataplane::forget_ring(const std::string& service) {
  rings_.remove(service);
  unlink(datapath_.pins().ring(datapath_.generation(), service).c_str());
}

Result<void> BpfDataplane::on(const PutRings& step) {
  return rings_.publish(step);
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
  Result<std::string> note = attach_interface(datapath_, step);
  if (!note) return note.error();
  if (!note->empty()) mode_notes_[step.interface] = *note;
  return finish_switch();
}

/// Once the last interface that ran the old program has the new one, nobody uses what only the old
/// one needs.
Result<void> BpfDataplane::finish_switch() {
  if (!datapath_.switch_pending()) return {};
  const Result<std::map<std::string, Attached>> attached = attached_interfaces(datapath_);
  if (!attached) return attached.error();
  for (const auto& [interface, found] : *attached)
    if (found.ifindex != 0 && !found.current) return {};
  return datapath_.finish_switch();
}

Result<void> BpfDataplane::on(const Detach& step) {
  if (Result<void> done = detach_interface(datapath_, step); !done) return done;
  mode_notes_.erase(step.interface);
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

Result<void> BpfDataplane::age_rings(const FlowSweep& sweep) {
  if (Result<void> done = rings_.expire(monotonic_now()); !done) return done;
  return rings_.set_exceptions(sweep.exceptions, sweep.began);
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
  const Result<std::map<std::string, Attached>> attached = attached_interfaces(datapath_);
  if (!attached) return out;
  for (const auto& [interface, found] : *attached) {
    if (!found.current) continue;
    const bool tc = found.mode == XdpMode::kTc;
    ProgramInfo info{interface,
                     std::string(to_string(found.mode)),
                     tc ? "filter" : "link",
                     found.program_id,
                     tc ? datapath_.tc_program_tag() : datapath_.program_tag(),
                     ""};
    if (const auto note = mode_notes_.find(interface); note != mode_notes_.end())
      info.note = note->second;
    out.push_back(std::move(info));
  }
  return out;
}

}  // namespace loom
