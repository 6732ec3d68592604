// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/decap.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lb/kernel/bpf_log.hpp"
#include "lb/kernel/decap_pins.hpp"
#include "lb/kernel/decap_program.hpp"
#include "lb/kernel/pins.hpp"
#include "lb/kernel/xdp_probe.hpp"
#include "loom/decap.h"

namespace loom {
namespace {

/// An interface of this network namespace.
struct Interface {
  std::string name;
  uint32_t ifindex = 0;
};

/// How the program was attached, and why so.
struct Attachment {
  DecapMode mode = DecapMode::kDetached;
  uint32_t program_id = 0;
  std::string note;
};

/// True for an IPv6 prefix that, over the addresses as the map holds them, holds IPv4 ones too.
bool covers_v4(const Prefix& prefix) {
  if (prefix.address.is_v4()) return false;
  const IpAddr any_v4 = IpAddr::from_v4({0, 0, 0, 0});
  for (unsigned bit = 0; bit < prefix.length; ++bit) {
    const unsigned differs = (prefix.address.bytes()[bit / 8] ^ any_v4.bytes()[bit / 8]) & 0xffu;
    if (differs & (0x80u >> (bit % 8))) return false;
  }
  return prefix.length <= 96;
}

Result<void> check_options(const DecapOptions& options) {
  if (options.from.empty())
    return Error(EINVAL, "No balancers are given")
        .with_hint("name them with --from: a tunnel end open to everybody is an open relay");
  if (options.vips.empty())
    return Error(EINVAL, "No VIPs are given").with_hint("name the services' addresses with --vip");
  if (options.encaps.empty()) return Error(EINVAL, "No encapsulation is given");
  if (options.port == 0) return Error(EINVAL, "The GUE port must not be 0");
  if (options.from.size() > LOOM_DECAP_MAX_SOURCES)
    return Error(EINVAL, std::to_string(options.from.size()) + " balancers are too many; at most " +
                             std::to_string(LOOM_DECAP_MAX_SOURCES) + " prefixes fit");
  if (options.vips.size() > LOOM_DECAP_MAX_VIPS)
    return Error(EINVAL, std::to_string(options.vips.size()) + " VIPs are too many; at most " +
                             std::to_string(LOOM_DECAP_MAX_VIPS) + " fit");
  for (const Prefix& prefix : options.from)
    if (covers_v4(prefix))
      return Error(EINVAL, prefix.to_string() + " is too wide for a list of balancers")
          .with_hint("2000::/3 is all of the public IPv6 Internet");
  return {};
}

Result<Interface> find_interface(const std::string& name) {
  const uint32_t ifindex = if_nametoindex(name.c_str());
  if (ifindex == 0)
    return Error(ENOENT, "There is no interface " + name + " in this network namespace");
  return Interface{name, ifindex};
}

/// 0 if it cannot be told.
uint32_t program_id(int fd) {
  bpf_prog_info info{};
  uint32_t length = sizeof(info);
  return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 ? info.id : 0;
}

// ---- XDP --------------------------------------------------------------------------------------

/// The attachment our pinned link stands for.
struct PinnedLink {
  UniqueFd fd;
  uint32_t ifindex = 0;  ///< In its own network namespace; 0: that interface is gone.
  uint32_t program_id = 0;
};

/// Without fd: there is none.
Result<PinnedLink> pinned_link(const DecapPins& pins) {
  Result<UniqueFd> fd = open_pin(pins.link());
  if (!fd) {
    if (fd.error().code() == ENOENT) return PinnedLink{};
    return failed(fd.error());
  }
  bpf_link_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd->get(), &info, &length) != 0)
    return failed(errno, "cannot look at " + pins.link());
  return PinnedLink{std::move(*fd), info.xdp.ifindex, info.prog_id};
}

DecapMode mode_of(AttachMode mode) {
  return mode == AttachMode::kGeneric ? DecapMode::kGeneric : DecapMode::kNative;
}

/// What the link does on this interface, as the interface sees it.
Result<Attachment> xdp_attachment(const Interface& interface, const PinnedLink& link) {
  const Result<std::optional<XdpAttachment>> found = xdp_attached(interface.ifindex);
  if (!found) return failed(found.error());
  if (!*found || !link.fd || (*found)->prog_id != link.program_id) return Attachment{};
  return Attachment{mode_of((*found)->mode), link.program_id, {}};
}

/// Nobody else's program is replaced, or moved aside.
Result<void> require_free(const Interface& interface, const PinnedLink& ours) {
  const Result<std::optional<XdpAttachment>> found = xdp_attached(interface.ifindex);
  if (!found) return failed(found.error());
  if (!*found || (ours.fd && (*found)->prog_id == ours.program_id)) return {};
  return Error(EBUSY, describe_attachment(interface.name, **found) + ", which is not ours")
      .with_hint("detach it (bpftool net detach xdp dev " + interface.name +
                 ", or the tool that made it), or attach with --tc");
}

