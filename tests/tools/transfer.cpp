// SPDX-License-Identifier: Apache-2.0
// Many TCP connections that must survive: half of them transfer blocks of random bytes all the
// time, half stay idle until the end. Both sides check the hash of every block.
//
//   transfer serve PORT NAME                      until killed
//   transfer run ADDRESS PORT CONNECTIONS SECONDS     ends earlier on SIGTERM
//
// run prints "connected N" once every connection has had its first answer, at the end one line
// "NAME CONNECTIONS BROKEN BLOCKS" per server and "total CONNECTIONS BROKEN BLOCKS". Connections
// that never had an answer count as broken under the name "-". Exit status 1: some are broken.
#include <sys/epoll.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>

#include "stream.hpp"

namespace loom::tools {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStalled{8000};  // without an answer for so long: broken
constexpr milliseconds kPause{25};      // between the blocks of one connection

volatile std::sig_atomic_t stop_requested = 0;

void request_stop(int /*signal*/) {
  stop_requested = 1;
}

class Poller {
 public:
  Poller() : fd_(epoll_create1(EPOLL_CLOEXEC)) {
    if (fd_ < 0) die_errno("epoll_create1");
  }

  void add(int fd, uint64_t tag) { control(EPOLL_CTL_ADD, fd, tag, EPOLLIN); }
  void want(int fd, uint64_t tag, uint32_t events) { control(EPOLL_CTL_MOD, fd, tag, events); }

  /// Tags of the sockets that can go on.
  std::vector<uint64_t> wait(milliseconds timeout) {
    std::array<epoll_event, 256> events;
    const int n = epoll_wait(fd_, events.data(), events.size(), static_cast<int>(timeout.count()));
    std::vector<uint64_t> tags;
    for (int i = 0; i < n; ++i) tags.push_back(events[static_cast<size_t>(i)].data.u64);
    return tags;
  }

 private:
  void control(int operation, int fd, uint64_t tag, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag;
    if (epoll_ctl(fd_, operation, fd, &event) < 0) die_errno("epoll_ctl");
  }

  int fd_;
};

uint32_t events_for(const Stream& stream) {
  return stream.has_output() ? EPOLLIN | EPOLLOUT : EPOLLIN;
}

Bytes random_block(std::mt19937_64& random) {
  return random_bytes(random, 1 + random() % 4096);
}

// ---- server ---------------------------------------------------------------------------------

int open_listener(uint16_t port) {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) die_errno("socket");
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(port);
  if (bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof(any)) < 0) die_errno("bind");
  if (listen(fd, 4096) < 0) die_errno("listen");
  return fd;
}

/// false: the connection is over.
bool answer(Stream& stream, const std::string& name, std::mt19937_64& random) {
  const bool open = stream.receive();
  std::string sender;
  size_t size = 0;
  for (;;) {
    const BlockState state = stream.take_block(sender, size);
    if (state == BlockState::kDamaged) std::fprintf(stderr, "damaged block\n");
    if (state == BlockState::kDamaged) return false;
    if (state == BlockState::kIncomplete) break;
    stream.queue_block(name, random_block(random));
  }
  return stream.flush() && open;
}

[[noreturn]] void serve(uint16_t port, const std::string& name) {
  constexpr uint64_t kListener = 0;
  const int listener = open_listener(port);
  std::mt19937_64 random(std::random_device{}());
  std::map<uint64_t, std::unique_ptr<Stream>> streams;
  Poller poller;
  poller.add(listener, kListener);
  for (uint64_t next = 1;;) {
    for (const uint64_t tag : poller.wait(milliseconds(1000))) {
      if (tag != kListener) {
        Stream& stream = *streams.at(tag);
        if (answer(stream, name, random))
          poller.want(stream.fd(), tag, events_for(stream));
        else
          streams.erase(tag);
        continue;
      }
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) continue;
      streams[next] = std::make_unique<Stream>(fd);
      poller.add(fd, next++);
    }
  }
}

// ---- client ---------------------------------------------------------------------------------

struct Connection {
  std::unique_ptr<Stream> stream;
  std::string server = "-";
  bool idle = false;
  bool broken = false;
  bool waiting = false;     // for an answer
  size_t blocks = 0;        // answered
  Clock::time_point since;  // of the question, or of the last answer
};

