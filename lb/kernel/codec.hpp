// SPDX-License-Identifier: Apache-2.0
// Between the model's values and the ABI's structs. Pure.
#pragma once

#include <string>
#include <string_view>

#include "lb/control/dataplane.hpp"
#include "lb/model/state.hpp"
#include "lb/net/endpoint.hpp"
#include "loom/abi.h"

namespace loom {

[[nodiscard]] loom_addr to_abi(const IpAddr& address);
[[nodiscard]] IpAddr from_abi(const loom_addr& address);

/// Of an exact port.
[[nodiscard]] loom_listener_key to_abi(const Listener& listener);
[[nodiscard]] Listener from_abi(const loom_listener_key& key);
/// Of a block of ports (blocks_of()).
[[nodiscard]] loom_range_key to_range_abi(const Listener& listener);
[[nodiscard]] Listener from_abi(const loom_range_key& key);

[[nodiscard]] loom_vip to_abi(const VipState& vip);
[[nodiscard]] VipState from_abi(const loom_vip& vip);

[[nodiscard]] loom_service to_abi(const ServiceState& service);
/// Forwarding, how slots are picked, affinity, policy; the rest is elsewhere.
[[nodiscard]] ServiceState from_abi(const loom_service& service);

[[nodiscard]] loom_interface to_abi(const InterfaceState& interface);
/// MAC and extra MACs into `out`.
void copy_macs(const loom_interface& entry, InterfaceState& out);

/// What a PutBackend step writes; `generation` is the caller's.
struct BackendEntry {
  loom_backend entry;
  loom_backend_info info;
};
[[nodiscard]] BackendEntry to_abi(const PutBackend& step, uint32_t generation);
[[nodiscard]] BackendState from_abi(uint32_t id, const loom_backend& entry,
                                    const loom_backend_info& info);
/// The member's identity, as the model knows it.
[[nodiscard]] Endpoint endpoint_of(const loom_backend& entry, const loom_backend_info& info);

[[nodiscard]] Count from_abi(const loom_counter& counter);
void add(loom_counter& sum, const loom_counter& counter);

/// A name in a fixed field; longer ones were refused by validate.
void copy_name(char (&field)[LOOM_NAME_SIZE], std::string_view name);
[[nodiscard]] std::string name_of(const char (&field)[LOOM_NAME_SIZE]);

/// A bpffs entry must not contain '.', which interface names may ("eth0.100"): '.' becomes "%2e"
/// and '%' becomes "%25".
[[nodiscard]] std::string pin_name(std::string_view name);
[[nodiscard]] std::string name_from_pin(std::string_view pin);

}  // namespace loom
