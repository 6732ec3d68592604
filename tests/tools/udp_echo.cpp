// SPDX-License-Identifier: Apache-2.0
// A UDP echo server that answers from the address it was asked at (so that it works behind DSR),
// and a client that checks every answer.
//
//   udp_echo serve PORT NAME             answers NAME, a space and the datagram, until killed
//   udp_echo ask ADDRESS PORT COUNT      COUNT sockets, one datagram each; "NAME answers" per
//   server;
//                                        exit status 1 if an answer is missing or wrong
#include <poll.h>

#include <algorithm>
#include <array>
#include <map>

#include "common.hpp"

namespace loom::tools {
namespace {

constexpr size_t kMaxDatagram = 2048;
constexpr std::chrono::seconds kPatience{3};

/// One wildcard socket for both families: IPv4 peers appear as mapped addresses.
int open_server(uint16_t port) {
  const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die_errno("socket");
  set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(port);
  if (bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof(any)) < 0) die_errno("bind");
  return fd;
}

/// The packet info that came with the question, sent back with the answer, makes the address asked
/// the source. The interface must not be pinned: a VIP sits on lo and the client does not.
void forget_interface(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != IPPROTO_IPV6 || part->cmsg_type != IPV6_PKTINFO) continue;
    in6_pktinfo info;
    std::memcpy(&info, CMSG_DATA(part), sizeof(info));
    info.ipi6_ifindex = 0;
    std::memcpy(CMSG_DATA(part), &info, sizeof(info));
  }
}

[[noreturn]] void serve(uint16_t port, const std::string& name) {
  const int fd = open_server(port);
  const std::string prefix = name + " ";
  std::array<char, kMaxDatagram + 64> buffer{};
  std::copy(prefix.begin(), prefix.end(), buffer.begin());
  for (;;) {
    sockaddr_in6 peer{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
    iovec part{buffer.data() + prefix.size(), kMaxDatagram};
    msghdr message{};
    message.msg_name = &peer;
    message.msg_namelen = sizeof(peer);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(fd, &message, 0);
    if (size < 0) continue;
    part = {buffer.data(), prefix.size() + static_cast<size_t>(size)};
    forget_interface(message);
    if (sendmsg(fd, &message, 0) < 0) std::perror("sendmsg");
  }
}

struct Question {
  int fd = -1;
  Bytes payload;
};

Question send_question(const SocketAddress& server, std::mt19937_64& random) {
  Question question;
  question.fd = socket(server.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (question.fd < 0) die_errno("socket");
  if (connect(question.fd, server.get(), server.size) < 0) die_errno("connect");
  // Odd and even, empty and large: checksums differ in all four.
  question.payload = random_bytes(random, random() % 1000);
  if (send(question.fd, question.payload.data(), question.payload.size(), 0) < 0) die_errno("send");
  return question;
}

/// The name of the server that gave the right answer; empty: none or a wrong one.
std::string take_answer(const Question& question) {
  pollfd wait{question.fd, POLLIN, 0};
  const auto patience = std::chrono::milliseconds(kPatience).count();
  if (poll(&wait, 1, static_cast<int>(patience)) != 1) return {};
  std::array<char, kMaxDatagram + 64> buffer{};
  const ssize_t size = recv(question.fd, buffer.data(), buffer.size(), 0);
  if (size < 0) return {};
  const std::string_view answer(buffer.data(), static_cast<size_t>(size));
  const size_t space = answer.find(' ');
  if (space == std::string_view::npos) return {};
  const bool same =
      std::ranges::equal(answer.substr(space + 1), question.payload,
                         [](char got, uint8_t sent) { return static_cast<uint8_t>(got) == sent; });
  return same ? std::string(answer.substr(0, space)) : std::string();
}

int ask(const SocketAddress& server, size_t count) {
  std::mt19937_64 random(std::random_device{}());
  std::map<std::string, size_t> answers;
  size_t failed = 0;
  // In rounds, so that no socket buffer on the way can overflow.
  constexpr size_t kRound = 32;
  for (size_t done = 0; done < count;) {
    std::vector<Question> questions;
    for (size_t i = 0; i < kRound && done < count; ++i, ++done)
      questions.push_back(send_question(server, random));
    for (const Question& question : questions) {
      const std::string name = take_answer(question);
      name.empty() ? ++failed : ++answers[name];
      close(question.fd);
    }
    if (failed >= kRound) break;
  }
  for (const auto& [name, number] : answers) std::printf("%s %zu\n", name.c_str(), number);
  if (failed) std::fprintf(stderr, "%zu questions without the right answer\n", failed);
  return failed ? 1 : 0;
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 3 && arguments[0] == "serve")
    serve(static_cast<uint16_t>(parse_number(arguments[1], 65535)), arguments[2]);
  if (arguments.size() == 4 && arguments[0] == "ask")
    return ask(parse_address(arguments[1].c_str(),
                             static_cast<uint16_t>(parse_number(arguments[2], 65535))),
               parse_number(arguments[3], 1'000'000));
  die("usage: udp_echo serve PORT NAME | udp_echo ask ADDRESS PORT COUNT");
}

}  // namespace
}  // namespace loom::tools

int main(int argc, char** argv) {
  return loom::tools::run(std::vector<std::string>(argv + 1, argv + argc));
}
