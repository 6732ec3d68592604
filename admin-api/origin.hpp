// SPDX-License-Identifier: Apache-2.0
// Keeps web pages out: a browser on this host reaches loopback, whoever wrote the page in it.
#pragma once

#include <optional>

#include "admin-api/http.hpp"
#include "admin-api/problem.hpp"
#include "lb/net/endpoint.hpp"

namespace loom {

class OriginPolicy {
 public:
  explicit OriginPolicy(Endpoint bound) : bound_(bound) {}

  /// Set: why the request is refused. Host names other than ours mean DNS rebinding; a foreign
  /// Origin or Sec-Fetch-Site means a page of another site, which must not change anything.
  [[nodiscard]] std::optional<Problem> refuse(const HttpRequest& request) const;

 private:
  [[nodiscard]] bool is_own_host(std::string_view host) const;

  Endpoint bound_;
};

/// Everything but GET and HEAD.
[[nodiscard]] bool is_mutating(std::string_view method);

}  // namespace loom
