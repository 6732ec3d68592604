// SPDX-License-Identifier: Apache-2.0
// The admin API as a function from request to response: the route table and what holds for every
// request before its handler runs. No sockets.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin-api/build_info.hpp"
#include "admin-api/http.hpp"
#include "admin-api/origin.hpp"
#include "admin-api/request_counts.hpp"
#include "lb/control/control.hpp"

namespace loom {

/// What handlers work with.
struct ApiContext {
  Control& control;
  const BuildInfo& build;
  const RequestCounts& request_counts;
};

/// A request that has found its route.
struct Call {
  const HttpRequest& request;
  std::string parameter;  ///< What stands for {id} or {name}, decoded.
  std::vector<std::pair<std::string, std::string>> query;  ///< Only names the route knows.

  /// Null: not given.
  [[nodiscard]] const std::string* find_query(std::string_view name) const;
};

struct Route {
  std::string_view method;
  std::string_view pattern;  ///< "/ebpf/backends/{id}"; at most one parameter.
  std::string_view summary;
  HttpResponse (*handler)(const ApiContext& api, const Call& call);
  std::vector<std::string> query;  ///< Names it takes.
};

/// First match wins. HEAD is not listed: it is GET without the body.
[[nodiscard]] std::span<const Route> routes();

class Router {
 public:
  /// `control` must outlive it.
  Router(Control& control, BuildInfo build, Endpoint bound);

  /// Thread-safe.
  [[nodiscard]] HttpResponse handle(const HttpRequest& request);

  /// An answer given before there was a request to handle; counted like the others.
  [[nodiscard]] HttpResponse reject(int status, std::string detail);

 private:
  struct Answer {
    HttpResponse response;
    std::string_view pattern;
  };
  [[nodiscard]] Answer dispatch(const HttpRequest& request) const;

  Control& control_;
  const BuildInfo build_;
  const OriginPolicy origin_policy_;
  RequestCounts counts_;
};

}  // namespace loom
