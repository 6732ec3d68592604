// SPDX-License-Identifier: Apache-2.0
// The part of the fixture that runs packets.
#include "support/bpf_program.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <cerrno>
#include <cstring>

#include "loom_xdp.skel.h"

namespace loom::test {
namespace {

/// 0 or a negative errno. Without a context the frame comes from the loopback device.
template <class Context>
int try_run(int program_fd, const Bytes& frame, const Context* context, Outcome* result) {
  result->packet.resize(frame.size() + 256);
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
              .data_out = result->packet.data(),
              .data_size_in = static_cast<uint32_t>(frame.size()),
              .data_size_out = static_cast<uint32_t>(result->packet.size()));
  if (context) {
    options.ctx_in = context;
    options.ctx_size_in = sizeof(*context);
  }
  const int err = bpf_prog_test_run_opts(program_fd, &options);
  result->packet.resize(options.data_size_out);
  result->action = static_cast<int>(options.retval);
  return err;
}

xdp_md context_of(const Bytes& frame, uint32_t ingress) {
  xdp_md context{};
  context.data_end = static_cast<uint32_t>(frame.size());
  context.ingress_ifindex = ingress;
  return context;
}

/// In words of XDP; a redirect says nothing about where to.
int action_of_tc(int action) {
  switch (action) {
    case TC_ACT_UNSPEC:
      return XDP_PASS;
    case TC_ACT_REDIRECT:
      return XDP_REDIRECT;
    default:
      return XDP_DROP;
  }
}

}  // namespace

uint64_t Datapath::sent_elsewhere(uint32_t ingress) {
  const auto packets = [](const bpf_map* map, uint32_t index) {
    std::vector<loom_counter> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
    EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(map), &index, cpus.data()), 0);
    uint64_t sum = 0;
    for (const loom_counter& cpu : cpus) sum += cpu.packets;
    return sum;
  };
  uint64_t sum = packets(program().maps.loom_verdicts, LOOM_REPLY_REDIRECT);
  for (uint32_t id = 1; id < kMaxBackends; ++id) {
    loom_backend backend{};
    EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(program().maps.loom_backends), &id, &backend), 0);
    if (backend.ifindex != ingress) sum += packets(program().maps.loom_backend_counters, id);
  }
  return sum;
}

bool Datapath::can_run(const Bytes& frame) {
  if (!is_tc()) return true;
  if (frame.size() <= sizeof(ethhdr)) return false;
  switch (frame[12] << 8 | frame[13]) {
    case ETH_P_IP:
      return frame.size() >= sizeof(ethhdr) + sizeof(iphdr);
    case ETH_P_IPV6:
      return frame.size() >= sizeof(ethhdr) + sizeof(ipv6hdr);
    default:
      return true;
  }
}

Bytes Datapath::shown(Bytes frame) {
  const int ethertype = frame[12] << 8 | frame[13];
  if (is_tc() && (ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD))
    frame.erase(frame.begin() + 12, frame.begin() + 16);
  return frame;
}

int Datapath::action_seen(loom_verdict verdict) {
  const int action = action_of(verdict);
  return is_tc() && action == XDP_ABORTED ? int{XDP_DROP} : action;
}

Outcome Datapath::run_tc(const Bytes& frame, uint32_t ingress) {
  __sk_buff context{};
  context.ifindex = ingress;
  const uint64_t before = sent_elsewhere(ingress);
  Outcome out;
  EXPECT_EQ(try_run(program_fd(), frame, ingress == kIngress ? nullptr : &context, &out), 0)
      << std::strerror(errno);
  out.action = action_of_tc(out.action);
  if (out.action == XDP_REDIRECT && sent_elsewhere(ingress) == before) out.action = XDP_TX;
  return out;
}

Outcome Datapath::run(const Bytes& frame, uint32_t ingress) {
  if (is_tc()) return run_tc(frame, ingress);
  const xdp_md context = context_of(frame, ingress);
  const int fd = program_fd();
  Outcome out;
  EXPECT_EQ(try_run(fd, frame, ingress == kIngress ? nullptr : &context, &out), 0)
      << std::strerror(errno);
  return out;
}

std::optional<Outcome> Datapath::run_without_headroom(const Bytes& frame) {
  if (is_tc()) return std::nullopt;
  const Bytes metadata(208);  // Of the 256 bytes in front the kernel keeps 40 for itself.
  const Bytes with_metadata = metadata + frame;
  xdp_md context = context_of(with_metadata, kIngress);
  context.data = static_cast<uint32_t>(metadata.size());
  Outcome out;
  if (try_run(bpf_program__fd(program().progs.loom_xdp), with_metadata, &context, &out) != 0)
    return std::nullopt;
  out.packet.erase(out.packet.begin(), out.packet.begin() + static_cast<long>(metadata.size()));
  return out;
}

bool Datapath::can_choose_ingress() {
  if (is_tc()) return true;
  const Bytes frame(64);
  const xdp_md context = context_of(frame, egress());
  Outcome ignored;
  return try_run(bpf_program__fd(program().progs.loom_clock), frame, &context, &ignored) == 0;
}

std::string Datapath::verdict(const Bytes& frame, Outcome* result) {
  counted();
  const Outcome done = run(frame);
  const Counted counts = counted();
  if (result) *result = done;
  if (counts.packets() != 1) return "counted " + std::to_string(counts.packets()) + " times";
  if (!counts.backends.empty()) return done.action == XDP_TX ? "FORWARD_TX" : "FORWARD_REDIRECT";
  return name_of(counts.verdicts.begin()->first);
}

}  // namespace loom::test