Result<Attachment> create_link(const Interface& interface, int program, const DecapPins& pins) {
  Attachment out{DecapMode::kNative, program_id(program), {}};
  const auto create = [&](uint32_t flags) {
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
    return UniqueFd(
        bpf_link_create(program, static_cast<int>(interface.ifindex), BPF_XDP, &options));
  };
  UniqueFd link = create(XDP_FLAGS_DRV_MODE);
  if (!link && errno != EPERM && errno != EBUSY) {
    out.mode = DecapMode::kGeneric;
    out.note = interface.name + " does not take XDP in its driver: " + std::strerror(errno);
    link = create(XDP_FLAGS_SKB_MODE);
  }
  if (!link) return failed(errno, "cannot attach the XDP program to " + interface.name);
  if (Result<void> done = pin_replacing(link.get(), pins.link()); !done)
    return failed(done.error());
  return out;
}

Result<Attachment> attach_xdp(const Interface& interface, int program, const DecapPins& pins) {
  const Result<PinnedLink> link = pinned_link(pins);
  if (!link) return link.error();
  if (Result<void> done = require_free(interface, *link); !done) return done.error();
  Result<Attachment> now = xdp_attachment(interface, *link);
  if (!now) return now;
  if (now->mode != DecapMode::kDetached) {
    if (bpf_link_update(link->fd.get(), program, nullptr) != 0)
      return failed(errno, "cannot replace the XDP program of " + interface.name);
    now->program_id = program_id(program);
    return now;
  }
  if (link->fd && link->ifindex != 0)
    return Error(EBUSY, pins.link() + " holds an interface of another network namespace")
        .with_hint("give this namespace a --pin-path of its own");
  return create_link(interface, program, pins);
}

Result<void> detach_xdp(const DecapPins& pins) {
  const Result<PinnedLink> link = pinned_link(pins);
  if (!link) return link.error();
  if (!link->fd) return {};
  // Unpinning alone would leave it attached for as long as somebody else holds the link open.
  if (bpf_link_detach(link->fd.get()) != 0 && errno != ENOLINK && errno != EINVAL)
    return failed(errno, "cannot detach " + pins.link());
  if (unlink(pins.link().c_str()) != 0) return failed(errno, "cannot remove " + pins.link());
  return {};
}

// ---- TC ---------------------------------------------------------------------------------------

bpf_tc_hook ingress_of(const Interface& interface) {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(interface.ifindex),
              .attach_point = BPF_TC_INGRESS);
  return hook;
}

/// Our filter, if it is there and still runs the program we pinned; else empty, whatever else has
/// taken its name since.
std::optional<TcFilter> tc_filter_of(const Interface& interface, const DecapPins& pins) {
  const std::optional<TcFilter> filter = pins.tc_filter();
  if (!filter) return std::nullopt;
  const Result<UniqueFd> pinned = open_pin(pins.tc(*filter));
  if (!pinned) return std::nullopt;
  const bpf_tc_hook hook = ingress_of(interface);
  LIBBPF_OPTS(bpf_tc_opts, found, .handle = filter->handle, .priority = filter->priority);
  if (bpf_tc_query(&hook, &found) != 0 || found.prog_id != program_id(pinned->get()))
    return std::nullopt;
  return filter;
}

Result<Attachment> attach_tc(const Interface& interface, int program, const DecapPins& pins) {
  bpf_tc_hook hook = ingress_of(interface);
  if (const int code = bpf_tc_hook_create(&hook); code != 0 && code != -EEXIST)
    return failed(-code, "cannot add a clsact qdisc to " + interface.name);

  const std::optional<TcFilter> ours = tc_filter_of(interface, pins);
  const std::optional<TcFilter> stale = pins.tc_filter();
  if (!ours && stale) unlink(pins.tc(*stale).c_str());

  LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program);
  if (ours) {
    options.flags = BPF_TC_F_REPLACE;
    options.handle = ours->handle;
    options.priority = ours->priority;
  }
  if (const int code = bpf_tc_attach(&hook, &options); code != 0)
    return failed(-code, "cannot attach the TC program to " + interface.name);

  const TcFilter filter{options.priority, options.handle};
  if (Result<void> done = pin_replacing(program, pins.tc(filter)); !done) {
    LIBBPF_OPTS(bpf_tc_opts, undo, .handle = filter.handle, .priority = filter.priority);
    if (!ours) bpf_tc_detach(&hook, &undo);
    return failed(done.error());
  }
  return Attachment{DecapMode::kTc, program_id(program), {}};
}

Result<void> detach_tc(const std::string& name, const DecapPins& pins) {
  const std::optional<TcFilter> pinned = pins.tc_filter();
  if (!pinned) return {};
  const Result<Interface> interface = find_interface(name);
  if (interface) {
    const bpf_tc_hook hook = ingress_of(*interface);
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = pinned->handle, .priority = pinned->priority);
    if (tc_filter_of(*interface, pins))
      if (const int code = bpf_tc_detach(&hook, &options); code != 0)
        return failed(-code, "cannot detach the TC program from " + name);
  }
  if (unlink(pins.tc(*pinned).c_str()) != 0) return failed(errno, "cannot unpin the TC program");
  return {};
}

