// SPDX-License-Identifier: Apache-2.0
// `loom`: run_cli() with the real process around it.
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <thread>

#include "lb/cli/context.hpp"

namespace loom::cli {
namespace {

class KernelDecap final : public DecapControl {
 public:
  Result<DecapInterface> attach(const DecapOptions& options) override {
    return decap_attach(options);
  }
  Result<void> detach(const std::string& interface, const std::string& pin_path) override {
    return decap_detach(interface, pin_path);
  }
  Result<DecapStatus> status(const std::string& pin_path) override {
    return decap_status(pin_path);
  }
};

class SteadyClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::steady_clock::time_point now() const override {
    return std::chrono::steady_clock::now();
  }
  void sleep(std::chrono::milliseconds duration) override { std::this_thread::sleep_for(duration); }
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// TERM=dumb says that escapes are not understood.
bool is_terminal(int fd) {
  return ::isatty(fd) != 0 && variable("TERM") != "dumb";
}

}  // namespace
}  // namespace loom::cli

int main(int argc, char** argv) {
  using namespace loom::cli;
  KernelDecap decap;
  SteadyClock clock;
  Environment environment{.in = std::cin,
                          .out = std::cout,
                          .err = std::cerr,
                          .decap = decap,
                          .clock = clock,
                          .variable = variable,
                          .out_is_terminal = is_terminal(STDOUT_FILENO),
                          .err_is_terminal = is_terminal(STDERR_FILENO)};
  return run_cli({argv + 1, argv + argc}, environment);
}
