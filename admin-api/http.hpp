// SPDX-License-Identifier: Apache-2.0
// A request and its answer as plain values: handlers and their tests know no HTTP library.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loom {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;   ///< "GET"
  std::string target;   ///< As sent: "/ebpf/connections?limit=5".
  std::string version;  ///< "HTTP/1.1"
  HttpHeaders headers;
  std::string body;
  std::string peer;  ///< Who asks, for the log.

  /// The first header of that name, whatever its case.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  [[nodiscard]] size_t header_count(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers;
  std::string body;

  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

/// RFC 3986 2.1. Empty: a "%" without two hex digits.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

/// A target in its parts, decoded.
struct Target {
  std::string path;                   ///< As sent, without the query.
  std::vector<std::string> segments;  ///< "/a/b" has two, "/" none; "%2F" does not separate.
  std::vector<std::pair<std::string, std::string>> query;

  /// Empty: bad percent-encoding, or not a path.
  static std::optional<Target> parse(std::string_view target);
};

/// ASCII only, as header names and host names are compared.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace loom
