// SPDX-License-Identifier: Apache-2.0
// What a careless or hostile client cannot make the server do.
#include <chrono>
#include <thread>

#include "admin-api/server.hpp"
#include "api_fixture.hpp"
#include "raw_client.hpp"

namespace loom {
namespace {

class Limits : public testing::Test {
 protected:
  Limits() {
    fill(control_);
    auto started = AdminServer::start(control_, {.listen = endpoint("127.0.0.1")});
    EXPECT_TRUE(started);
    server_ = std::move(*started);
  }
  std::string ask(const std::string& bytes) { return RawClient(server_->bound().port).ask(bytes); }
  static int status(const std::string& answer) {
    return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
  }

  FakeControl control_;
  std::unique_ptr<AdminServer> server_;
};

struct Refused {
  const char* what;
  std::string bytes;
  int status;
};

TEST_F(Limits, RequestsBeyondThemAreRefusedWithAProblemAndAClosedConnection) {
  const std::string post = "POST /ebpf/backends HTTP/1.1\r\nHost: localhost\r\n";
  const std::string get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
  std::string headers;
  for (int i = 0; i < 100; ++i) headers += "X-" + std::to_string(i) + ": 1\r\n";
  std::string long_headers;
  for (int i = 0; i < 60; ++i) long_headers += "X: " + std::string(1000, 'x') + "\r\n";
  const std::vector<Refused> cases = {
      {"a body of 2 MiB", post + "Content-Length: 2097152\r\n\r\n" + std::string(2097152, 'x'),
       413},
      {"a body announced as huge", post + "Content-Length: 18446744073709551615\r\n\r\n", 413},
      {"a length that is no number", post + "Content-Length: abc\r\n\r\n", 400},
      {"a negative length", post + "Content-Length: -1\r\n\r\n", 400},
      {"two lengths", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
      {"a chunked body", post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411},
      {"a compressed body", post + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 415},
      {"many headers", get + headers + "\r\n", 431},
      {"a long head", get + long_headers + "\r\n", 431},
      {"a method nobody knows", "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"no HTTP", "hello\r\n\r\n", 400},
      {"a target that is no path",
       "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n"
       "Connection: close\r\n\r\n",
       400},
      {"a foreign host", "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403},
  };
  for (const Refused& refused : cases) {
    const std::string answer = ask(refused.bytes);
    EXPECT_EQ(status(answer), refused.status) << refused.what << ": " << answer.substr(0, 400);
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << refused.what;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << refused.what;
    EXPECT_EQ(answer.find("EXCEPTION_WHAT"), std::string::npos) << refused.what;
  }
  EXPECT_EQ(control_.state.generation, 7u) << "nothing was changed";
}

TEST_F(Limits, AnEndlessHeadIsCutOff) {
  RawClient client(server_->bound().port);
  const std::string chunk(64 * 1024, 'x');
  client.send("GET /");
  for (int i = 0; i < 1000 && client.send(chunk); ++i) {
  }
  const std::string answer = client.read_all();
  EXPECT_TRUE(answer.empty() || status(answer) >= 400) << answer;
}

TEST_F(Limits, AnUnreadBodyIsNotTheNextRequest) {
  const std::string smuggled = "DELETE /ebpf/backends/1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string answer = ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                                 std::to_string(smuggled.size()) + "\r\n\r\n" + smuggled);
  EXPECT_EQ(status(answer), 200);
  EXPECT_EQ(control_.state.generation, 7u);
}

TEST_F(Limits, ASlowRequestEndsAfterFiveSeconds) {
  const auto start = std::chrono::steady_clock::now();
  const std::string answer = ask("GET /healthz HTTP/1.1\r\nHost: loc");
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_TRUE(answer.empty() || status(answer) == 408) << answer;
  EXPECT_GT(took, std::chrono::seconds(4));
  EXPECT_LT(took, std::chrono::seconds(9));
}

TEST_F(Limits, ABodyThatDoesNotComeEndsAfterFiveSeconds) {
  const std::string answer =
      ask("POST /ebpf/backends HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
  EXPECT_EQ(status(answer), 408) << answer;
}

TEST_F(Limits, SilentConnectionsDoNotDelayOthers) {
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(std::make_unique<RawClient>(server_->bound().port));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(status(ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")),
            200);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_F(Limits, LongPathsAndQueriesAreAnswered) {
  for (const size_t length : {1000u, 7000u}) {
    const std::string path(length, 'a');
    EXPECT_EQ(
        status(ask("GET /" + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")),
        404);
    EXPECT_EQ(
        status(ask("GET /?" + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")),
        400);
  }
}

}  // namespace
}  // namespace loom
