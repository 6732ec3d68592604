// SPDX-License-Identifier: Apache-2.0
// Where `loom decap` pins what it made, and the BPF file system under it.
//
//   PIN_PATH/INTERFACE/loom_decap_*        the maps
//   PIN_PATH/INTERFACE/settings            the program's configuration, for status
//   PIN_PATH/INTERFACE/link                the XDP attachment
//   PIN_PATH/INTERFACE/tc-PRIORITY-HANDLE  the program of our TC filter, named after the filter
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"

namespace loom {

/// A TC filter as the kernel names it.
struct TcFilter {
  uint32_t priority = 0;
  uint32_t handle = 0;
};

/// The pins of one interface; nothing exists until make().
class DecapPins {
 public:
  DecapPins(const std::string& pin_path, const std::string& interface);

  /// Makes the directory. True: it is new.
  Result<bool> make() const;
  /// Unpins everything: what only pins held is gone then. Removes PIN_PATH with the last interface.
  Result<void> remove() const;

  [[nodiscard]] std::string of(const std::string& name) const { return directory_ + "/" + name; }
  [[nodiscard]] std::string link() const { return of("link"); }
  [[nodiscard]] std::string settings() const { return of("settings"); }
  [[nodiscard]] std::string tc(const TcFilter& filter) const;
  [[nodiscard]] std::optional<TcFilter> tc_filter() const;

 private:
  std::string directory_;
};

/// Makes `pin_path`, on a BPF file system, and locks it against another `loom decap` until the
/// result is closed. Mounts /sys/fs/bpf if that is where the path lies, nothing is mounted there,
/// and the mount would be seen by all: not in a mount namespace of our own, which would take the
/// pins along when it goes.
Result<UniqueFd> open_decap_pins(const std::string& pin_path);

/// Interfaces with pins under `pin_path`, sorted; none if there is no such directory.
Result<std::vector<std::string>> decap_interfaces(const std::string& pin_path);

/// A system call's error as the user reads it: "cannot do this: Permission denied", and what to do
/// about it if capabilities are missing. `what` must not hold the errno's words yet.
[[nodiscard]] Error failed(int code, const std::string& what);
[[nodiscard]] inline Error failed(const Error& error) {
  return failed(error.code(), error.what());
}

}  // namespace loom
