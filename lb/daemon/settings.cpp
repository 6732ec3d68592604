// SPDX-License-Identifier: Apache-2.0
#include "lb/daemon/settings.hpp"

#include <algorithm>
#include <cerrno>

#include "lb/kernel/host.hpp"

namespace loom {
namespace {

constexpr uint16_t kNatPortMin = 1024;
constexpr uint16_t kNatPortMax = 32767;
constexpr uint16_t kFewestNatPorts = 1024;

/// Loom's NAT ports must never be the host's own: health probes go to the same backends.
Result<uint16_t> highest_nat_port(const Config& config) {
  const bool nat = std::any_of(
      config.spec.services.begin(), config.spec.services.end(),
      [](const ServiceSpec& service) { return service.forwarding == Forwarding::kNat; });
  const Result<std::pair<uint16_t, uint16_t>> host = local_port_range();
  if (!host) return host.error();
  const uint16_t highest = std::min<uint16_t>(kNatPortMax, static_cast<uint16_t>(host->first - 1));
  if (nat && highest < kNatPortMin + kFewestNatPorts)
    return Error(0, "net.ipv4.ip_local_port_range starts at " + std::to_string(host->first) +
                        ", which leaves no ports for NAT (Loom uses 1024 to 32767)")
        .with_hint("sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"");
  return highest;
}

}  // namespace

Result<DataplaneOptions> dataplane_options(const Config& config) {
  const Result<uint32_t> hz = kernel_hz();
  if (!hz) return hz.error();
  const Result<uint16_t> highest = highest_nat_port(config);
  if (!highest) return highest.error();

  DataplaneOptions out;
  out.pin_path = config.runtime.pin_path;
  out.interfaces = config.spec.interfaces;
  out.mode = config.spec.mode;
  DatapathConfig& datapath = out.datapath;
  datapath.ring_size = config.ring_size;
  // Generic XDP makes them one buffer for other programs.
  datapath.multi_buffer = config.spec.mode != XdpMode::kGeneric;
  datapath.max_backends = config.max_backends;
  datapath.max_flows = config.conntrack.max_entries;
  datapath.max_probation = config.conntrack.probation_entries;
  datapath.drop_extension_headers = config.drop_extension_headers;
  datapath.answer_rate = config.answer_rate;
  datapath.nat_port_min = kNatPortMin;
  datapath.nat_port_max = *highest;
  datapath.hz = *hz;
  const ConntrackConfig& conntrack = config.conntrack;
  datapath.timeouts[LOOM_STATE_SYN_SENT] = conntrack.tcp.syn_sent;
  datapath.timeouts[LOOM_STATE_SYN_RECV] = conntrack.tcp.syn_recv;
  datapath.timeouts[LOOM_STATE_ESTABLISHED] = conntrack.tcp.established;
  datapath.timeouts[LOOM_STATE_FIN_WAIT] = conntrack.tcp.fin_wait;
  datapath.timeouts[LOOM_STATE_TIME_WAIT] = conntrack.tcp.time_wait;
  datapath.timeouts[LOOM_STATE_UDP] = conntrack.udp;
  return out;
}

ControllerOptions controller_options(const Config& config, const std::string& file, bool adopted) {
  ControllerOptions out;
  out.spec = config.spec;
  out.ring_size = config.ring_size;
  out.max_backends = config.max_backends;
  out.max_connections = config.conntrack.max_connections;
  out.config_file = file;
  if (config.admin.persist) out.overlay_file = config.runtime.state_dir + "/overlay.json";
  out.adopted = adopted;
  return out;
}

std::string_view to_string(Datapath::Origin origin) {
  switch (origin) {
    case Datapath::Origin::kFresh:
      return "loaded";
    case Datapath::Origin::kReplaced:
      return "loaded in place of pins that cannot be adopted";
    case Datapath::Origin::kAdopted:
      return "adopted from pins";
    case Datapath::Origin::kReprogrammed:
      return "adopted from pins, with a new program";
    case Datapath::Origin::kMigrated:
      return "migrated from pins to new map layouts";
  }
  return "invalid";
}

}  // namespace loom
