// SPDX-License-Identifier: Apache-2.0
// HttpClient over TCP: the only file of the command that knows cpp-httplib.
#include <httplib.h>

#include <cerrno>
#include <csignal>

#include "lb/cli/http_client.hpp"
#include "lb/cli/text.hpp"

namespace loom::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// The longest answer is a list of 100 000 connections, some 30 MB.
constexpr size_t kMaxBodyBytes = size_t{256} << 20;

/// httplib writes without MSG_NOSIGNAL. Only while it does: `loom ... | head` ends by SIGPIPE.
class IgnoreSigpipe {
 public:
  IgnoreSigpipe() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~IgnoreSigpipe() { std::signal(SIGPIPE, before_); }
  IgnoreSigpipe(const IgnoreSigpipe&) = delete;
  IgnoreSigpipe& operator=(const IgnoreSigpipe&) = delete;

 private:
  void (*before_)(int);
};

class HttplibClient final : public HttpClient {
 public:
  HttplibClient(ServerUrl server, std::chrono::milliseconds timeout)
      : server_(std::move(server)), timeout_(timeout) {}

  Result<HttpResponse> send(const HttpRequest& request) override;

 private:
  [[nodiscard]] Error failure(httplib::Error error, SteadyClock::time_point deadline) const;

  ServerUrl server_;
  std::chrono::milliseconds timeout_;
};

Result<HttpResponse> HttplibClient::send(const HttpRequest& request) {
  httplib::Client client(server_.host, server_.port);
  client.set_url_encode(false);  // The target is encoded already.
  client.set_follow_location(false);
  client.set_connection_timeout(timeout_);
  client.set_read_timeout(timeout_);
  client.set_write_timeout(timeout_);

  const IgnoreSigpipe ignore_sigpipe;
  const SteadyClock::time_point deadline = SteadyClock::now() + timeout_;
  std::string body;
  httplib::Request message;
  message.method = request.method;
  message.path = request.target;
  message.body = request.body;
  // httplib would send an IPv6 host without its brackets.
  message.set_header("Host", server_.to_string().substr(std::string("http://").size()));
  message.set_header("Accept", "application/json, application/problem+json");
  if (!request.body.empty()) message.set_header("Content-Type", "application/json");
  // httplib's timeouts start anew with every byte; the deadline does not.
  message.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    if (SteadyClock::now() > deadline || body.size() + size > kMaxBodyBytes) return false;
    body.append(data, size);
    return true;
  };

  const httplib::Result result = client.send(message);
  if (!result) return failure(result.error(), deadline);
  return HttpResponse{result->status, result->get_header_value("Content-Type"), std::move(body)};
}

Error HttplibClient::failure(httplib::Error error, SteadyClock::time_point deadline) const {
  const std::string url = server_.to_string();
  const bool late = SteadyClock::now() >= deadline;
  if (error == httplib::Error::ConnectionTimeout || late) {
    return Error(EHOSTUNREACH, "no answer from " + url + " within " + human_duration(timeout_));
  }
  if (error == httplib::Error::Connection) return Error(EHOSTUNREACH, "cannot connect to " + url);
  if (error == httplib::Error::Canceled) {
    return Error(EHOSTUNREACH, "the answer of " + url + " is too long");
  }
  return Error(EHOSTUNREACH, url + " broke off the connection without a complete answer");
}

}  // namespace

std::unique_ptr<HttpClient> make_http_client(const ServerUrl& server,
                                             std::chrono::milliseconds timeout) {
  return std::make_unique<HttplibClient>(server, timeout);
}

}  // namespace loom::cli
