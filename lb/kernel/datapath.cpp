// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/datapath.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "lb/base/hash.hpp"
#include "lb/base/log.hpp"
#include "lb/kernel/bpf_log.hpp"
#include "lb/kernel/migrate.hpp"
#include "lb/kernel/ring_map.hpp"
#include "lb/kernel/tc_program.hpp"
#include "loom_xdp.skel.h"

namespace loom {

/// The global command is a synchronize_rcu(). Where it is missing (nohz_full kernels) a packet may
/// be counted late.
void wait_for_packets_in_flight() {
  syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

namespace {

struct Destroy {
  void operator()(loom_xdp* skeleton) const { loom_xdp::destroy(skeleton); }
};
using Skeleton = std::unique_ptr<loom_xdp, Destroy>;

/// bpf_xdp_get_buff_len and multi-buffer programs came together, in 5.18.
bool kernel_has_frags() {
  static const bool has =
      libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_get_buff_len, nullptr) == 1;
  return has;
}

bool is_pinned_map(const bpf_map* map) {
  return !bpf_map__is_internal(map) && bpf_map__type(map) != BPF_MAP_TYPE_PROG_ARRAY;
}

// Arrays of programs are named after what was loaded: until all interfaces run the new program,
// both are in use.
constexpr char kXdpLater[] = "loom_xdp_later";
constexpr char kTcLater[] = "loom_tc_later";

std::string pin_suffix(uint64_t digest) {
  return "-" + std::to_string(digest);
}

}  // namespace

/// One Datapath::open() call.
class DatapathOpener {
 public:
  DatapathOpener(Pins pins, const DatapathConfig& config) : out_(std::move(pins)) {
    out_.config_ = config;
  }

  Result<Datapath> open() {
    capture_libbpf_log();
    skeleton_.reset(loom_xdp::open());
    if (!skeleton_) return load_error(errno, take_libbpf_log());
    if (Result<void> done = configure(); !done) return done.error();

    Result<std::string> current = out_.pins_.current();
    if (!current) return current.error();
    out_.generation_ = *current;
    Result<void> done = current->empty() || !open_old_maps()
                            ? start_fresh()
                            : (shapes_match() ? take_over() : migrate());
    if (!done) return done.error();
    if (done = describe(out_.xdp_); !done) return done.error();
    if (done = describe(out_.tc_); !done) return done.error();
    if (out_.origin_ == Datapath::Origin::kAdopted ||
        out_.origin_ == Datapath::Origin::kReprogrammed)
      if (done = resume_migration(); !done) return done.error();
    return std::move(out_);
  }

 private:
  Result<void> configure() {
    const DatapathConfig& config = out_.config_;
    int err = bpf_map__set_max_entries(skeleton_->maps.loom_backends, config.max_backends + 1);
    err |= bpf_map__set_max_entries(skeleton_->maps.loom_backend_info, config.max_backends + 1);
    err |= bpf_map__set_max_entries(skeleton_->maps.loom_backend_counters, config.max_backends + 1);
    err |= bpf_map__set_max_entries(skeleton_->maps.loom_backend_carry, config.max_backends + 1);
    err |= bpf_map__set_max_entries(skeleton_->maps.loom_flows, config.max_flows);
    err |= bpf_map__set_max_entries(skeleton_->maps.loom_probation, config.max_probation);
    // By a template of our own: resizing the inner map's definition crashes libbpf 1.1.
    Result<UniqueFd> ring = create_ring_map(std::vector<uint32_t>(config.ring_size, 0));
    if (!ring) return ring.error();
    ring_template_ = std::move(*ring);
    err |= bpf_map__set_inner_map_fd(skeleton_->maps.loom_rings, ring_template_.get());
    if (err != 0) return Error(EINVAL, "size the maps: " + take_libbpf_log());

    loom_config& rodata = const_cast<loom_config&>(skeleton_->rodata->loom_config);
    rodata = {};
    for (size_t i = 0; i < config.timeouts.size(); ++i)
      rodata.timeout[i] = static_cast<uint64_t>(config.timeouts[i].count()) * config.hz / 1000;
    rodata.ring_size = config.ring_size;
    out_.config_.multi_buffer = config.multi_buffer && kernel_has_frags();
    if (config.multi_buffer) rodata.features |= LOOM_FEATURE_FRAGS;
    if (config.drop_extension_headers) rodata.features |= LOOM_FEATURE_DROP_EXTENSION_HEADERS;
    rodata.nat_port_min = config.nat_port_min;
    rodata.nat_port_max = config.nat_port_max;
    rodata.answer_rate = config.answer_rate;
    rodata.fragment_timeout = uint64_t{config.fragment_timeout_s} * config.hz;
    rodata.hz = config.hz;
    // Not by the section name: libbpf 1.1 would ask for it on kernels that refuse it.
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj) if (config.multi_buffer)
        bpf_program__set_flags(program, bpf_program__flags(program) | BPF_F_XDP_HAS_FRAGS);

