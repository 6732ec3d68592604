// SPDX-License-Identifier: Apache-2.0
// The only user of cpp-httplib: its parser and its writer of responses, on our own sockets.
//
// httplib itself reads heads and bodies without bound and treats bodies by their Content-Type
// (forms, multipart, compression). BoundedSocket keeps the first in check; the second is avoided by
// taking those headers away before it looks at the body.
#include "admin-api/connection.hpp"

#include <httplib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <charconv>

#include "admin-api/bounded_socket.hpp"
#include "admin-api/listener.hpp"

namespace loom {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kMaxHead = size_t{16} * 1024;
constexpr size_t kMaxHeaders = 64;
constexpr size_t kMaxBody = size_t{1024} * 1024;
constexpr seconds kRequestTimeout{5};
constexpr seconds kWriteTimeout{5};
constexpr seconds kIdleTimeout{2};
constexpr milliseconds kLingerTimeout{500};
constexpr int kMaxRequests = 1000;

class SocketStream : public httplib::Stream {
 public:
  explicit SocketStream(BoundedSocket& socket) : socket_(socket) {}

  [[nodiscard]] bool is_readable() const override { return true; }
  [[nodiscard]] bool is_writable() const override { return true; }
  ssize_t read(char* out, size_t size) override { return socket_.read(out, size); }
  ssize_t write(const char* data, size_t size) override {
    return socket_.write(data, size, kWriteTimeout);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  [[nodiscard]] socket_t socket() const override { return socket_.fd(); }

 private:
  BoundedSocket& socket_;
};

/// An answer that does not depend on the request's meaning.
struct Rejection {
  int status = 0;
  std::string detail;
};

/// Methods whose body httplib reads.
bool takes_body(const std::string& method) {
  return method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE";
}

/// Unset: not a number, or two that differ.
std::optional<size_t> content_length(const httplib::Request& request) {
  size_t length = 0;
  const auto [first, last] = request.headers.equal_range("Content-Length");
  for (auto header = first; header != last; ++header) {
    const std::string& text = header->second;
    size_t value = 0;
    const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (err != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (header != first && value != length) return std::nullopt;
    length = value;
  }
  return length;
}

std::optional<Rejection> reject(const httplib::Request& request, std::optional<size_t> length) {
  if (request.headers.size() > kMaxHeaders)
    return Rejection{431, "more than " + std::to_string(kMaxHeaders) + " headers"};
  if (request.has_header("Transfer-Encoding"))
    return Rejection{411, "send the body with Content-Length, not Transfer-Encoding"};
  if (!length) return Rejection{400, "Content-Length is not one number"};
  if (*length > kMaxBody)
    return Rejection{413, "a body may have " + std::to_string(kMaxBody) + " bytes"};
  if (request.has_header("Content-Encoding") &&
      request.get_header_value("Content-Encoding") != "identity")
    return Rejection{415, "send the body without Content-Encoding"};
  return std::nullopt;
}

class HttplibServer : public ConnectionServer, private httplib::Server {
 public:
  HttplibServer(Router& router, int wake_fd);

  void serve(const UniqueFd& connection) override;

 private:
  bool serve_request(BoundedSocket& socket, int requests_left);
  void prepare(httplib::Request& request, BoundedSocket& socket);
  void answer(const httplib::Request& request, httplib::Response& response);
  void explain(httplib::Response& response);

  Router& router_;
  const int wake_fd_;

  // Of the connection being served.
  std::string peer_;
  // Of the request being served.
  const BoundedSocket* socket_ = nullptr;
  bool head_complete_ = false;
  bool close_after_ = false;
  std::optional<Rejection> rejection_;
};

void copy(HttpResponse&& from, httplib::Response& to) {
  to.status = from.status;
  for (auto& [name, value] : from.headers) to.set_header(name, value);
  to.set_header("Content-Type", from.content_type);
  to.body = std::move(from.body);
}

HttplibServer::HttplibServer(Router& router, int wake_fd) : router_(router), wake_fd_(wake_fd) {
  // prepare() makes every path "/": routing is ours, and a long path cannot exhaust std::regex.
  const Handler handler = [this](const httplib::Request& request, httplib::Response& response) {
    answer(request, response);
  };
  Get("/", handler);
  Post("/", handler);
  Put("/", handler);
  Patch("/", handler);
  Delete("/", handler);
  Options("/", handler);
  set_payload_max_length(kMaxBody);
  // By default the text of an exception becomes a header of the response.
  set_exception_handler([](const httplib::Request&, httplib::Response& response,
                           const std::exception_ptr&) { response.status = 500; });
  set_error_handler([this](const httplib::Request&, httplib::Response& response) {
    if (response.body.empty()) explain(response);
  });
}

void HttplibServer::serve(const UniqueFd& connection) {
  const int on = 1;
  // Head and body are two writes; Nagle would hold the second back for 40 ms. Not on Unix sockets.
  (void)setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  peer_ = peer_name(connection);
  BoundedSocket socket(connection.get(), wake_fd_);
  for (int left = kMaxRequests; left > 0; --left) {
    const auto patience = left == kMaxRequests ? kRequestTimeout : kIdleTimeout;
    if (!socket.wait_readable(BoundedSocket::Clock::now() + patience)) return;
    if (!serve_request(socket, left)) break;
  }
  if (close_after_) socket.linger(kLingerTimeout);
}

/// False: the connection is at its end.
bool HttplibServer::serve_request(BoundedSocket& socket, int requests_left) {
  socket_ = &socket;
  head_complete_ = false;
  close_after_ = false;
  rejection_.reset();
  socket.allow(kMaxHead, BoundedSocket::Clock::now() + kRequestTimeout);

  SocketStream stream(socket);
  bool closed = false;
  const bool done = process_request(stream, requests_left == 1, closed,
                                    [&](httplib::Request& request) { prepare(request, socket); });
  if (!head_complete_) close_after_ = true;  // where the next request begins is unknown
  return done && !closed && !close_after_;
}

/// After the head, before httplib looks at what it means.
void HttplibServer::prepare(httplib::Request& request, BoundedSocket& socket) {
  head_complete_ = true;
  const std::optional<size_t> length = content_length(request);
  rejection_ = reject(request, length);
  const bool unread = length != size_t{0} && !takes_body(request.method);
  close_after_ = rejection_ || unread;
  socket.allow(rejection_ ? 0 : length.value_or(0));

  request.path = "/";
  request.ranges.clear();
  for (const char* name : {"Content-Type", "Content-Encoding", "Transfer-Encoding",
                           "Accept-Encoding", "Content-Length"})
    request.headers.erase(name);
  // Without it httplib would read until the client closes.
  request.set_header("Content-Length", std::to_string(rejection_ ? 0 : length.value_or(0)));
  if (close_after_) {
    request.headers.erase("Expect");
    request.headers.erase("Connection");
    request.set_header("Connection", "close");
  }
}

void HttplibServer::answer(const httplib::Request& request, httplib::Response& response) {
  if (rejection_) {
    copy(router_.reject(rejection_->status, rejection_->detail), response);
    return;
  }
  HttpRequest plain{.method = request.method,
                    .target = request.target,
                    .version = request.version,
                    .headers = {request.headers.begin(), request.headers.end()},
                    .body = request.body,
                    .peer = peer_};
  copy(router_.handle(plain), response);
}

/// For answers httplib makes itself: it has no words for them.
void HttplibServer::explain(httplib::Response& response) {
  using Failure = BoundedSocket::Failure;
  std::string detail = "this is not an HTTP/1.1 request";
  if (socket_->failure() == Failure::kTimeout) {
    response.status = 408;
    detail = "the request was not complete after " + std::to_string(kRequestTimeout.count()) + " s";
  } else if (!head_complete_ && socket_->failure() == Failure::kTooMuch) {
    response.status = 431;
    detail = "a request's head may have " + std::to_string(kMaxHead) + " bytes";
  }
  close_after_ = true;
  copy(router_.reject(response.status, std::move(detail)), response);
  response.set_header("Connection", "close");
}

}  // namespace

std::unique_ptr<ConnectionServer> ConnectionServer::make(Router& router, int wake_fd) {
  return std::make_unique<HttplibServer>(router, wake_fd);
}

}  // namespace loom
