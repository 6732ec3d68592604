// SPDX-License-Identifier: Apache-2.0
#include "lb/config/bind.hpp"

#include <algorithm>

#include "lb/config/bind_service.hpp"
#include "lb/config/reader.hpp"

namespace loom {
namespace {

template <class T>
void assign(T& target, const std::optional<T>& value) {
  if (value) target = *value;
}

void bind_interfaces(const Reader& root, Spec& spec, Report& report) {
  const Reader single = agreed(root, {"ebpf.interface", "ebpf.xdp.interface"}, report);
  const Reader list = root.at("ebpf.xdp.interfaces");
  for (size_t i = 0; i < list.size(); ++i) {
    const Reader item = list.item(i);
    const auto name = item.text();
    if (!name) continue;
    if (std::find(spec.interfaces.begin(), spec.interfaces.end(), *name) != spec.interfaces.end())
      report.error(item.place(), "duplicate-interface", "the interface is listed twice");
    spec.interfaces.push_back(*name);
  }
  const auto name = single.text();
  if (!name) return;
  if (list.is_list() && list.valid() && spec.interfaces != std::vector{*name})
    report.error(
        list.place(), "conflict",
        "differs from " + single.place().path + " in line " + std::to_string(single.place().line),
        "keep the list only");
  if (spec.interfaces.empty()) spec.interfaces.push_back(*name);
}

void bind_extra_macs(const Reader& list, Spec& spec, Report& report) {
  for (size_t i = 0; i < list.size(); ++i)
    if (const auto mac = list.item(i).mac()) spec.extra_macs.push_back(*mac);
  if (spec.extra_macs.size() > kMaxExtraMacs)
    report.error(list.place(), "too-many-macs",
                 "at most " + std::to_string(kMaxExtraMacs) + " are possible");
}

XdpMode bind_mode(const Reader& root, Report& report) {
  const auto mode = agreed(root, {"ebpf.xdp_mode", "ebpf.xdp.mode"}, report).text();
  if (root.at("ebpf.mode").text() == "tc") return XdpMode::kTc;
  if (mode == "native") return XdpMode::kNative;
  return mode == "generic" ? XdpMode::kGeneric : XdpMode::kAuto;
}

void bind_conntrack(const Reader& root, ConntrackConfig& conntrack, Report& report) {
  assign(conntrack.max_entries,
         agreed(root, {"ebpf.conntrack.max_entries", "ebpf.maps.connections.max_entries"}, report)
             .number<uint32_t>());
  const Reader timeout = agreed(root,
                                {"ebpf.conntrack.timeout", "ebpf.xdp.connection_affinity.timeout",
                                 "ebpf.xdp.protocols.tcp.session_affinity.timeout"},
                                report);
  assign(conntrack.tcp.established, timeout.duration());
  assign(conntrack.udp, root.at("ebpf.xdp.protocols.udp.session_affinity.timeout").duration());
  const Reader tcp = root.at("ebpf.conntrack.tcp_timeouts");
  const auto established = tcp.at("established").duration();
  if (established && timeout.duration() && established != timeout.duration())
    report.warning(timeout.place(), "no-effect",
                   "has no effect because " + tcp.at("established").place().path + " is set");
  assign(conntrack.tcp.established, established);
  assign(conntrack.tcp.syn_sent, tcp.at("syn_sent").duration());
  assign(conntrack.tcp.syn_recv, tcp.at("syn_recv").duration());
  assign(conntrack.tcp.fin_wait, tcp.at("fin_wait").duration());
  assign(conntrack.tcp.time_wait, tcp.at("time_wait").duration());
  assign(conntrack.probation_entries,
         root.at("ebpf.conntrack.probation_entries").number<uint32_t>());
  assign(conntrack.max_connections, root.at("ebpf.conntrack.max_connections").number<uint32_t>());
}

/// Beyond the limit there is nothing but the stack: the word says what happens anyway.
void check_fallback(const Reader& list, const ConntrackConfig& conntrack, Report& report) {
  for (size_t i = 0; i < list.size(); ++i)
    if (list.item(i).text() == "connection_limit_exceeded" && conntrack.max_connections == 0)
      report.warning(list.item(i).place(), "no-effect",
                     "has no effect without ebpf.conntrack.max_connections");
}

void bind_sizes(const Reader& root, Config& config) {
  assign(config.ring_size, root.at("ebpf.xdp.load_balancing.maglev_table_size").number<uint32_t>());
  assign(config.max_backends, root.at("ebpf.maps.backends.max_entries").number<uint32_t>());
}

void bind_packet_policy(const Reader& root, Config& config) {
  config.drop_extension_headers = root.at("ebpf.ipv6_extension_headers").text() == "drop";
  assign(config.answer_rate, root.at("ebpf.answer_rate").number<uint32_t>());
}

void bind_daemon(const Reader& root, Config& config) {
  assign(config.admin.listen, root.at("admin.listen").listen());
  assign(config.admin.persist, root.at("admin.persist").boolean());
  assign(config.runtime.pin_path, root.at("runtime.pin_path").text());
  assign(config.runtime.state_dir, root.at("runtime.state_dir").text());
  if (root.at("runtime.on_exit").text() == "detach") config.runtime.on_exit = OnExit::kDetach;
  assign(config.log.level, root.at("log.level").text());
  assign(config.log.format, root.at("log.format").text());
}

}  // namespace

Bound bind(const ConfigNode& node, Report& report) {
  const Reader root(&node, "");
  Bound out;
  Config& config = out.config;
  bind_interfaces(root, config.spec, report);
  config.spec.mode = bind_mode(root, report);
  // Nothing else is built: without XDP and TC there is nothing to do.
  config.enabled =
      root.at("ebpf.enabled").boolean().value_or(true) &&
      (config.spec.mode == XdpMode::kTc || root.at("ebpf.xdp.enabled").boolean().value_or(true));
  const Reader passthrough = root.at("ebpf.xdp.passthrough_ports");
  for (size_t i = 0; i < passthrough.size(); ++i)
    if (const auto port = passthrough.item(i).number<uint16_t>())
      config.spec.passthrough_ports.insert(*port);
  bind_extra_macs(root.at("ebpf.xdp.extra_macs"), config.spec, report);
  bind_packet_policy(root, config);
  bind_conntrack(root, config.conntrack, report);
  check_fallback(root.at("ebpf.xdp.fallback"), config.conntrack, report);
  bind_sizes(root, config);
  bind_daemon(root, config);
  bind_services(root, out, report);
  return out;
}

}  // namespace loom