    size_t size = 0;
    const auto* code = static_cast<const char*>(loom_xdp::elf_bytes(&size));
    digest_ = Digest()
                  .add(std::string_view(code, size))
                  .add(tc_program_code())
                  .add(std::string_view(reinterpret_cast<const char*>(&rodata), sizeof(rodata)))
                  .value();
    out_.pin_suffix_ = pin_suffix(digest_);
    return {};
  }

  /// False: the current generation is damaged; then it is as if there were none.
  bool open_old_maps() {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton_->obj) {
      if (!is_pinned_map(map)) continue;
      Result<UniqueFd> fd = open_pin(out_.pins_.map(out_.generation_, bpf_map__name(map)));
      if (fd) old_.emplace(bpf_map__name(map), std::move(*fd));
    }
    loom_meta meta{};
    const auto found = old_.find("loom_meta");
    if (found == old_.end()) return false;
    const uint32_t zero = 0;
    bpf_map_info info{};
    uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(found->second.get(), &info, &length) != 0) return false;
    std::vector<uint8_t> value(std::max<size_t>(info.value_size, sizeof(meta)));
    if (bpf_map_lookup_elem(found->second.get(), &zero, value.data()) != 0) return false;
    std::memcpy(&meta, value.data(), std::min<size_t>(info.value_size, sizeof(meta)));
    if (meta.magic != LOOM_ABI_MAGIC || meta.abi_version != LOOM_ABI_VERSION) {
      log_warning("pinned state has ABI version " + std::to_string(meta.abi_version) +
                  ", this loomd needs " + std::to_string(LOOM_ABI_VERSION) +
                  ": starting with an empty flow table");
      return false;
    }
    old_digest_ = meta.program_digest;
    return true;
  }

  bool shapes_match() const {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton_->obj) {
      if (!is_pinned_map(map)) continue;
      const auto old = old_.find(bpf_map__name(map));
      if (old == old_.end() || !same_shape(map, old->second.get())) return false;
    }
    // The ring size shows in no outer map: it is part of the program digest and of the meta entry.
    loom_meta meta{};
    const uint32_t zero = 0;
    return bpf_map_lookup_elem(old_.at("loom_meta").get(), &zero, &meta) == 0 &&
           meta.ring_size == out_.config_.ring_size;
  }

  Result<void> take_over() {
    if (old_digest_ == digest_ && open_programs()) {
      out_.maps_ = std::move(old_);
      out_.origin_ = Datapath::Origin::kAdopted;
      return {};
    }
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton_->obj) {
      if (!is_pinned_map(map)) continue;
      if (bpf_map__reuse_fd(map, old_.at(bpf_map__name(map)).get()) != 0)
        return Error(errno, std::string("reuse ") + bpf_map__name(map));
    }
    out_.origin_ = Datapath::Origin::kReprogrammed;
    return load_and_pin();
  }

  /// False: a pin is missing, and nothing of the others is kept.
  bool open_programs() {
    const auto pinned = [&](const std::string& name) {
      return open_pin(out_.pins_.program(out_.generation_, name));
    };
    Result<UniqueFd> program = pinned("loom_xdp");
    Result<UniqueFd> clock = pinned("loom_clock");
    Result<UniqueFd> later = pinned(kXdpLater + out_.pin_suffix_);
    Result<UniqueFd> tc = pinned("loom_tc");
    Result<UniqueFd> tc_later = pinned(kTcLater + out_.pin_suffix_);
    if (!program || !clock || !later || !tc || !tc_later) return false;
    out_.xdp_.fd = std::move(*program);
    out_.clock_program_ = std::move(*clock);
    out_.later_programs_ = std::move(*later);
    out_.tc_.fd = std::move(*tc);
    out_.tc_later_programs_ = std::move(*tc_later);
    return true;
  }

  Result<void> start_fresh() {
    const bool nothing_there =
        out_.generation_.empty() && out_.pins_.links().empty() && out_.pins_.filters().empty();
    out_.origin_ = nothing_there ? Datapath::Origin::kFresh : Datapath::Origin::kReplaced;
    Result<std::string> generation = out_.pins_.create_generation();
    if (!generation) return generation.error();
    out_.generation_ = *generation;
    if (Result<void> done = load_and_pin(); !done) return done;
    if (Result<void> done = out_.pins_.set_current(out_.generation_); !done) return done;
    return out_.pins_.remove_generations_but(out_.generation_);
  }

  Result<void> migrate() {
    const std::string old_generation = out_.generation_;
    Result<std::string> generation = out_.pins_.create_generation();
    if (!generation) return generation.error();
    out_.generation_ = *generation;
    out_.origin_ = Datapath::Origin::kMigrated;
    if (Result<void> done = load_and_pin(); !done) return done;

    if (Result<void> done = out_.change_setting(LOOM_SETTING_HANDOVER, true); !done) return done;
    if (Result<void> done = copy_tables(old_, out_.maps_); !done) return done;
    if (Result<void> done = copy_counters(old_, out_.maps_); !done) return done;
    if (Result<void> done = copy_rings(out_.pins_, old_generation, out_.generation_, out_.maps_,
                                       out_.config_.ring_size);
        !done)
      return done;
    if (Result<void> done = write_meta(); !done) return done;  // copy_tables() brought the old one
    if (const Result<void> flows = copy_flows(old_, out_.maps_); !flows)
      log_warning("flows cannot be taken over: " + flows.error().message());
    out_.old_maps_ = std::move(old_);
    return {};
  }

  /// The last daemon ended between its switch to this generation and the end of the copying.
  Result<void> resume_migration() {
    const Result<std::optional<loom_settings>> settings =
        out_.map<uint32_t, loom_settings>("loom_settings").get(0);
    if (!settings) return settings.error();
    const std::string other = out_.pins_.other_generation(out_.generation_);
    const bool interrupted = *settings && (*settings)->flags & LOOM_SETTING_HANDOVER;
    if (!interrupted) return out_.pins_.remove_generations_but(out_.generation_);
    // Everything was copied; only the mark was left, under which unknown NAT packets are dropped.
    if (other.empty())
      return out_.map<uint32_t, loom_settings>("loom_settings").put(0, loom_settings{});
    log_info("finishing an interrupted migration");
    for (const auto& [name, fd] : out_.maps_) {
      Result<UniqueFd> old = open_pin(out_.pins_.map(other, name));
      if (old) out_.old_maps_.emplace(name, std::move(*old));
    }
    return out_.finish_switch();
  }

  Result<void> load_and_pin() {
    if (loom_xdp::load(skeleton_.get()) != 0) return load_error(errno, take_libbpf_log());
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton_->obj) {
      if (!is_pinned_map(map)) continue;
      const std::string name = bpf_map__name(map);
      UniqueFd fd(fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0));
      if (!fd) return Error(errno, "keep " + name);
      if (out_.origin_ != Datapath::Origin::kReprogrammed)
        if (Result<void> done = pin_replacing(fd.get(), out_.pins_.map(out_.generation_, name));
            !done)
          return done;
      out_.maps_.insert_or_assign(name, std::move(fd));
    }
    if (Result<void> done = keep(bpf_map__fd(skeleton_->maps.loom_xdp_later),
                                 kXdpLater + out_.pin_suffix_, out_.later_programs_);
        !done)
      return done;
    if (Result<void> done = keep_program(skeleton_->progs.loom_xdp, out_.xdp_.fd); !done)
      return done;
    if (Result<void> done = keep_program(skeleton_->progs.loom_clock, out_.clock_program_); !done)
      return done;
    if (Result<void> done = load_tc(); !done) return done;
    return write_meta();
  }

  Result<void> load_tc() {
    Result<TcProgram> tc = load_tc_program(out_.maps_, skeleton_->rodata->loom_config);
    if (!tc) return tc.error();
    Result<void> done =
        keep(tc->later_programs.get(), kTcLater + out_.pin_suffix_, out_.tc_later_programs_);
    return done ? keep(tc->program.get(), "loom_tc", out_.tc_.fd) : done;
  }

  Result<void> keep_program(const bpf_program* program, UniqueFd& out) {
    return keep(bpf_program__fd(program), bpf_program__name(program), out);
  }

  Result<void> keep(int fd, const std::string& name, UniqueFd& out) {
    out.reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!out) return Error(errno, "keep " + name);
    return pin_replacing(out.get(), out_.pins_.program(out_.generation_, name));
  }

  Result<void> write_meta() {
    const auto map = out_.map<uint32_t, loom_meta>("loom_meta");
    const Result<std::optional<loom_meta>> old = map.get(0);
    if (!old) return old.error();
    loom_meta meta = old->value_or(loom_meta{});
    meta.magic = LOOM_ABI_MAGIC;
    meta.abi_version = LOOM_ABI_VERSION;
    meta.program_digest = digest_;
    meta.ring_size = out_.config_.ring_size;
    if (meta.next_generation == 0) meta.next_generation = 1;
    if (meta.next_api_id == 0) meta.next_api_id = 1;
    return map.put(0, meta);
  }

  Datapath out_;
  Skeleton skeleton_;
  UniqueFd ring_template_;  ///< Only its shape counts.
  MapSet old_;
  uint64_t digest_ = 0;
  uint64_t old_digest_ = 0;
};

