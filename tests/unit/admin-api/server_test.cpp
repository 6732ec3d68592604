// SPDX-License-Identifier: Apache-2.0
// The API over real sockets: the Loom page's curl lines, many clients, activation, taken ports.
#include "admin-api/server.hpp"

#include <fcntl.h>
#include <sys/un.h>

#include <atomic>
#include <thread>

#include "admin-api/listener.hpp"
#include "api_fixture.hpp"
#include "raw_client.hpp"

namespace loom {
namespace {

class Server : public testing::Test {
 protected:
  Server() {
    fill(control_);
    control_.state.services.pop_back();  // one service, as on the page
    auto started = AdminServer::start(control_, {.listen = endpoint("127.0.0.1")});
    EXPECT_TRUE(started);
    server_ = std::move(*started);
    port_ = std::to_string(server_->bound().port);
  }
  /// The page's line with our port; its output, then the status.
  std::string page(std::string command) {
    const size_t at = command.find("9091");
    command.replace(at, 4, port_);
    return run(command + " -s -S --noproxy '*' -w '%{http_code}'");
  }
  std::string ask(const std::string& bytes) { return RawClient(server_->bound().port).ask(bytes); }

  FakeControl control_;
  std::unique_ptr<AdminServer> server_;
  std::string port_;
};

TEST_F(Server, BindsWhereItWasTold) {
  EXPECT_EQ(server_->bound().address, endpoint("127.0.0.1").address);
  EXPECT_NE(server_->bound().port, 0);
}

TEST_F(Server, AnswersTheLoomPagesCurlLines) {
  if (!have_curl()) GTEST_SKIP() << "curl is not installed";
  const std::string added = page(R"(curl -X POST http://localhost:9091/ebpf/backends \
  -d '{"address": "10.0.1.12", "port": 8080, "weight": 100}')");
  EXPECT_TRUE(added.ends_with("201")) << added;
  const std::string changed = page(R"(curl -X PATCH http://localhost:9091/ebpf/backends/1 \
  -d '{"weight": 50}')");
  EXPECT_TRUE(changed.ends_with("200")) << changed;
  EXPECT_EQ(control_.state.services[0].backends[0].weight, 50u);
  ASSERT_EQ(control_.state.services[0].backends.size(), 3u);
  const std::string id = std::to_string(control_.state.services[0].backends[2].id);
  EXPECT_TRUE(page("curl -X DELETE http://localhost:9091/ebpf/backends/" + id).ends_with("200"));
  EXPECT_EQ(control_.state.services[0].backends.size(), 2u);
  for (const char* line :
       {"curl http://localhost:9091/ebpf/stats", "curl http://localhost:9091/ebpf/connections",
        "curl http://localhost:9091/ebpf/backends/stats"})
    EXPECT_TRUE(page(line).ends_with("200")) << line;
}

TEST_F(Server, ParsesEveryContentTypeAsJson) {
  if (!have_curl()) GTEST_SKIP() << "curl is not installed";
  for (const char* type : {"text/plain", "application/json", "multipart/form-data; boundary=x",
                           "application/x-www-form-urlencoded"})
    EXPECT_TRUE(page(std::string("curl -X PATCH http://localhost:9091/ebpf/backends/1 -d "
                                 "'{\"weight\": 9}' -H 'Content-Type: ") +
                     type + "'")
                    .ends_with("200"))
        << type;
}

TEST_F(Server, TakesBodiesTooLongForAForm) {
  const std::string body = "{\"weight\": 8" + std::string(100'000, ' ') + "}";
  const std::string answer =
      ask("PATCH /ebpf/backends/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
          "application/x-www-form-urlencoded\r\nConnection: close\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
}

TEST_F(Server, AnswersHeadWithoutABody) {
  const std::string answer =
      ask("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
  EXPECT_NE(answer.find("Content-Length: "), std::string::npos);
  EXPECT_EQ(answer.find("Content-Length: 0"), std::string::npos) << answer;
  EXPECT_NE(answer.find("X-Content-Type-Options: nosniff"), std::string::npos) << answer;
}

TEST_F(Server, AnswersBadJsonWithAProblem) {
  const std::string answer =
      ask("POST /ebpf/backends HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
          "Content-Length: 3\r\n\r\n{\"a");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  EXPECT_NE(answer.find("Content-Type: application/problem+json"), std::string::npos) << answer;
  EXPECT_NE(answer.find("urn:loom:problem:invalid-json"), std::string::npos) << answer;
}

TEST_F(Server, KeepsAConnectionOpenForTheNextRequest) {
  const std::string answer =
      ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
          "DELETE /ebpf/backends/2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
          "GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("loom.health/v1"), std::string::npos) << answer;
  EXPECT_NE(answer.find("loom.backend_removed/v1"), std::string::npos) << answer;
  EXPECT_NE(answer.find("loom.version/v1"), std::string::npos) << answer;
}

TEST_F(Server, RangesAndCompressionChangeNothing) {
  const std::string answer =
      ask("GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nRange: bytes=0-3\r\n"
          "Accept-Encoding: gzip\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
  EXPECT_NE(answer.find("loom.version/v1"), std::string::npos) << answer;
}

TEST_F(Server, ServesManyClientsAtOnce) {
  constexpr int kClients = 16;
  constexpr int kRequests = 25;
  std::atomic<int> good = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client)
    clients.emplace_back([&, client] {
      for (int i = 0; i < kRequests; ++i) {
        const std::string body = "{\"weight\": " + std::to_string(client) + "}";
        const std::string answer =
            client % 2 == 0
                ? ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                : ask("PATCH /ebpf/backends/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                      "Content-Length: " +
                      std::to_string(body.size()) + "\r\n\r\n" + body);
        if (answer.starts_with("HTTP/1.1 200 ")) ++good;
      }
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, kClients * kRequests);
  EXPECT_EQ(control_.state.generation, 7u + kClients / 2 * kRequests) << "no update was lost";
}

TEST_F(Server, StopsWhileClientsAreConnected) {
  const RawClient idle(server_->bound().port);
  server_->stop();
  EXPECT_FALSE(open_listener(server_->bound())) << "the port is held until the server is gone";
  const Endpoint bound = server_->bound();
  server_.reset();
  EXPECT_TRUE(open_listener(bound));
}

TEST_F(Server, NamesTheProcessThatHasThePort) {
  const auto second = AdminServer::start(control_, {.listen = server_->bound()});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), EADDRINUSE);
  const std::string& text = second.error().what();
  EXPECT_NE(text.find("admin API: listen on 127.0.0.1:" + port_ + ": held by "), std::string::npos)
      << text;
  EXPECT_NE(text.find("(process " + std::to_string(getpid()) + ")"), std::string::npos) << text;
  EXPECT_NE(second.error().hint().find("admin.listen"), std::string::npos);
}

TEST_F(Server, RefusesAnAddressOthersCanReach) {
  for (const char* address : {"0.0.0.0:9091", "[::]:9091", "192.0.2.1:9091"}) {
    const auto server = AdminServer::start(control_, {.listen = endpoint(address)});
    ASSERT_FALSE(server) << address;
    EXPECT_EQ(server.error().code(), EACCES);
    EXPECT_FALSE(server.error().hint().empty());
  }
}

TEST(SocketActivation, UsesTheSocketInsteadOfTheAddress) {
  FakeControl control;
  Result<UniqueFd> listener = open_listener(endpoint("[::1]"));
  if (!listener) GTEST_SKIP() << "no IPv6 loopback: " << listener.error().message();
  const Endpoint where = local_endpoint(*listener);
  const auto server = AdminServer::start(
      control, {.listen = endpoint("127.0.0.1:1"), .listen_fd = listener->release()});
  ASSERT_TRUE(server) << server.error().message();
  EXPECT_EQ((*server)->bound(), where);
  if (have_curl()) {
    EXPECT_NE(run("curl -s -g --noproxy '*' http://" + where.to_string() + "/healthz").find("ok"),
              std::string::npos);
  }
}

TEST(SocketActivation, TakesAUnixSocket) {
  FakeControl control;
  const std::string path = testing::TempDir() + "loom-admin-" + std::to_string(getpid()) + ".sock";
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(listener.get(), 8), 0);
  const auto server = AdminServer::start(control, {.listen_fd = listener.release()});
  ASSERT_TRUE(server) << server.error().message();
  if (have_curl()) {
    EXPECT_NE(run("curl -s --unix-socket " + path + " http://localhost/healthz").find("ok"),
              std::string::npos);
  }
  unlink(path.c_str());
}

TEST(SocketActivation, RefusesWhatDoesNotListen) {
  FakeControl control;
  const int idle = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto server = AdminServer::start(control, {.listen_fd = idle});
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code(), EINVAL);
  EXPECT_EQ(fcntl(idle, F_GETFD), -1) << "closed: it was the server's";
  EXPECT_FALSE(AdminServer::start(control, {.listen_fd = open("/dev/null", O_RDONLY)}));
}

}  // namespace
}  // namespace loom