class Client {
 public:
  Client(const SocketAddress& server, size_t connections) : connections_(connections) {
    for (size_t i = 0; i < connections; ++i) {
      Connection& connection = connections_[i];
      connection.idle = i % 2 == 1;
      const int fd = socket(server.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (fd < 0) die_errno("socket");
      connection.stream = std::make_unique<Stream>(fd);
      if (connect(fd, server.get(), server.size) < 0 && errno != EINPROGRESS) die_errno("connect");
      poller_.add(fd, i);
      ask(i);
    }
  }

  void run(std::chrono::seconds duration) {
    drive_until([this] { return all_answered(); }, Clock::now() + kStalled);
    std::printf("connected %zu\n", connections_.size() - count_broken());
    std::fflush(stdout);

    asking_ = true;
    const Clock::time_point end = Clock::now() + duration;
    drive_until([] { return stop_requested != 0; }, end);
    asking_ = false;

    // The idle ones prove that they are alive; the others finish what they began.
    drive_until([this] { return all_answered(); }, Clock::now() + kStalled);
    for (size_t i = 0; i < connections_.size(); ++i)
      if (connections_[i].idle && !connections_[i].broken) ask(i);
    drive_until([this] { return all_answered(); }, Clock::now() + kStalled);
    for (Connection& connection : connections_) connection.broken |= connection.waiting;
  }

  /// Exit status.
  [[nodiscard]] int report() const {
    struct Sum {
      size_t connections = 0, broken = 0, blocks = 0;
    };
    std::map<std::string, Sum> servers;
    Sum total;
    for (const Connection& connection : connections_) {
      for (Sum* sum : {&servers[connection.server], &total}) {
        ++sum->connections;
        sum->broken += connection.broken ? 1 : 0;
        sum->blocks += connection.blocks;
      }
    }
    servers["total"] = total;
    for (const auto& [name, sum] : servers)
      std::printf("%s %zu %zu %zu\n", name.c_str(), sum.connections, sum.broken, sum.blocks);
    return total.broken == 0 ? 0 : 1;
  }

 private:
  void ask(size_t index) {
    Connection& connection = connections_[index];
    connection.stream->queue_block("client", random_block(random_));
    connection.waiting = true;
    connection.since = Clock::now();
    poller_.want(connection.stream->fd(), index, events_for(*connection.stream));
  }

  void go_on(size_t index) {
    Connection& connection = connections_[index];
    if (connection.broken) return;
    Stream& stream = *connection.stream;
    const bool open = stream.flush() && stream.receive();
    size_t size = 0;
    const BlockState state = stream.take_block(connection.server, size);
    if (state == BlockState::kComplete) {
      connection.waiting = false;
      connection.since = Clock::now();
      ++connection.blocks;
    }
    if (!open || state == BlockState::kDamaged) return give_up(connection);
    poller_.want(stream.fd(), index, events_for(stream));
  }

  static void give_up(Connection& connection) {
    connection.broken = true;
    connection.waiting = false;
    connection.stream.reset();
  }

  template <typename Done>
  void drive_until(Done done, Clock::time_point end) {
    while (!done() && Clock::now() < end) {
      for (const uint64_t tag : poller_.wait(milliseconds(5))) go_on(tag);
      const Clock::time_point now = Clock::now();
      for (size_t i = 0; i < connections_.size(); ++i) tick(i, now);
    }
  }

  void tick(size_t index, Clock::time_point now) {
    Connection& connection = connections_[index];
    if (connection.broken) return;
    if (connection.waiting && now - connection.since > kStalled) return give_up(connection);
    const bool due = now - connection.since > kPause;
    if (asking_ && !connection.idle && !connection.waiting && due) ask(index);
  }

  [[nodiscard]] bool all_answered() const {
    return std::ranges::none_of(connections_, &Connection::waiting);
  }
  [[nodiscard]] size_t count_broken() const {
    return static_cast<size_t>(std::ranges::count_if(
        connections_, [](const Connection& c) { return c.broken || c.waiting; }));
  }

  std::vector<Connection> connections_;
  std::mt19937_64 random_{std::random_device{}()};
  Poller poller_;
  bool asking_ = false;
};

uint16_t parse_port(const std::string& text) {
  return static_cast<uint16_t>(parse_number(text, 65535));
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 3 && arguments[0] == "serve")
    serve(parse_port(arguments[1]), arguments[2]);
  if (arguments.size() == 5 && arguments[0] == "run") {
    std::signal(SIGTERM, request_stop);
    Client client(parse_address(arguments[1].c_str(), parse_port(arguments[2])),
                  parse_number(arguments[3], 20'000));
    client.run(std::chrono::seconds(parse_number(arguments[4], 3600)));
    return client.report();
  }
  die("usage: transfer serve PORT NAME | transfer run ADDRESS PORT CONNECTIONS SECONDS");
}

}  // namespace
}  // namespace loom::tools

int main(int argc, char** argv) {
  return loom::tools::run(std::vector<std::string>(argv + 1, argv + argc));
}
