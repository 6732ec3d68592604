// SPDX-License-Identifier: Apache-2.0
// The pin directory: what outlives the daemon, and where.
//
//   PIN_PATH/current            symlink to the generation in force
//   PIN_PATH/g7/maps/NAME       every map of the datapath
//   PIN_PATH/g7/rings/SERVICE   the inner map of each ring (reading it back through the outer map
//                               would need CAP_SYS_ADMIN)
//   PIN_PATH/g7/history/SERVICE what each ring was before, for one window
//   PIN_PATH/g7/progs/NAME      the programs, and the arrays of those they call
//   PIN_PATH/links/INTERFACE    the XDP attachments; they outlive generations
//   PIN_PATH/filters/INTERFACE  the programs attached at TC, by which we know our filters
//
// Two lifetimes: a map or link lives as long as its pin or a program that uses it; closing our
// descriptor ends nothing.
#pragma once

#include <string>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"

namespace loom {

class Pins {
 public:
  /// Makes the directory if needed and locks it: one daemon per pin path. Errors: EINVAL when the
  /// path is not on a bpffs, EBUSY when another daemon holds it, EPERM when it is not ours.
  static Result<Pins> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  /// "g7", or empty before the first start.
  [[nodiscard]] Result<std::string> current() const;
  /// Makes the directories of a new generation and returns its name. Leftovers of an interrupted
  /// start are removed first.
  Result<std::string> create_generation();
  /// Atomically. Other generations stay.
  Result<void> set_current(const std::string& generation);
  Result<void> remove_generations_but(const std::string& kept);
  /// A generation beside the current one: a migration was interrupted, or one never started to
  /// matter. Empty: there is none.
  [[nodiscard]] std::string other_generation(const std::string& current) const;

  [[nodiscard]] std::string map(const std::string& generation, const std::string& name) const;
  [[nodiscard]] std::string ring(const std::string& generation, const std::string& service) const;
  [[nodiscard]] std::string history(const std::string& generation,
                                    const std::string& service) const;
  [[nodiscard]] std::string program(const std::string& generation, const std::string& name) const;
  /// Their names.
  [[nodiscard]] std::vector<std::string> programs(const std::string& generation) const;
  [[nodiscard]] std::string link(const std::string& interface) const;
  /// Gives the link of an interface that was renamed its new name.
  Result<void> rename_link(const std::string& from, const std::string& to);
  /// Interfaces with a pinned link.
  [[nodiscard]] std::vector<std::string> links() const;
  [[nodiscard]] std::string filter(const std::string& interface) const;
  /// Interfaces with a pinned filter.
  [[nodiscard]] std::vector<std::string> filters() const;
  /// Services with a pinned ring.
  [[nodiscard]] std::vector<std::string> rings(const std::string& generation) const;

  /// Removes everything under the pin path: detaches, unless others hold the links.
  Result<void> remove_all();

 private:
  Pins(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  UniqueFd lock_;
};

/// Pins `fd` at `path`, replacing what is pinned there in one step.
Result<void> pin_replacing(int fd, const std::string& path);
Result<UniqueFd> open_pin(const std::string& path);

}  // namespace loom
