// SPDX-License-Identifier: Apache-2.0
// What a command may use. Everything outside the process comes in here, so tests can replace it.
#pragma once

#include <chrono>
#include <functional>
#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "lb/cli/api.hpp"
#include "lb/cli/decap_control.hpp"
#include "lb/cli/http_client.hpp"
#include "lb/cli/output.hpp"

namespace loom::cli {

class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual std::chrono::steady_clock::time_point now() const = 0;
  virtual void sleep(std::chrono::milliseconds duration) = 0;
};

struct Context {
  Output& out;
  Api& api;
  DecapControl& decap;
  Clock& clock;
  std::istream& in;
};

/// The process as `loom` sees it.
struct Environment {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  DecapControl& decap;
  Clock& clock;
  std::function<std::unique_ptr<HttpClient>(const ServerUrl&, std::chrono::milliseconds)> connect =
      make_http_client;
  std::function<std::string(const char*)> variable;  ///< getenv(3); "" for unset.
  bool out_is_terminal = false;
  bool err_is_terminal = false;
};

/// All of `loom` but main(): arguments without the program's name, the exit status.
[[nodiscard]] int run_cli(const std::vector<std::string>& arguments, Environment& environment);

}  // namespace loom::cli
