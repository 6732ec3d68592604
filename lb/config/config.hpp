// SPDX-License-Identifier: Apache-2.0
// The configuration file as plain data with defaults. load.hpp makes one from YAML.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/model/ring.hpp"
#include "lb/model/service.hpp"
#include "lb/net/endpoint.hpp"

namespace loom {

struct TcpTimeouts {
  std::chrono::milliseconds syn_sent{30'000};
  std::chrono::milliseconds syn_recv{30'000};
  std::chrono::milliseconds established{300'000};
  std::chrono::milliseconds fin_wait{60'000};
  std::chrono::milliseconds time_wait{120'000};
};

struct ConntrackConfig {
  uint32_t max_entries = 262'144;
  uint32_t probation_entries = 131'072;  ///< For flows that nothing has confirmed yet.
  uint32_t max_connections = 0;          ///< New flows beyond it go to the stack; 0: no limit.
  TcpTimeouts tcp;
  std::chrono::milliseconds udp{60'000};
};

struct AdminConfig {
  Endpoint listen{IpAddr::from_v4({127, 0, 0, 1}), 9091};
  bool persist = true;  ///< Changes through the API are kept in runtime.state_dir.
};

enum class OnExit : uint8_t { kKeep, kDetach };

struct RuntimeConfig {
  std::string pin_path = "/sys/fs/bpf/loom";
  std::string state_dir = "/var/lib/loom";
  OnExit on_exit = OnExit::kKeep;
};

struct LogConfig {
  std::string level = "info";   ///< debug | info | warning | error
  std::string format = "auto";  ///< auto | text | json
};

struct Config {
  bool enabled = true;
  Spec spec;
  uint32_t ring_size = kDefaultRingSize;
  uint32_t max_backends = 10'000;       ///< Entries of the backends map, over all services.
  uint32_t answer_rate = 1000;          ///< ICMP errors and RSTs per second and CPU.
  bool drop_extension_headers = false;  ///< IPv6, beyond what the datapath walks.
  ConntrackConfig conntrack;
  AdminConfig admin;
  RuntimeConfig runtime;
  LogConfig log;
};

}  // namespace loom
