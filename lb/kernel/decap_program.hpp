// SPDX-License-Identifier: Apache-2.0
// The loom_decap program and its maps: loading, what it accepts, what it counted.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/kernel/decap.hpp"
#include "lb/kernel/decap_pins.hpp"

struct loom_decap;  // the skeleton

namespace loom {

/// A loaded program over the interface's pinned maps. They and an attachment outlive it.
class DecapProgram {
 public:
  /// Takes over maps that are pinned already: their contents stay.
  static Result<DecapProgram> load(const DecapOptions& options, const DecapPins& pins);

  /// What `options` lists is accepted from now on, and then nothing else any more.
  Result<void> write_lists(const DecapOptions& options) const;
  Result<void> pin_settings(const DecapPins& pins) const;
  [[nodiscard]] int fd() const;

 private:
  struct Destroy {
    void operator()(loom_decap* skeleton) const;
  };

  DecapProgram(loom_decap* skeleton, bool tc) : skeleton_(skeleton), tc_(tc) {}

  std::unique_ptr<loom_decap, Destroy> skeleton_;
  bool tc_;
};

/// Fills in encaps, port, from, vips and counters.
Result<void> read_decap_maps(const DecapPins& pins, DecapInterface& out);

}  // namespace loom
