// SPDX-License-Identifier: Apache-2.0
// NetlinkMonitor: the LinkMonitor that asks the kernel, of the namespace of its opener's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "lb/base/unique_fd.hpp"
#include "lb/control/link_monitor.hpp"
#include "lb/kernel/neighbours.hpp"
#include "lb/kernel/netlink_codec.hpp"
#include "lb/kernel/netlink_socket.hpp"

namespace loom {

/// read() and watch() are for one thread. Changes of routes and neighbours are reported for the
/// targets of the latest read(), and their neighbours are kept verified: what leaves by XDP does
/// not count as use for the kernel, so a neighbour would stay STALE, with the MAC it had, for ever.
class NetlinkMonitor final : public LinkMonitor {
 public:
  static Result<std::unique_ptr<NetlinkMonitor>> open();
  /// Waits for a running callback.
  ~NetlinkMonitor() override;
  NetlinkMonitor(const NetlinkMonitor&) = delete;
  NetlinkMonitor& operator=(const NetlinkMonitor&) = delete;

  Result<Links> read(const std::set<IpAddr>& targets) override;
  Result<void> watch(std::function<void()> changed) override;
  void unwatch() override;

 private:
  struct Sockets {
    NetlinkSocket reader;
    NetlinkSocket events;
    NetlinkSocket solicitor;  ///< Of the watching thread.
  };
  /// A target on its way to a NextHop.
  struct Candidate {
    IpAddr target;
    NeighbourKey neighbour;
    std::string interface;
    NextHop hop;  ///< Without destination.
  };
  using LinkTable = std::map<uint32_t, LinkMessage>;
  using NeighbourTable = std::map<NeighbourKey, NeighbourState>;

  NetlinkMonitor(Sockets sockets, UniqueFd stop);

  Result<LinkTable> read_links();
  Result<void> read_addresses(LinkTable& table, Links& links);
  /// Fails with a sentence for Links::unresolved.
  Result<Candidate> find_way(const IpAddr& target, const LinkTable& table);
  Result<NeighbourTable> read_neighbours(const std::set<NeighbourKey>& keys);
  void resolve(const std::vector<Candidate>& candidates, const NeighbourTable& neighbours,
               Links& links);

  void run();
  /// True if anything of interest happened.
  bool drain_events();
  [[nodiscard]] bool matters(nlmsghdr* event);

  Sockets sockets_;
  UniqueFd stop_;  ///< eventfd; readable: the thread ends.
  Neighbours neighbours_;
  std::function<void()> changed_;
  std::thread thread_;
};

}  // namespace loom
