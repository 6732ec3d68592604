// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/netlink_socket.hpp"

#include <netlink/attr.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace loom {
namespace {

// The kernel fills at most 32 KiB of a dump per read, and a message with a truncated tail is lost.
constexpr size_t kReadBytes = 65536;
constexpr int kFirstBufferBytes = 1024 * 1024;
constexpr int kMaxBufferBytes = 32 * 1024 * 1024;
constexpr int kDumpAttempts = 5;
// Between two looks at what else the caller waits for.
constexpr int kReadsPerDrain = 64;

// An acknowledgement or a refusal: 0 or a positive errno value.
int error_of(nlmsghdr* message) {
  const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(message));
  return -error->error;
}

}  // namespace

NetlinkMessage::NetlinkMessage(int type, int flags) : message_(nlmsg_alloc_simple(type, flags)) {
  if (!message_) std::abort();
}

// Requests here are far smaller than the page libnl allocates: failing is out of memory.
void NetlinkMessage::append(const void* data, size_t size) {
  if (nlmsg_append(message_.get(), const_cast<void*>(data), size, NLMSG_ALIGNTO) < 0) std::abort();
}

void NetlinkMessage::put(int attribute, const void* data, size_t size) {
  if (nla_put(message_.get(), attribute, static_cast<int>(size), data) < 0) std::abort();
}

NetlinkMessage& NetlinkMessage::put_u32(int attribute, uint32_t value) {
  put(attribute, &value, sizeof(value));
  return *this;
}

NetlinkMessage& NetlinkMessage::put_address(int attribute, const IpAddr& address) {
  if (address.is_v4()) {
    const std::array<uint8_t, 4> bytes = address.v4_bytes();
    put(attribute, bytes.data(), bytes.size());
  } else {
    put(attribute, address.bytes().data(), address.bytes().size());
  }
  return *this;
}

NetlinkSocket::NetlinkSocket(nl_sock* socket) : socket_(socket), buffer_(kReadBytes) {}

Result<NetlinkSocket> NetlinkSocket::open() {
  nl_sock* raw = nl_socket_alloc();
  if (raw == nullptr) std::abort();
  NetlinkSocket socket(raw);
  if (nl_connect(raw, NETLINK_ROUTE) < 0) return Error(errno, "open a netlink socket");
  nl_socket_disable_auto_ack(raw);
  socket.set_buffer(kFirstBufferBytes);
  return socket;
}

void NetlinkSocket::set_buffer(int bytes) {
  // Without CAP_NET_ADMIN the forced size is refused and the plain one capped: both are only a
  // question of how early ENOBUFS comes, which is handled.
  if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
    setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  receive_bytes_ = bytes;
}

void NetlinkSocket::grow_buffer() {
  if (receive_bytes_ < kMaxBufferBytes) set_buffer(receive_bytes_ * 2);
}

Result<void> NetlinkSocket::join(int group) {
  if (setsockopt(fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
    return Error(errno, "join netlink group " + std::to_string(group));
  return {};
}

Result<uint32_t> NetlinkSocket::send(const NetlinkMessage& message) {
  nlmsghdr* header = nlmsg_hdr(message.get());
  header->nlmsg_seq = NL_AUTO_SEQ;
  if (nl_send_auto(socket_.get(), message.get()) < 0) return Error(errno, "send netlink request");
  return uint32_t{header->nlmsg_seq};
}

Result<int> NetlinkSocket::receive(int flags) {
  // recv(2) and not nl_recv(): libnl turns ENOBUFS into its "out of memory".
  ssize_t size = 0;
  do {
    size = recv(fd(), buffer_.data(), buffer_.size(), flags);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return Error(errno, "read from netlink");
  return static_cast<int>(size);
}

Result<void> NetlinkSocket::ask(const NetlinkMessage& message, const Handler& handler) {
  Result<uint32_t> sequence = send(message);
  if (!sequence) return sequence.error();
  while (true) {
    Result<int> size = receive(0);
    if (!size) return size.error();
    int left = *size;
    for (auto* answer = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(answer, left);
         answer = nlmsg_next(answer, &left)) {
      // Something older: the rest of a dump that was given up.
      if (answer->nlmsg_seq != *sequence) continue;
      if (answer->nlmsg_type != NLMSG_ERROR) {
        handler(answer);
        return {};
      }
      if (const int code = error_of(answer); code != 0) return Error(code, "netlink request");
      return {};
    }
  }
}

Result<void> NetlinkSocket::dump(const NetlinkMessage& message,
                                 const std::function<void()>& restart, const Handler& handler) {
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    restart();
    Result<uint32_t> sequence = send(message);
    if (!sequence) return sequence.error();
    Result<bool> consistent = dump_once(*sequence, handler);
    if (!consistent) return consistent.error();
    if (*consistent) break;
  }
  // What keeps interrupting the dump announces itself as an event, and the next read has it.
  return {};
}

// False: the kernel says the table changed while it was listed.
Result<bool> NetlinkSocket::dump_once(uint32_t sequence, const Handler& handler) {
  bool consistent = true;
  while (true) {
    Result<int> size = receive(0);
    if (!size) return size.error();
    int left = *size;
    for (auto* answer = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(answer, left);
         answer = nlmsg_next(answer, &left)) {
      if (answer->nlmsg_seq != sequence) continue;
      if ((answer->nlmsg_flags & NLM_F_DUMP_INTR) != 0) consistent = false;
      if (answer->nlmsg_type == NLMSG_DONE) return consistent;
      if (answer->nlmsg_type == NLMSG_ERROR) return Error(error_of(answer), "netlink dump");
      handler(answer);
    }
  }
}

Result<void> NetlinkSocket::drain(const Handler& handler) {
  for (int reads = 0; reads < kReadsPerDrain; ++reads) {
    Result<int> size = receive(MSG_DONTWAIT);
    if (!size && size.error().code() == EAGAIN) return {};
    if (!size) return size.error();
    int left = *size;
    for (auto* event = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(event, left);
         event = nlmsg_next(event, &left))
      handler(event);
  }
  return {};
}

}  // namespace loom
