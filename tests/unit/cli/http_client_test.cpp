// SPDX-License-Identifier: Apache-2.0
// The client over real sockets, on loopback.
#include "lb/cli/http_client.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include "lb/base/unique_fd.hpp"

namespace loom::cli {
namespace {

using namespace std::chrono_literals;

class Server {
 public:
  explicit Server(const char* host = "127.0.0.1") : host_(host) {
    server_.Get("/echo", [](const httplib::Request& request, httplib::Response& response) {
      response.set_content(request.get_header_value("Host") + " " + request.target, "text/plain");
    });
    server_.Patch("/echo", [](const httplib::Request& request, httplib::Response& response) {
      response.set_content(request.get_header_value("Content-Type") + " " + request.body,
                           "application/json");
    });
    server_.Get("/broken", [](const httplib::Request&, httplib::Response& response) {
      response.status = 503;
      response.set_content("{}", "application/problem+json");
    });
    server_.Get("/slow", [](const httplib::Request&, httplib::Response&) {
      std::this_thread::sleep_for(600ms);
    });
    server_.Get("/trickle", [](const httplib::Request&, httplib::Response& response) {
      response.set_content_provider(10'000, "text/plain",
                                    [](size_t, size_t, httplib::DataSink& sink) {
                                      std::this_thread::sleep_for(20ms);
                                      return sink.write(".", 1);
                                    });
    });
    port_ = server_.bind_to_any_port(host);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (port_ > 0 && !server_.is_running()) std::this_thread::sleep_for(1ms);
  }
  ~Server() {
    server_.stop();
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] ServerUrl url() const { return {host_, port_}; }

 private:
  httplib::Server server_;
  std::string host_;
  int port_ = 0;
  std::thread thread_;
};

TEST(HttpClient, SendsTargetsAsTheyAre) {
  const Server server;
  const auto client = make_http_client(server.url(), 5s);
  const Result<HttpResponse> answer = client->send({"GET", "/echo?backend=%5B::1%5D:80", ""});
  ASSERT_TRUE(answer) << answer.error().what();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body,
            "127.0.0.1:" + std::to_string(server.url().port) + " /echo?backend=%5B::1%5D:80");
}

TEST(HttpClient, NamesAnIpv6HostInBrackets) {
  const Server server("::1");
  if (server.url().port <= 0) GTEST_SKIP() << "no IPv6 on loopback";
  const auto client = make_http_client(server.url(), 5s);
  const Result<HttpResponse> answer = client->send({"GET", "/echo", ""});
  ASSERT_TRUE(answer) << answer.error().what();
  EXPECT_EQ(answer->body, "[::1]:" + std::to_string(server.url().port) + " /echo");
}

TEST(HttpClient, SendsBodiesAsJson) {
  const Server server;
  const auto client = make_http_client(server.url(), 5s);
  const Result<HttpResponse> answer = client->send({"PATCH", "/echo", R"({"weight":5})"});
  ASSERT_TRUE(answer) << answer.error().what();
  EXPECT_EQ(answer->body, R"(application/json {"weight":5})");
  EXPECT_EQ(answer->content_type, "application/json");
}

TEST(HttpClient, GivesEveryStatusAsAnAnswer) {
  const Server server;
  const auto client = make_http_client(server.url(), 5s);
  EXPECT_EQ(client->send({"GET", "/broken", ""})->status, 503);
  EXPECT_EQ(client->send({"GET", "/nowhere", ""})->status, 404);
}

TEST(HttpClient, GivesUpAfterItsTimeout) {
  const Server server;
  const auto client = make_http_client(server.url(), 100ms);
  for (const char* target : {"/slow", "/trickle"}) {
    const auto begin = std::chrono::steady_clock::now();
    const Result<HttpResponse> answer = client->send({"GET", target, ""});
    const auto took = std::chrono::steady_clock::now() - begin;
    ASSERT_FALSE(answer) << target;
    EXPECT_EQ(answer.error().code(), EHOSTUNREACH);
    EXPECT_EQ(answer.error().what(),
              "no answer from " + server.url().to_string() + " within 100ms");
    EXPECT_LT(took, 5s) << target;  // All of /trickle takes 200 s.
  }
}

/// A port on which nothing listens, or nobody answers.
class BoundPort {
 public:
  BoundPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(socket_.get(), generic, length), 0);
    EXPECT_EQ(::getsockname(socket_.get(), generic, &length), 0);
    port_ = ntohs(address.sin_port);
  }
  void listen() const { EXPECT_EQ(::listen(socket_.get(), 8), 0); }
  [[nodiscard]] UniqueFd accept() const {
    return UniqueFd(::accept(socket_.get(), nullptr, nullptr));
  }
  [[nodiscard]] ServerUrl url() const { return {"127.0.0.1", port_}; }

 private:
  UniqueFd socket_;
  int port_ = 0;
};

TEST(HttpClient, SaysThatNobodyListens) {
  const BoundPort port;
  const Result<HttpResponse> answer = make_http_client(port.url(), 5s)->send({"GET", "/", ""});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), EHOSTUNREACH);
  EXPECT_EQ(answer.error().what(), "cannot connect to " + port.url().to_string());
}

TEST(HttpClient, SaysThatNobodyAnswers) {
  const BoundPort port;
  port.listen();
  const Result<HttpResponse> answer = make_http_client(port.url(), 50ms)->send({"GET", "/", ""});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().what(), "no answer from " + port.url().to_string() + " within 50ms");
}

TEST(HttpClient, SaysThatTheConnectionWasBrokenOff) {
  const BoundPort port;
  port.listen();
  std::thread closer([&] { const UniqueFd accepted = port.accept(); });
  const Result<HttpResponse> answer =
      make_http_client(port.url(), 5s)->send({"PATCH", "/", std::string(1 << 20, 'x')});
  closer.join();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().what(),
            port.url().to_string() + " broke off the connection without a complete answer");
}

}  // namespace
}  // namespace loom::cli
