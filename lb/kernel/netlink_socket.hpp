// SPDX-License-Identifier: Apache-2.0
// A NETLINK_ROUTE socket: requests, dumps and events as errno values and messages.
#pragma once

#include <linux/netlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "lb/base/result.hpp"
#include "lb/net/ip_addr.hpp"

namespace loom {

/// A request under construction. Its flags need not name NLM_F_REQUEST.
class NetlinkMessage {
 public:
  template <class Header>
  NetlinkMessage(int type, int flags, const Header& header) : NetlinkMessage(type, flags) {
    append(&header, sizeof(header));
  }

  NetlinkMessage& put_u32(int attribute, uint32_t value);
  /// 4 bytes of an IPv4 address, 16 of an IPv6 address.
  NetlinkMessage& put_address(int attribute, const IpAddr& address);

  [[nodiscard]] nl_msg* get() const { return message_.get(); }

 private:
  struct Free {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
  };

  NetlinkMessage(int type, int flags);
  void append(const void* data, size_t size);
  void put(int attribute, const void* data, size_t size);

  std::unique_ptr<nl_msg, Free> message_;
};

/// Belongs to the network namespace of the thread that opened it. Used by one thread at a time.
class NetlinkSocket {
 public:
  /// libnl's readers take the message without const; they do not change it.
  using Handler = std::function<void(nlmsghdr*)>;

  static Result<NetlinkSocket> open();

  /// One message out, one back: the answer, or with NLM_F_ACK the kernel's consent, which is not
  /// handed to `handler`. A refusal is the Error's code.
  Result<void> ask(const NetlinkMessage& message, const Handler& handler);

  /// Every object the kernel lists and `parse` recognises.
  template <class T>
  Result<std::vector<T>> dump(const NetlinkMessage& message, std::optional<T> (*parse)(nlmsghdr*)) {
    std::vector<T> found;
    Result<void> done = dump(
        message, [&found] { found.clear(); },
        [&found, parse](nlmsghdr* answer) {
          if (std::optional<T> object = parse(answer)) found.push_back(std::move(*object));
        });
    if (!done) return done.error();
    return found;
  }

  /// Receive events of a group (RTNLGRP_*).
  Result<void> join(int group);
  /// Events queued now, without waiting; after a burst not all of them. ENOBUFS: events were lost;
  /// the socket goes on.
  Result<void> drain(const Handler& handler);
  /// Twice the receive buffer, up to a limit.
  void grow_buffer();

  [[nodiscard]] int fd() const { return nl_socket_get_fd(socket_.get()); }

 private:
  struct Free {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  };

  explicit NetlinkSocket(nl_sock* socket);

  Result<void> dump(const NetlinkMessage& message, const std::function<void()>& restart,
                    const Handler& handler);
  Result<uint32_t> send(const NetlinkMessage& message);
  Result<bool> dump_once(uint32_t sequence, const Handler& handler);
  Result<int> receive(int flags);
  void set_buffer(int bytes);

  std::unique_ptr<nl_sock, Free> socket_;
  std::vector<char> buffer_;
  int receive_bytes_ = 0;
};

}  // namespace loom
