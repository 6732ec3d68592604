// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/decap_program.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ifaddrs.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "lb/kernel/bpf_log.hpp"
#include "lb/kernel/codec.hpp"
#include "lb/kernel/pins.hpp"
#include "loom/decap.h"
#include "loom_decap.skel.h"

namespace loom {
namespace {

/// Frames in several buffers came with kernel 5.18, and bpf_xdp_get_buff_len() with them.
bool kernel_has_xdp_frags() {
  const std::array<bpf_insn, 2> pass{
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
      bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .prog_flags = BPF_F_XDP_HAS_FRAGS);
  const UniqueFd fd(
      bpf_prog_load(BPF_PROG_TYPE_XDP, "loom_probe", "GPL", pass.data(), pass.size(), &options));
  return static_cast<bool>(fd);
}

loom_decap_config config_of(const DecapOptions& options, bool frags) {
  loom_decap_config out{};
  if (options.encaps.contains(DecapEncap::kIpip)) out.flags |= LOOM_DECAP_F_IPIP;
  if (options.encaps.contains(DecapEncap::kGue)) out.flags |= LOOM_DECAP_F_GUE;
  if (frags) out.flags |= LOOM_DECAP_F_FRAGS;
  out.gue_port = htons(options.port);
  return out;
}

loom_decap_prefix to_key(const Prefix& prefix) {
  return {.length = prefix.mapped_length(), .addr = to_abi(prefix.address)};
}

Prefix from_key(const loom_decap_prefix& key) {
  const IpAddr address = from_abi(key.addr);
  return {address, static_cast<uint8_t>(address.is_v4() ? key.length - 96 : key.length)};
}

loom_addr to_key(const IpAddr& address) {
  return to_abi(address);
}
IpAddr from_key(const loom_addr& key) {
  return from_abi(key);
}

/// The keys of a map, as values of the model. Not in batches: tries have none on kernel 5.10.
template <class T>
Result<std::set<T>> read_keys(int fd) {
  using Key = decltype(to_key(T{}));
  std::set<T> out;
  Key key{};
  for (const void* previous = nullptr; bpf_map_get_next_key(fd, previous, &key) == 0;
       previous = &key)
    out.insert(from_key(key));
  if (errno != ENOENT) return failed(errno, "cannot read a map");
  return out;
}

/// Additions first: what is in both old and new contents is there at every moment.
template <class T>
Result<void> write_keys(int fd, const std::set<T>& wanted) {
  const uint32_t present = 1;
  for (const T& value : wanted) {
    const auto key = to_key(value);
    if (bpf_map_update_elem(fd, &key, &present, BPF_ANY) != 0)
      return failed(errno, "cannot add " + value.to_string());
  }
  Result<std::set<T>> found = read_keys<T>(fd);
  if (!found) return found.error();
  for (const T& value : *found) {
    const auto key = to_key(value);
    if (!wanted.contains(value) && bpf_map_delete_elem(fd, &key) != 0)
      return failed(errno, "cannot remove " + value.to_string());
  }
  return {};
}

/// Where a tunnel may end: every address of this host but loopback, which no wire carries.
Result<std::set<IpAddr>> local_addresses() {
  ifaddrs* raw = nullptr;
  if (getifaddrs(&raw) != 0) return failed(errno, "cannot list the addresses of this host");
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> list(raw, &freeifaddrs);
  std::set<IpAddr> out;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    IpAddr address;
    if (entry->ifa_addr->sa_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, entry->ifa_addr, sizeof(in));
      std::array<uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
      address = IpAddr::from_v4(bytes);
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 in{};
      std::memcpy(&in, entry->ifa_addr, sizeof(in));
      std::array<uint8_t, 16> bytes{};
      std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
      address = IpAddr(bytes);
    }
    if (!address.is_unspecified() && !address.is_loopback()) out.insert(address);
  }
  return out;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return text;
}

Result<std::vector<DecapCount>> read_counters(int fd) {
  // Index 0 is no way out.
  constexpr std::array names{
#define V(name, action, help) #name,
      LOOM_DECAP_VERDICT_LIST(V)
#undef V
  };
  std::vector<DecapCount> out;
  std::vector<loom_decap_counter> per_cpu(static_cast<size_t>(libbpf_num_possible_cpus()));
  for (uint32_t key = 1; key < LOOM_DECAP_VERDICT_MAX; ++key) {
    if (bpf_map_lookup_elem(fd, &key, per_cpu.data()) != 0)
      return failed(errno, "cannot read the counters");
    DecapCount& count = out.emplace_back(DecapCount{lower(names.at(key - 1))});
    for (const loom_decap_counter& one : per_cpu) {
      count.packets += one.packets;
      count.bytes += one.bytes;
    }
  }
  return out;
}

