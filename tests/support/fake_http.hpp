// SPDX-License-Identifier: Apache-2.0
// FakeHttp: a daemon that answers what the test told it to.
#pragma once

#include <cerrno>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lb/cli/http_client.hpp"

namespace loom::cli {

class FakeHttp {
 public:
  /// `line` is "GET /path". Several answers to one line are given in turn, the last one for ever.
  void answer(const std::string& line, int status, std::string body) {
    const char* type = status < 400 ? "application/json" : "application/problem+json";
    answers_[line].push_back({status, type, std::move(body)});
  }
  void be_unreachable() { reachable_ = false; }

  /// "POST /ebpf/backends {...}", in the order they came.
  [[nodiscard]] const std::vector<std::string>& requests() const { return requests_; }
  /// Where and how patiently the command connected.
  ServerUrl server;
  std::chrono::milliseconds timeout{0};

  [[nodiscard]] std::unique_ptr<HttpClient> client() { return std::make_unique<Client>(*this); }

 private:
  class Client final : public HttpClient {
   public:
    explicit Client(FakeHttp& http) : http_(http) {}
    Result<HttpResponse> send(const HttpRequest& request) override { return http_.send(request); }

   private:
    FakeHttp& http_;
  };

  Result<HttpResponse> send(const HttpRequest& request) {
    const std::string line = request.method + " " + request.target;
    requests_.push_back(request.body.empty() ? line : line + " " + request.body);
    if (!reachable_) return Error(EHOSTUNREACH, "cannot connect to " + server.to_string());
    std::deque<HttpResponse>& queue = answers_[line];
    if (queue.empty()) {
      return HttpResponse{404, "application/problem+json",
                          R"({"title":"no answer prepared","status":404})"};
    }
    HttpResponse response = queue.front();
    if (queue.size() > 1) queue.pop_front();
    return response;
  }

  std::map<std::string, std::deque<HttpResponse>> answers_;
  std::vector<std::string> requests_;
  bool reachable_ = true;
};

}  // namespace loom::cli