Result<Datapath> Datapath::open(Pins pins, const DatapathConfig& config) {
  return DatapathOpener(std::move(pins), config).open();
}

int Datapath::map_fd(const std::string& name) const {
  const auto it = maps_.find(name);
  if (it == maps_.end()) std::abort();
  return it->second.get();
}

Result<loom_clock> Datapath::now() const {
  std::array<uint8_t, 64> frame{};  // test runs want at least an Ethernet header
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = frame.size());
  if (bpf_prog_test_run_opts(clock_program_.get(), &options) != 0)
    return Error(errno, "read the datapath's clock");
  const Result<std::optional<loom_clock>> clock =
      map<uint32_t, loom_clock>("loom_clock_value").get(0);
  if (!clock) return clock.error();
  return clock->value_or(loom_clock{});
}

std::vector<std::string> Datapath::old_programs() const {
  std::vector<std::string> pins = pins_.programs(generation_);
  std::erase_if(pins, [&](const std::string& pin) {
    const bool is_array = pin.starts_with(kXdpLater) || pin.starts_with(kTcLater);
    return !is_array || pin.ends_with(pin_suffix_);
  });
  return pins;
}

bool Datapath::switch_pending() const {
  return !old_maps_.empty() || !old_programs().empty();
}

Result<void> Datapath::finish_switch() {
  for (const std::string& pin : old_programs())
    if (unlink(pins_.program(generation_, pin).c_str()) != 0)
      return Error(errno, "remove the pin " + pin);
  if (old_maps_.empty()) return {};
  // Current before the copies: a start after a crash must go on here and not begin again, or the
  // flows made since the switch would be lost.
  if (Result<void> done = pins_.set_current(generation_); !done) return done;
  wait_for_packets_in_flight();
  if (const Result<void> flows = copy_flows(old_maps_, maps_); !flows)
    log_warning("flows cannot be taken over: " + flows.error().message());
  if (const Result<void> counts = copy_counters(old_maps_, maps_); !counts)
    log_warning("counters cannot be taken over: " + counts.error().message());
  old_maps_.clear();
  if (Result<void> done = pins_.remove_generations_but(generation_); !done) return done;
  return change_setting(LOOM_SETTING_HANDOVER, false);
}

Result<void> Datapath::change_setting(uint32_t setting, bool on) const {
  const std::lock_guard lock(*settings_);
  const auto settings = map<uint32_t, loom_settings>("loom_settings");
  const Result<std::optional<loom_settings>> now = settings.get(0);
  if (!now) return now.error();
  loom_settings next = now->value_or(loom_settings{});
  next.flags = on ? next.flags | setting : next.flags & ~setting;
  return settings.put(0, next);
}

}  // namespace loom
