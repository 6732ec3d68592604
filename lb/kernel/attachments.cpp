// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/attachments.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lb/base/log.hpp"
#include "lb/kernel/attach.hpp"
#include "lb/kernel/attach_tc.hpp"
#include "lb/kernel/codec.hpp"
#include "lb/kernel/xdp_probe.hpp"

namespace loom {
namespace {

/// Frames of a veth come from a stack that leaves checksums to the receiver.
bool is_veth(const std::string& interface) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), sizeof(request.ifr_name) - 1);
  request.ifr_data = reinterpret_cast<char*>(&info);
  return socket && ioctl(socket.get(), SIOCETHTOOL, &request) == 0 &&
         std::strcmp(info.driver, "veth") == 0;
}

BpfMap<uint32_t, loom_interface> slots_of(const Datapath& datapath) {
  return datapath.map<uint32_t, loom_interface>("loom_interfaces");
}

Result<void> put_interface(const Datapath& datapath, const Attach& step, uint8_t flags) {
  loom_interface entry = to_abi(step.state);
  entry.flags = flags;
  return slots_of(datapath).put(entry.ifindex % LOOM_INTERFACE_SLOTS, entry);
}

AttachRequest request_for(const Attach& step, int program_fd) {
  return {step.interface, step.state.ifindex, step.state.mode, program_fd};
}

/// Alone. XDP goes last: until then it takes the packets before TC sees them.
Result<void> switch_to_tc(const Datapath& datapath, const Attach& step) {
  if (Result<void> done = attach_tc(datapath.pins(), request_for(step, datapath.tc_program_fd()));
      !done)
    return done;
  if (Result<void> done = put_interface(datapath, step, 0); !done) return done;
  return detach_xdp(datapath.pins(), step.interface);
}

/// TC beside XDP is a help and not a condition: without it what XDP hands up goes to the stack.
Result<void> add_tc(const Datapath& datapath, const Attach& step) {
  uint8_t flags = LOOM_INTERFACE_F_XDP;
  const Result<std::optional<XdpAttachment>> there = xdp_attached(step.state.ifindex);
  const bool generic = there && *there && (*there)->mode == AttachMode::kGeneric;
  if (generic || is_veth(step.interface)) flags |= LOOM_INTERFACE_F_PARTIAL;
  // Since 6.9 TC sees no Ethernet header of what such a program passes in generic mode.
  if (generic && datapath.config().multi_buffer) {
    log_warning(step.interface +
                ": no TC program beside XDP, which went to generic mode by itself "
                "(ebpf.xdp.mode: generic makes room for it)");
    if (Result<void> done = detach_tc(datapath.pins(), step.interface); !done) return done;
    return put_interface(datapath, step, flags);
  }
  const Result<void> beside =
      attach_tc(datapath.pins(), request_for(step, datapath.tc_program_fd()));
  if (beside)
    flags |= LOOM_INTERFACE_F_TC;
  else
    log_warning(step.interface + ": no TC program beside XDP: " + beside.error().message());
  return put_interface(datapath, step, flags);
}

/// What the interface's entry says until add_tc() knows better: too careful with checksums, and
/// claiming a TC program, so that a start that finds it attaches again. TC alone goes on as it is.
uint8_t flags_before(XdpMode wanted, std::optional<uint8_t> now) {
  if (wanted == XdpMode::kTc) return now.value_or(0);
  const bool tc_alone = now && !(*now & LOOM_INTERFACE_F_XDP);
  return tc_alone ? LOOM_INTERFACE_F_PARTIAL
                  : LOOM_INTERFACE_F_XDP | LOOM_INTERFACE_F_PARTIAL | LOOM_INTERFACE_F_TC;
}

bool is_refusal(const Error& error) {
  switch (error.code()) {
    case EOPNOTSUPP:
    case EINVAL:
    case ERANGE:
    case EEXIST:  // A device on top of this one has a program.
      return true;
    default:
      return false;
  }
}

