// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/attach_tc.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace loom {
namespace {

constexpr uint32_t kHandle = 0x6c6f6f6d;  // "loom"
constexpr uint32_t kPriority = 50;

bpf_tc_hook ingress_of(uint32_t ifindex) {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex),
              .attach_point = BPF_TC_INGRESS);
  return hook;
}

/// 0: nothing is pinned there.
uint32_t pinned_program(const std::string& path) {
  const Result<UniqueFd> fd = open_pin(path);
  bpf_prog_info info{};
  uint32_t length = sizeof(info);
  if (!fd || bpf_obj_get_info_by_fd(fd->get(), &info, &length) != 0) return 0;
  return info.id;
}

/// Attached and pinned are two steps; in between the pin has another name.
std::string pending(const std::string& pin) {
  return pin + "+";
}

/// The program at our place, whoever's it is; 0: none, also where there is no clsact yet.
Result<uint32_t> program_at(uint32_t ifindex) {
  const bpf_tc_hook hook = ingress_of(ifindex);
  LIBBPF_OPTS(bpf_tc_opts, found, .handle = kHandle, .priority = kPriority);
  // Finding nothing is an expected answer, and libbpf would print it.
  const libbpf_print_fn_t print = libbpf_set_print(nullptr);
  const int code = bpf_tc_query(&hook, &found);
  libbpf_set_print(print);
  if (code == -ENOENT || code == -EINVAL) return uint32_t{0};
  if (code != 0)
    return Error(-code, "ask interface " + std::to_string(ifindex) + " for TC filters");
  return found.prog_id;
}

Error foreign_filter(const std::string& interface, uint32_t program_id) {
  return Error(0, interface + " carries TC program " + std::to_string(program_id) +
                      " at the priority that is loomd's")
      .with_hint("loomd never replaces another program; take it off first: tc filter del dev " +
                 interface + " ingress prio " + std::to_string(kPriority));
}

}  // namespace

Result<std::optional<TcFilter>> tc_filter(const Pins& pins, const std::string& interface) {
  const uint32_t ifindex = if_nametoindex(interface.c_str());
  if (ifindex == 0) return std::optional<TcFilter>{};
  const Result<uint32_t> there = program_at(ifindex);
  if (!there) return there.error();
  const std::string pin = pins.filter(interface);
  if (*there == 0 || (*there != pinned_program(pin) && *there != pinned_program(pending(pin))))
    return std::optional<TcFilter>{};
  return std::optional(TcFilter{ifindex, *there});
}

Result<void> check_attachable_tc(const Pins& pins, const std::string& interface) {
  if (Result<uint32_t> ifindex = find_interface(interface); !ifindex) return ifindex.error();
  const Result<std::optional<TcFilter>> ours = tc_filter(pins, interface);
  if (!ours) return ours.error();
  if (*ours) return {};
  const Result<uint32_t> there = program_at(if_nametoindex(interface.c_str()));
  if (!there) return there.error();
  if (*there == 0) return {};
  for (const std::string& name : pins.filters()) {
    if (if_nametoindex(name.c_str()) != 0 || pinned_program(pins.filter(name)) != *there) continue;
    if (rename(pins.filter(name).c_str(), pins.filter(interface).c_str()) != 0)
      return Error(errno, "rename the pin of " + name);
    return {};
  }
  return foreign_filter(interface, *there);
}

Result<void> attach_tc(const Pins& pins, const AttachRequest& request) {
  if (Result<void> done = check_attachable_tc(pins, request.interface); !done) return done;
  const Result<std::optional<TcFilter>> ours = tc_filter(pins, request.interface);
  if (!ours) return ours.error();
  const std::string pin = pins.filter(request.interface);
  if (*ours && (*ours)->program_id == pinned_program(pending(pin)) &&
      rename(pending(pin).c_str(), pin.c_str()) != 0)
    return Error(errno, "replace pin " + pin);

  bpf_tc_hook hook = ingress_of(request.ifindex);
  if (const int code = bpf_tc_hook_create(&hook); code != 0 && code != -EEXIST)
    return Error(-code, "add a clsact qdisc to " + request.interface);
  unlink(pending(pin).c_str());
  if (bpf_obj_pin(request.program_fd, pending(pin).c_str()) != 0)
    return Error(errno, "pin " + pending(pin));
  LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = request.program_fd,
              .flags = *ours ? uint32_t{BPF_TC_F_REPLACE} : 0, .handle = kHandle,
              .priority = kPriority);
  if (const int code = bpf_tc_attach(&hook, &options); code != 0) {
    unlink(pending(pin).c_str());
    return Error(-code, "attach the TC program to " + request.interface);
  }
  if (rename(pending(pin).c_str(), pin.c_str()) != 0) return Error(errno, "replace pin " + pin);
  return {};
}

Result<void> detach_tc(const Pins& pins, const std::string& interface) {
  const Result<std::optional<TcFilter>> ours = tc_filter(pins, interface);
  if (!ours) return ours.error();
  if (*ours) {
    const bpf_tc_hook hook = ingress_of((*ours)->ifindex);
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = kHandle, .priority = kPriority);
    if (const int code = bpf_tc_detach(&hook, &options); code != 0 && code != -ENOENT)
      return Error(-code, "detach the TC program from " + interface);
  }
  for (const std::string& pin : {pins.filter(interface), pending(pins.filter(interface))})
    if (unlink(pin.c_str()) != 0 && errno != ENOENT) return Error(errno, "remove " + pin);
  return {};
}

}  // namespace loom
