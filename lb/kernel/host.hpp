// SPDX-License-Identifier: Apache-2.0
// What the datapath must know of the machine: the kernel's tick and the host's own ports.
#pragma once

#include <cstdint>
#include <utility>

#include "lb/base/result.hpp"

namespace loom {

/// CONFIG_HZ of the running kernel: bpf_jiffies64() counts in it.
Result<uint32_t> kernel_hz();

/// net.ipv4.ip_local_port_range, both ends included, of this thread's network namespace.
Result<std::pair<uint16_t, uint16_t>> local_port_range();

}  // namespace loom
