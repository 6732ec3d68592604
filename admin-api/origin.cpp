// SPDX-License-Identifier: Apache-2.0
#include "admin-api/origin.hpp"

namespace loom {
namespace {

constexpr std::string_view kScheme = "http://";

Problem forbidden(std::string detail, std::string suggestion) {
  Problem problem{.kind = problems::kForbidden, .detail = std::move(detail)};
  problem.errors.push_back(
      {.pointer = "", .detail = problem.detail, .suggestion = std::move(suggestion)});
  return problem;
}

/// "localhost:9091" is "localhost", "[::1]:9091" is "[::1]".
std::string_view without_port(std::string_view authority) {
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return authority.substr(0, colon);
}

/// Pages of this very server, and programs that set the header to say so.
bool is_own_origin(std::string_view origin, std::string_view host) {
  return origin.starts_with(kScheme) && equal_ignoring_case(origin.substr(kScheme.size()), host);
}

}  // namespace

bool is_mutating(std::string_view method) {
  return method != "GET" && method != "HEAD";
}

bool OriginPolicy::is_own_host(std::string_view host) const {
  const std::string_view name = without_port(host);
  if (equal_ignoring_case(name, "localhost") || name == "127.0.0.1" || name == "[::1]") return true;
  const Result<Endpoint> address = Endpoint::parse(name);
  return address && address->address == bound_.address && !bound_.address.is_unspecified();
}

std::optional<Problem> OriginPolicy::refuse(const HttpRequest& request) const {
  const size_t hosts = request.header_count("Host");
  // RFC 9112 3.2. HTTP/1.0 has no Host, and no browser speaks it.
  if (hosts > 1 || (hosts == 0 && request.version != "HTTP/1.0"))
    return Problem{.kind = problems::kBadRequest, .detail = "exactly one Host header is needed"};
  const std::string_view host = request.header("Host").value_or("localhost");
  if (!is_own_host(host))
    return forbidden("Host is not a name of this server",
                     "use localhost, 127.0.0.1, [::1] or the address of admin.listen");
  if (!is_mutating(request.method)) return std::nullopt;

  // Another port of this host is another site to us, though "same-site" to browsers.
  const std::string_view site = request.header("Sec-Fetch-Site").value_or("none");
  if (site != "none" && site != "same-origin")
    return forbidden("a web page of another site must not change the balancer", "");
  const std::optional<std::string_view> origin = request.header("Origin");
  if (origin && !is_own_origin(*origin, host))
    return forbidden("Origin is another site: a web page must not change the balancer", "");
  return std::nullopt;
}

}  // namespace loom