Result<void> read_settings(const DecapPins& pins, DecapInterface& out) {
  const Result<UniqueFd> fd = open_pin(pins.settings());
  if (!fd) return failed(fd.error());
  bpf_map_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd->get(), &info, &length) != 0)
    return failed(errno, "cannot look at " + pins.settings());

  loom_decap_config config{};
  std::vector<std::byte> value(std::max<size_t>(info.value_size, sizeof(config)));
  const uint32_t key = 0;
  if (bpf_map_lookup_elem(fd->get(), &key, value.data()) != 0)
    return failed(errno, "cannot read " + pins.settings());
  std::memcpy(&config, value.data(), sizeof(config));
  if (config.flags & LOOM_DECAP_F_IPIP) out.encaps.insert(DecapEncap::kIpip);
  if (config.flags & LOOM_DECAP_F_GUE) out.encaps.insert(DecapEncap::kGue);
  out.port = ntohs(config.gue_port);
  return {};
}

Error load_error(int code, const DecapPins& pins) {
  const std::string log = take_libbpf_log();
  Error error = failed(code, "cannot load the decapsulation program");
  if (code == EPERM) return error;
  error = Error(code, error.what() + "; libbpf says:\n" + log);
  if (code != EINVAL || log.find("parameter mismatch") == std::string::npos) return error;
  return std::move(error).with_hint("the maps under " + pins.of("") +
                                    " are of another version: loom decap detach, then attach");
}

}  // namespace

void DecapProgram::Destroy::operator()(loom_decap* skeleton) const {
  loom_decap__destroy(skeleton);
}

Result<DecapProgram> DecapProgram::load(const DecapOptions& options, const DecapPins& pins) {
  capture_libbpf_log();
  (void)take_libbpf_log();  // of earlier calls
  DecapProgram program(loom_decap__open(), options.tc);
  loom_decap* skeleton = program.skeleton_.get();
  if (skeleton == nullptr) return load_error(errno, pins);

  const bool frags = kernel_has_xdp_frags();
  if (frags) bpf_program__set_flags(skeleton->progs.loom_decap_xdp, BPF_F_XDP_HAS_FRAGS);
  bpf_program__set_autoload(skeleton->progs.loom_decap_xdp, !options.tc);
  bpf_program__set_autoload(skeleton->progs.loom_decap_tc, options.tc);
  skeleton->rodata->loom_decap_settings = config_of(options, frags);
  for (bpf_map* map : {skeleton->maps.loom_decap_sources, skeleton->maps.loom_decap_vips,
                       skeleton->maps.loom_decap_locals, skeleton->maps.loom_decap_verdicts})
    if (bpf_map__set_pin_path(map, pins.of(bpf_map__name(map)).c_str()) != 0)
      return Error(ENOMEM, "cannot name a pin");

  if (const int code = loom_decap__load(skeleton); code != 0) return load_error(-code, pins);
  return program;
}

Result<void> DecapProgram::write_lists(const DecapOptions& options) const {
  const auto& maps = skeleton_->maps;
  const Result<std::set<IpAddr>> locals = local_addresses();
  if (!locals) return locals.error();
  if (auto done = write_keys(bpf_map__fd(maps.loom_decap_locals), *locals); !done) return done;

  const std::set<IpAddr> vips(options.vips.begin(), options.vips.end());
  if (auto done = write_keys(bpf_map__fd(maps.loom_decap_vips), vips); !done) return done;
  const std::set<Prefix> from(options.from.begin(), options.from.end());
  return write_keys(bpf_map__fd(maps.loom_decap_sources), from);
}

Result<void> DecapProgram::pin_settings(const DecapPins& pins) const {
  const Result<void> done = pin_replacing(bpf_map__fd(skeleton_->maps.rodata), pins.settings());
  if (!done) return failed(done.error());
  return {};
}

int DecapProgram::fd() const {
  return bpf_program__fd(tc_ ? skeleton_->progs.loom_decap_tc : skeleton_->progs.loom_decap_xdp);
}

Result<void> read_decap_maps(const DecapPins& pins, DecapInterface& out) {
  if (Result<void> done = read_settings(pins, out); !done) return done;

  const Result<UniqueFd> sources = open_pin(pins.of("loom_decap_sources"));
  if (!sources) return failed(sources.error());
  const Result<std::set<Prefix>> from = read_keys<Prefix>(sources->get());
  if (!from) return from.error();
  out.from.assign(from->begin(), from->end());

  const Result<UniqueFd> vip_map = open_pin(pins.of("loom_decap_vips"));
  if (!vip_map) return failed(vip_map.error());
  const Result<std::set<IpAddr>> vips = read_keys<IpAddr>(vip_map->get());
  if (!vips) return vips.error();
  out.vips.assign(vips->begin(), vips->end());

  const Result<UniqueFd> verdicts = open_pin(pins.of("loom_decap_verdicts"));
  if (!verdicts) return failed(verdicts.error());
  Result<std::vector<DecapCount>> counters = read_counters(verdicts->get());
  if (!counters) return counters.error();
  out.counters = std::move(*counters);
  return {};
}

}  // namespace loom
