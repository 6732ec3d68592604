// SPDX-License-Identifier: Apache-2.0
// What the command asks of HTTP. httplib_client.cpp does it with sockets, a fake in tests/support
// with canned answers.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "lb/base/result.hpp"

namespace loom::cli {

struct HttpRequest {
  std::string method = "GET";
  std::string target;  ///< Path and query, percent-encoded: "/ebpf/backends/3".
  std::string body;    ///< JSON; empty: none.
};

struct HttpResponse {
  int status = 0;
  std::string content_type;
  std::string body;
};

class HttpClient {
 public:
  HttpClient() = default;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  virtual ~HttpClient() = default;

  /// Any complete answer is a success, whatever its status. Errors: EHOSTUNREACH; what() says
  /// which URL and why ("connection refused", "no answer within 5s").
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

struct ServerUrl {
  std::string host;  ///< Without brackets.
  int port = 0;

  /// "http://HOST[:PORT]", a final slash allowed; port 80 if none is given.
  static Result<ServerUrl> parse(const std::string& url);
  [[nodiscard]] std::string to_string() const;
};

/// `timeout` bounds the whole exchange.
[[nodiscard]] std::unique_ptr<HttpClient> make_http_client(const ServerUrl& server,
                                                           std::chrono::milliseconds timeout);

}  // namespace loom::cli
