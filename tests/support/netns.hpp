// SPDX-License-Identifier: Apache-2.0
// Network namespaces for tests: made, wired, entered and removed again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"

namespace loom::test {

/// Where namespaces cannot be made: says why and ends the program with 77, "cannot run here".
void skip_without_namespaces();

struct CommandResult {
  int status = 0;      ///< Exit status; 128 + number if a signal ended it.
  std::string output;  ///< Of both streams.
};

/// Back in the namespace it came from when it goes out of scope, on the same thread.
class EnteredNamespace {
 public:
  explicit EnteredNamespace(const std::string& path);
  ~EnteredNamespace();
  EnteredNamespace(const EnteredNamespace&) = delete;
  EnteredNamespace& operator=(const EnteredNamespace&) = delete;

 private:
  UniqueFd home_;
};

/// A named namespace with a name no other test has; removed with its devices. Making one may abort:
/// call skip_without_namespaces() first.
class Namespace {
 public:
  /// `label` tells the namespaces of one test apart in what they print.
  explicit Namespace(std::string_view label);
  ~Namespace();
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string path() const { return "/run/netns/" + name_; }

  /// By /bin/sh inside, with the mounts of the caller (`ip netns exec` would hide the bpffs).
  [[nodiscard]] CommandResult run(const std::string& command) const;
  /// As run(), and fails the running test, naming command and output, if the status is not 0.
  void must(const std::string& command) const;
  [[nodiscard]] EnteredNamespace enter() const { return EnteredNamespace(path()); }

 private:
  std::string name_;
};

/// An interface in a namespace.
struct Port {
  const Namespace& ns;
  std::string device;

  [[nodiscard]] uint32_t ifindex() const;
  [[nodiscard]] std::string mac() const;
};

// These fail the running test if the kernel refuses.

/// A veth pair, both ends up and with a carrier.
void connect(const Port& a, const Port& b);
/// "10.0.0.1/24"; an IPv6 address is usable at once (no duplicate address detection).
void add_address(const Port& port, const std::string& address);
/// What the peer sends by XDP arrives only at a port with a native program: one that passes all.
/// `flags`: XDP_FLAGS_DRV_MODE or XDP_FLAGS_SKB_MODE. The program's id.
uint32_t load_xdp_pass(const Port& port, uint32_t flags);
/// Local sockets then fill in their checksums, which the peer's XDP program needs.
void disable_tx_offload(const Port& port);

}  // namespace loom::test