Result<std::string> switch_to(const Datapath& datapath, const Attach& step) {
  if (step.state.mode == XdpMode::kTc) {
    if (Result<void> done = switch_to_tc(datapath, step); !done) return done.error();
    return std::string();
  }
  Result<std::string> note = attach_xdp(datapath.pins(), request_for(step, datapath.program_fd()));
  if (note) {
    if (Result<void> done = add_tc(datapath, step); !done) return done.error();
    return note;
  }
  if (step.state.mode != XdpMode::kAuto || !is_refusal(note.error())) return note;
  if (Result<void> done = switch_to_tc(datapath, step); !done) return done.error();
  return "XDP refused: " + note.error().message();
}

}  // namespace

Result<std::map<std::string, Attached>> attached_interfaces(const Datapath& datapath) {
  std::map<std::string, Attached> out;
  for (const std::string& interface : datapath.pins().filters()) {
    const Result<std::optional<TcFilter>> filter = tc_filter(datapath.pins(), interface);
    if (!filter) return filter.error();
    const TcFilter found = filter->value_or(TcFilter{});
    out[interface] = {found.ifindex, XdpMode::kTc, found.program_id, false,
                      found.ifindex != 0 && found.program_id == datapath.tc_program_id()};
  }
  for (const std::string& interface : datapath.pins().links()) {
    const Result<std::optional<PinnedLink>> link = pinned_link(datapath.pins(), interface);
    if (!link) return link.error();
    if (!*link) continue;
    const Attached tc = out[interface];
    Attached found{(*link)->ifindex, XdpMode::kNative, (*link)->program_id, tc.ifindex != 0,
                   (*link)->ifindex != 0 && (*link)->program_id == datapath.program_id() &&
                       (tc.ifindex == 0 || tc.current)};
    const auto there = xdp_attached(found.ifindex);
    if (there && *there && (*there)->mode == AttachMode::kGeneric) found.mode = XdpMode::kGeneric;
    out[interface] = found;
  }
  return out;
}

namespace {

bool runs_on(const Datapath& datapath, uint32_t ifindex) {
  const Result<std::map<std::string, Attached>> attached = attached_interfaces(datapath);
  return attached && std::any_of(attached->begin(), attached->end(), [&](const auto& entry) {
           return entry.second.ifindex == ifindex;
         });
}

}  // namespace

Result<void> check_attachable(Pins& pins, const std::string& interface, XdpMode mode) {
  return mode == XdpMode::kTc ? check_attachable_tc(pins, interface)
                              : check_attachable_xdp(pins, interface);
}

Result<std::string> attach_interface(const Datapath& datapath, const Attach& step) {
  const auto slots = slots_of(datapath);
  const uint32_t slot = step.state.ifindex % LOOM_INTERFACE_SLOTS;
  const Result<std::optional<loom_interface>> there = slots.get(slot);
  if (!there) return there.error();
  const uint32_t holder = (*there).value_or(loom_interface{}).ifindex;
  if (holder != 0 && holder != step.state.ifindex && runs_on(datapath, holder))
    return Error(0, "its index " + std::to_string(step.state.ifindex) +
                        " and that of another interface (" + std::to_string(holder) +
                        ") share a slot; re-create one of them");
  const bool is_known = holder == step.state.ifindex;
  // Before the program: its first packet must find its own address.
  const uint8_t flags =
      flags_before(step.state.mode, is_known ? std::optional((*there)->flags) : std::nullopt);
  if (Result<void> done = put_interface(datapath, step, flags); !done) return done.error();

  Result<std::string> note = switch_to(datapath, step);
  if (note) return note;
  // An interface we are not attached to must not look as if we were.
  const Result<void> undone = slots.put(slot, (*there).value_or(loom_interface{}));
  if (!undone) log_warning(undone.error().message());
  return note;
}

Result<void> detach_interface(const Datapath& datapath, const Detach& step) {
  if (Result<void> done = detach_xdp(datapath.pins(), step.interface); !done) return done;
  if (Result<void> done = detach_tc(datapath.pins(), step.interface); !done) return done;
  const auto slots = slots_of(datapath);
  const uint32_t slot = step.state.ifindex % LOOM_INTERFACE_SLOTS;
  const Result<std::optional<loom_interface>> there = slots.get(slot);
  if (!there) return there.error();
  if (step.state.ifindex == 0 || !*there || (*there)->ifindex != step.state.ifindex) return {};
  return slots.put(slot, loom_interface{});
}

}  // namespace loom
