// SPDX-License-Identifier: Apache-2.0
// Which XDP program an interface carries already, whoever attached it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lb/base/result.hpp"

namespace loom {

enum class AttachMode : uint8_t { kNative, kGeneric, kOffload };
[[nodiscard]] std::string_view to_string(AttachMode mode);  ///< "native" "generic" "offload"

struct XdpAttachment {
  uint32_t prog_id = 0;
  AttachMode mode = AttachMode::kNative;
  bool dispatcher = false;  ///< A libxdp dispatcher: further programs can be chained to it.

  bool operator==(const XdpAttachment&) const = default;
};

/// Of an interface in this thread's network namespace; empty: none. Of several (one per mode) the
/// one that sees a packet first.
Result<std::optional<XdpAttachment>> xdp_attached(uint32_t ifindex);

/// Whether the program is a dispatcher. Looking into the program needs CAP_SYS_ADMIN; without, the
/// name libxdp pins it by decides.
[[nodiscard]] bool dispatcher_present(uint32_t ifindex, uint32_t prog_id);

/// "eth0 carries XDP program 17 (native mode)".
[[nodiscard]] std::string describe_attachment(std::string_view interface,
                                              const XdpAttachment& attachment);

}  // namespace loom
