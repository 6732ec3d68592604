// SPDX-License-Identifier: Apache-2.0
// What `loom decap` asks of the kernel. main.cpp passes lb/kernel's functions, tests a fake.
#pragma once

#include <string>

#include "lb/base/result.hpp"
#include "lb/kernel/decap.hpp"

namespace loom::cli {

class DecapControl {
 public:
  DecapControl() = default;
  DecapControl(const DecapControl&) = delete;
  DecapControl& operator=(const DecapControl&) = delete;
  virtual ~DecapControl() = default;

  virtual Result<DecapInterface> attach(const DecapOptions& options) = 0;
  virtual Result<void> detach(const std::string& interface, const std::string& pin_path) = 0;
  virtual Result<DecapStatus> status(const std::string& pin_path) = 0;
};

}  // namespace loom::cli
