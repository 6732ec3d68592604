// SPDX-License-Identifier: Apache-2.0
// Datapath: the loaded programs and their maps, adopted from pins or made anew.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/base/unique_fd.hpp"
#include "lb/kernel/bpf_map.hpp"
#include "lb/kernel/pins.hpp"
#include "lb/kernel/program.hpp"
#include "loom/abi.h"

namespace loom {

/// What is fixed when the programs are loaded.
struct DatapathConfig {
  uint32_t ring_size = LOOM_DEFAULT_RING_SIZE;
  uint32_t max_backends = 10'000;
  uint32_t max_flows = 262'144;
  uint32_t max_probation = 131'072;  ///< Flows not confirmed yet.
  bool multi_buffer = true;          ///< Frames of several buffers at XDP, if the kernel has them.
  bool drop_extension_headers = false;
  uint16_t nat_port_min = 1024;  ///< Host order, inclusive.
  uint16_t nat_port_max = 32767;
  uint32_t hz = 250;            ///< Kernel ticks per second.
  uint32_t answer_rate = 1000;  ///< ICMP errors and RSTs per second and CPU.
  uint32_t fragment_timeout_s = 30;
  /// By enum loom_state.
  std::array<std::chrono::milliseconds, LOOM_STATE_MAX> timeouts{};
};

/// Returns when no program run that started before can still be under way.
void wait_for_packets_in_flight();

/// File descriptors by map name, "loom_flows".
using MapSet = std::map<std::string, UniqueFd>;

class Datapath {
 public:
  /// Where maps and programs came from.
  enum class Origin {
    kFresh,         ///< There were no pins.
    kReplaced,      ///< There were pins, of another ABI or damaged; what is attached still runs.
    kAdopted,       ///< Everything as it was.
    kReprogrammed,  ///< Other programs over the same maps.
    kMigrated,      ///< Other map layouts: contents copied; finish_switch() is due.
  };

  /// The datapath under `pins` for `config`. Nothing is attached or detached by this.
  static Result<Datapath> open(Pins pins, const DatapathConfig& config);

  [[nodiscard]] Origin origin() const { return origin_; }
  [[nodiscard]] Pins& pins() { return pins_; }
  [[nodiscard]] const Pins& pins() const { return pins_; }
  [[nodiscard]] const std::string& generation() const { return generation_; }
  [[nodiscard]] const DatapathConfig& config() const { return config_; }

  /// Dies on an unknown name: names are literals of this folder.
  [[nodiscard]] int map_fd(const std::string& name) const;
  template <class Key, class Value>
  [[nodiscard]] BpfMap<Key, Value> map(const std::string& name) const {
    return BpfMap<Key, Value>(map_fd(name), name);
  }
  [[nodiscard]] const MapSet& maps() const { return maps_; }
  [[nodiscard]] int program_fd() const { return xdp_.fd.get(); }
  [[nodiscard]] uint32_t program_id() const { return xdp_.id; }
  [[nodiscard]] const std::string& program_tag() const { return xdp_.tag; }
  [[nodiscard]] int tc_program_fd() const { return tc_.fd.get(); }
  [[nodiscard]] uint32_t tc_program_id() const { return tc_.id; }
  [[nodiscard]] const std::string& tc_program_tag() const { return tc_.tag; }

  /// Both kernel clocks at one moment.
  [[nodiscard]] Result<loom_clock> now() const;

  /// One LOOM_SETTING_*; the others stay. Any thread.
  Result<void> change_setting(uint32_t setting, bool on) const;

  /// After all interfaces run the new program: lets go of what only the old one used. If maps
  /// changed their layout, first makes the new generation the current one and brings over what the
  /// old program did since open(). A start that finds this interrupted does it again.
  Result<void> finish_switch();
  [[nodiscard]] bool switch_pending() const;

 private:
  explicit Datapath(Pins pins) : pins_(std::move(pins)) {}

  /// Pins of the arrays that only earlier programs call.
  [[nodiscard]] std::vector<std::string> old_programs() const;

  Pins pins_;
  std::string generation_;
  Origin origin_ = Origin::kFresh;
  DatapathConfig config_;
  MapSet maps_;
  MapSet old_maps_;  ///< kMigrated until finish_switch().
  Program xdp_;
  Program tc_;
  /// The arrays of the programs that those two call, one per load. The kernel empties one that has
  /// neither descriptor nor pin.
  UniqueFd later_programs_;
  UniqueFd tc_later_programs_;
  std::string pin_suffix_;  ///< Of the arrays.
  UniqueFd clock_program_;
  std::unique_ptr<std::mutex> settings_ = std::make_unique<std::mutex>();

  friend class DatapathOpener;
};

}  // namespace loom
