// SPDX-License-Identifier: Apache-2.0
// `loom decap`: makes this host the tunnel end of a DSR backend. Nothing stays running; the program
// in the kernel is held by pins, one directory per interface.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/net/ip_addr.hpp"
#include "lb/net/prefix.hpp"

namespace loom {

enum class DecapEncap : uint8_t { kIpip, kGue };
enum class DecapMode : uint8_t { kNative, kGeneric, kTc, kDetached };
[[nodiscard]] std::string_view to_string(DecapEncap value);  ///< "ipip" "gue"
[[nodiscard]] std::string_view to_string(DecapMode value);   ///< "native" "generic" "tc" "detached"

inline constexpr std::string_view kDecapPinPath = "/sys/fs/bpf/loom-decap";

struct DecapOptions {
  std::string interface;
  std::vector<Prefix> from;  ///< Outer sources to accept: the balancers.
  std::vector<IpAddr> vips;  ///< Inner destinations to accept.
  std::set<DecapEncap> encaps{DecapEncap::kIpip, DecapEncap::kGue};
  uint16_t port = 6080;  ///< GUE's UDP port.
  bool tc = false;       ///< On clsact ingress instead of XDP: keeps GRO and checksum offloads.
  std::string pin_path{kDecapPinPath};  ///< On a bpffs.
};

struct DecapCount {
  std::string verdict;  ///< As in LOOM_DECAP_VERDICT_LIST, lower case: "drop_source".
  uint64_t packets = 0;
  uint64_t bytes = 0;  ///< Frame bytes as received.
};

struct DecapInterface {
  std::string name;
  DecapMode mode = DecapMode::kDetached;  ///< kDetached: pins without an interface that runs them.
  uint32_t program_id = 0;
  std::string note;  ///< Why this mode, if not the first choice; else empty.
  std::set<DecapEncap> encaps;
  uint16_t port = 0;
  std::vector<Prefix> from;          ///< Sorted.
  std::vector<IpAddr> vips;          ///< Sorted.
  std::vector<DecapCount> counters;  ///< By verdict.
};

struct DecapStatus {
  std::vector<DecapInterface> interfaces;  ///< By name.
};

// What these errors say is complete, the errno's own words included.

/// Attaches, or replaces the lists and the program of an earlier attach without a gap: what is in
/// both old and new lists is accepted throughout, and counters go on. The addresses of this host
/// are read now: attach again after they change.
Result<DecapInterface> decap_attach(const DecapOptions& options);

/// Removes what decap_attach() made on `interface`, which may be gone already. The clsact qdisc
/// stays: others may use it. ENOENT: nothing of ours there.
Result<void> decap_detach(const std::string& interface, const std::string& pin_path);

Result<DecapStatus> decap_status(const std::string& pin_path);

}  // namespace loom