// ---- both -------------------------------------------------------------------------------------

/// The other way is taken away only when this one works: in between packets pass both, and the
/// second finds no tunnel any more.
Result<Attachment> attach(const DecapOptions& options, const Interface& interface,
                          const DecapPins& pins) {
  Result<DecapProgram> program = DecapProgram::load(options, pins);
  if (!program) return program.error();
  if (Result<void> done = program->write_lists(options); !done) return done.error();

  Result<Attachment> made = options.tc ? attach_tc(interface, program->fd(), pins)
                                       : attach_xdp(interface, program->fd(), pins);
  if (!made) return made;
  if (Result<void> done = options.tc ? detach_xdp(pins) : detach_tc(interface.name, pins); !done)
    return done.error();
  if (Result<void> done = program->pin_settings(pins); !done) return done.error();
  return made;
}

Result<void> detach_all(const std::string& interface, const DecapPins& pins) {
  if (Result<void> done = detach_xdp(pins); !done) return done;
  if (Result<void> done = detach_tc(interface, pins); !done) return done;
  return pins.remove();
}

Result<Attachment> attachment_of(const std::string& name, const DecapPins& pins) {
  const Result<Interface> interface = find_interface(name);
  if (!interface) return Attachment{DecapMode::kDetached, 0, "the interface is gone"};
  if (tc_filter_of(*interface, pins)) {
    const Result<UniqueFd> pinned = open_pin(pins.tc(*pins.tc_filter()));
    return Attachment{DecapMode::kTc, pinned ? program_id(pinned->get()) : 0, {}};
  }
  const Result<PinnedLink> link = pinned_link(pins);
  if (!link) return link.error();
  Result<Attachment> out = xdp_attachment(*interface, *link);
  if (out && out->mode == DecapMode::kDetached)
    out->note =
        "the interface does not run the program: it was made anew, the program was detached "
        "by hand, or the pins are of another network namespace";
  return out;
}

Result<DecapInterface> read_interface(const std::string& name, const DecapPins& pins) {
  Result<Attachment> attachment = attachment_of(name, pins);
  if (!attachment) return attachment.error();
  DecapInterface out;
  out.name = name;
  out.mode = attachment->mode;
  out.program_id = attachment->program_id;
  out.note = std::move(attachment->note);
  if (Result<void> done = read_decap_maps(pins, out); !done)
    return std::move(done).error().in(name);
  return out;
}

}  // namespace

std::string_view to_string(DecapEncap value) {
  constexpr std::array<std::string_view, 2> names{"ipip", "gue"};
  return names[static_cast<size_t>(value)];
}

std::string_view to_string(DecapMode value) {
  constexpr std::array<std::string_view, 4> names{"native", "generic", "tc", "detached"};
  return names[static_cast<size_t>(value)];
}

Result<DecapInterface> decap_attach(const DecapOptions& options) {
  capture_libbpf_log();
  if (Result<void> done = check_options(options); !done) return done.error();
  const Result<Interface> interface = find_interface(options.interface);
  if (!interface) return interface.error();
  const Result<UniqueFd> lock = open_decap_pins(options.pin_path);
  if (!lock) return lock.error();

  const DecapPins pins(options.pin_path, options.interface);
  const Result<bool> fresh = pins.make();
  if (!fresh) return fresh.error();
  Result<Attachment> made = attach(options, *interface, pins);
  if (!made) {
    // What was there before goes on as it was; what was not, leaves nothing behind.
    if (*fresh) (void)detach_all(options.interface, pins);
    return made.error();
  }
  Result<DecapInterface> out = read_interface(options.interface, pins);
  if (out) out->note = std::move(made->note);
  return out;
}

Result<void> decap_detach(const std::string& interface, const std::string& pin_path) {
  capture_libbpf_log();
  const Result<std::vector<std::string>> known = decap_interfaces(pin_path);
  if (!known) return known.error();
  if (std::find(known->begin(), known->end(), interface) == known->end())
    return Error(ENOENT, "Nothing is attached to " + interface + " by pins under " + pin_path);
  const Result<UniqueFd> lock = open_decap_pins(pin_path);
  if (!lock) return lock.error();
  return detach_all(interface, DecapPins(pin_path, interface));
}

Result<DecapStatus> decap_status(const std::string& pin_path) {
  capture_libbpf_log();
  const Result<std::vector<std::string>> names = decap_interfaces(pin_path);
  if (!names) return names.error();
  DecapStatus out;
  for (const std::string& name : *names) {
    Result<DecapInterface> interface = read_interface(name, DecapPins(pin_path, name));
    if (!interface) return interface.error();
    out.interfaces.push_back(std::move(*interface));
  }
  return out;
}

}  // namespace loom
