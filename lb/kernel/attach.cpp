// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/attach.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <unistd.h>

#include <cerrno>

#include "lb/kernel/xdp_probe.hpp"

namespace loom {
namespace {

Result<UniqueFd> create_link(const AttachRequest& request, uint32_t flags) {
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
  UniqueFd fd(
      bpf_link_create(request.program_fd, static_cast<int>(request.ifindex), BPF_XDP, &options));
  if (!fd) return Error(errno, "attach XDP to " + request.interface);
  return fd;
}

XdpMode model_mode(AttachMode mode) {
  return mode == AttachMode::kGeneric ? XdpMode::kGeneric : XdpMode::kNative;
}

std::string interface_names() {
  std::string names;
  struct if_nameindex* const list = ::if_nameindex();
  for (const struct if_nameindex* entry = list; entry && entry->if_index != 0; ++entry)
    names += (names.empty() ? "" : ", ") + std::string(entry->if_name);
  if_freenameindex(list);
  return names;
}

Error foreign_program(const std::string& interface, const XdpAttachment& there) {
  Error error(0, describe_attachment(interface, there));
  if (there.dispatcher)
    return std::move(error).with_hint(
        "chaining through a dispatcher comes with xdp.programs, which is not built yet; unload it: "
        "xdp-loader unload " +
        interface + " --all");
  return std::move(error).with_hint(
      "loomd never replaces another program; take it off first: ip link set dev " + interface +
      " xdp off, or, where a link holds it (bpftool link), remove the pin of that link. If it is "
      "loom_xdp itself: it was attached with another runtime.pin_path");
}

/// EBUSY says only that somebody was first: the user needs to know who.
Error explain(const AttachRequest& request, Error error) {
  if (error.code() != EBUSY && error.code() != EEXIST) return error;
  const Result<std::optional<XdpAttachment>> there = xdp_attached(request.ifindex);
  if (!there || !*there) return error;
  return foreign_program(request.interface, **there);
}

Result<UniqueFd> create_in_mode(const AttachRequest& request, std::string& note) {
  if (request.mode == XdpMode::kGeneric) return create_link(request, XDP_FLAGS_SKB_MODE);
  Result<UniqueFd> native = create_link(request, XDP_FLAGS_DRV_MODE);
  if (native || request.mode == XdpMode::kNative) {
    if (!native && native.error().code() == EOPNOTSUPP)
      return Error(EOPNOTSUPP, "the driver of " + request.interface + " has no native XDP")
          .with_hint("set mode: auto or mode: generic");
    return native;
  }
  if (native.error().code() == EBUSY || native.error().code() == EEXIST) return native;
  note = "native XDP refused: " + native.error().message();
  return create_link(request, XDP_FLAGS_SKB_MODE);
}

}  // namespace

Result<std::optional<PinnedLink>> pinned_link(const Pins& pins, const std::string& interface) {
  Result<UniqueFd> fd = open_pin(pins.link(interface));
  if (!fd) {
    if (fd.error().code() == ENOENT) return std::optional<PinnedLink>{};
    return fd.error();
  }
  bpf_link_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd->get(), &info, &length) != 0)
    return Error(errno, "look at the link of " + interface);
  PinnedLink link;
  link.fd = std::move(*fd);
  link.ifindex = info.xdp.ifindex;
  link.program_id = info.prog_id;
  return std::optional<PinnedLink>(std::move(link));
}

Result<uint32_t> find_interface(const std::string& name) {
  const uint32_t ifindex = if_nametoindex(name.c_str());
  if (ifindex == 0)
    return Error(0, "there is no interface " + name)
        .with_hint("this host has: " + interface_names());
  return ifindex;
}

Result<void> check_attachable_xdp(Pins& pins, const std::string& interface) {
  const Result<uint32_t> ifindex = find_interface(interface);
  if (!ifindex) return ifindex.error();
  const Result<std::optional<XdpAttachment>> there = xdp_attached(*ifindex);
  if (!there) return there.error();
  if (!*there) return {};
  // Under whatever name: the interface may have been renamed since.
  for (const std::string& name : pins.links()) {
    const Result<std::optional<PinnedLink>> ours = pinned_link(pins, name);
    if (!ours || !*ours || (*ours)->ifindex != *ifindex) continue;
    if (name == interface) return {};
    return pins.rename_link(name, interface);
  }
  return foreign_program(interface, **there);
}

Result<std::string> attach_xdp(const Pins& pins, const AttachRequest& request) {
  Result<std::optional<PinnedLink>> link = pinned_link(pins, request.interface);
  if (!link) return link.error();
  if (*link && (*link)->ifindex == request.ifindex && request.mode != XdpMode::kAuto) {
    // A link cannot change its mode: only then is there a moment without the program.
    const Result<std::optional<XdpAttachment>> there = xdp_attached(request.ifindex);
    if (there && *there && model_mode((*there)->mode) != request.mode) {
      if (Result<void> done = detach_xdp(pins, request.interface); !done) return done.error();
      link = std::optional<PinnedLink>{};
    }
  }
  if (*link && (*link)->ifindex == request.ifindex) {
    if (bpf_link_update((*link)->fd.get(), request.program_fd, nullptr) != 0)
      return Error(errno, "replace the program on " + request.interface);
    return std::string();
  }

  std::string note;
  Result<UniqueFd> fd = create_in_mode(request, note);
  if (!fd) return explain(request, fd.error());
  if (Result<void> done = pin_replacing(fd->get(), pins.link(request.interface)); !done)
    return done.error();
  return note;
}

Result<void> detach_xdp(const Pins& pins, const std::string& interface) {
  const Result<std::optional<PinnedLink>> link = pinned_link(pins, interface);
  if (!link) return link.error();
  if (!*link) return {};
  // A severed link answers ENOLINK: nothing is attached any more.
  if (bpf_link_detach((*link)->fd.get()) != 0 && errno != ENOLINK)
    return Error(errno, "detach from " + interface);
  if (unlink(pins.link(interface).c_str()) != 0 && errno != ENOENT)
    return Error(errno, "remove the pin of " + interface);
  return {};
}

}  // namespace loom
