// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/netlink_monitor.hpp"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "lb/base/log.hpp"

namespace loom {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kCallbackGap{20};
constexpr std::chrono::milliseconds kSolicitInterval{500};

int socket_family(const IpAddr& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

/// "Use" the neighbour as a packet would: the kernel resolves it, or verifies it if it is stale.
Result<void> solicit(NetlinkSocket& socket, const NeighbourKey& key) {
  ndmsg header{};
  header.ndm_family = static_cast<uint8_t>(socket_family(key.address));
  header.ndm_ifindex = static_cast<int>(key.ifindex);
  header.ndm_flags = NTF_USE;
  NetlinkMessage message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, header);
  message.put_address(NDA_DST, key.address);
  return socket.ask(message, [](nlmsghdr*) {});
}

Result<RouteMessage> ask_route(NetlinkSocket& socket, const IpAddr& target) {
  rtmsg header{};
  header.rtm_family = static_cast<uint8_t>(socket_family(target));
  header.rtm_dst_len = target.is_v4() ? 32 : 128;
  NetlinkMessage message(RTM_GETROUTE, 0, header);
  message.put_address(RTA_DST, target);
  std::optional<RouteMessage> route;
  Result<void> asked =
      socket.ask(message, [&route](nlmsghdr* answer) { route = parse_route(answer); });
  if (!asked) return asked.error();
  if (!route) return Error(EBADMSG, "the kernel's answer is not a route");
  return *route;
}

/// The kernel refuses a look-up with the errno a connect() would give.
Error no_way(const IpAddr& target, int code) {
  const std::string to = target.to_string();
  switch (code) {
    case ENETUNREACH:
      return Error(code, "no route to " + to);
    case EHOSTUNREACH:
      return Error(code, "the route to " + to + " is \"unreachable\"");
    case EINVAL:
      return Error(code, "the route to " + to + " is \"blackhole\"");
    case EACCES:
      return Error(code, "the route to " + to + " is \"prohibit\"");
    default:
      return Error(code, Error(code, "look up the route to " + to).message());
  }
}

/// 0: a route to send by; else as no_way() wants it. IPv6 may answer with a refusing route.
int refusal(uint8_t route_type) {
  switch (route_type) {
    case RTN_UNREACHABLE:
      return EHOSTUNREACH;
    case RTN_BLACKHOLE:
      return EINVAL;
    case RTN_PROHIBIT:
      return EACCES;
    default:
      return 0;
  }
}

Result<void> check_unicast(const IpAddr& target, uint8_t route_type) {
  if (const int code = refusal(route_type); code != 0) return no_way(target, code);
  switch (route_type) {
    case RTN_UNICAST:
      return {};
    case RTN_LOCAL:
    case RTN_ANYCAST:
      return Error(EINVAL, target.to_string() + " is an address of this host");
    case RTN_BROADCAST:
      return Error(EINVAL, target.to_string() + " is a broadcast address");
    case RTN_MULTICAST:
      return Error(EINVAL, target.to_string() + " is a multicast address");
    default:
      return Error(EINVAL, "the route to " + target.to_string() + " is of unknown type " +
                               std::to_string(route_type));
  }
}

Result<void> check_link(const IpAddr& target, const LinkMessage& link) {
  const std::string leads = link.info.name + ", which leads to " + target.to_string() + ", is ";
  if (!link.ethernet) return Error(EINVAL, leads + "not an Ethernet interface");
  if (!link.info.up) return Error(ENETDOWN, leads + "down");
  return {};
}

// Before the first read(), so that nothing is lost between it and watch().
Result<void> join_groups(NetlinkSocket& socket) {
  // Rules and next-hop objects change routes without an event of the route's own.
  for (const int group :
       {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
        RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP})
    if (Result<void> done = socket.join(group); !done) return done.error();
  return {};
}

}  // namespace

Result<std::unique_ptr<NetlinkMonitor>> NetlinkMonitor::open() {
  Result<NetlinkSocket> reader = NetlinkSocket::open();
  if (!reader) return reader.error();
  Result<NetlinkSocket> events = NetlinkSocket::open();
  if (!events) return events.error();
  Result<NetlinkSocket> solicitor = NetlinkSocket::open();
  if (!solicitor) return solicitor.error();
  if (Result<void> joined = join_groups(*events); !joined)
    return std::move(joined.error()).in("watch the network");
  UniqueFd stop(eventfd(0, EFD_CLOEXEC));
  if (!stop) return Error(errno, "create an eventfd");
  Sockets sockets{std::move(*reader), std::move(*events), std::move(*solicitor)};
  return std::unique_ptr<NetlinkMonitor>(new NetlinkMonitor(std::move(sockets), std::move(stop)));
}

NetlinkMonitor::NetlinkMonitor(Sockets sockets, UniqueFd stop)
    : sockets_(std::move(sockets)), stop_(std::move(stop)) {}

NetlinkMonitor::~NetlinkMonitor() {
  NetlinkMonitor::unwatch();
}

void NetlinkMonitor::unwatch() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

Result<Links> NetlinkMonitor::read(const std::set<IpAddr>& targets) {
  // Each followed before it is looked up, so that no event falls between answer and filter.
  neighbours_.follow_targets(targets);
  Links links;
  Result<LinkTable> table = read_links();
  if (!table) return std::move(table.error()).in("list links");
  if (Result<void> done = read_addresses(*table, links); !done)
    return std::move(done.error()).in("list addresses");

  std::vector<Candidate> candidates;
  std::set<NeighbourKey> keys;
  for (const IpAddr& target : targets) {
    Result<Candidate> way = find_way(target, *table);
    if (!way) {
      links.unresolved[target] = way.error().what();
      continue;
    }
    if (way->neighbour.address != target) links.gateways[target] = way->neighbour.address;
    keys.insert(way->neighbour);
    candidates.push_back(std::move(*way));
  }

  neighbours_.follow(keys);
  Result<NeighbourTable> neighbours = read_neighbours(keys);
  if (!neighbours) return std::move(neighbours.error()).in("list neighbours");
  neighbours_.remember(*neighbours);
  resolve(candidates, *neighbours, links);
  return links;
}

Result<NetlinkMonitor::LinkTable> NetlinkMonitor::read_links() {
  NetlinkMessage message(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
  message.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  Result<std::vector<LinkMessage>> found = sockets_.reader.dump(message, parse_link);
  if (!found) return found.error();
  LinkTable table;
  for (LinkMessage& link : *found) table[link.info.ifindex] = std::move(link);
  return table;
}

Result<void> NetlinkMonitor::read_addresses(LinkTable& table, Links& links) {
  const NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{});
  Result<std::vector<AddressMessage>> found = sockets_.reader.dump(message, parse_address);
  if (!found) return found.error();
  std::stable_partition(found->begin(), found->end(),
                        [](const AddressMessage& address) { return !address.secondary; });
  for (const AddressMessage& address : *found) {
    links.local_addresses.insert(address.address);
    const auto link = table.find(address.ifindex);
    if (address.listed && link != table.end())
      link->second.info.addresses.push_back(address.address);
  }
  for (const auto& [ifindex, link] : table) links.interfaces[link.info.name] = link.info;
  return {};
}

Result<NetlinkMonitor::Candidate> NetlinkMonitor::find_way(const IpAddr& target,
                                                           const LinkTable& table) {
  Result<RouteMessage> route = ask_route(sockets_.reader, target);
  if (!route) return no_way(target, route.error().code());
  if (Result<void> fit = check_unicast(target, route->type); !fit) return fit.error();

  const auto found = table.find(route->ifindex);
  // Newer than the list of links; its event is on the way.
  if (found == table.end()) return no_way(target, ENODEV);
  const LinkMessage& link = found->second;
  if (Result<void> fit = check_link(target, link); !fit) return fit.error();
  if (!route->source)
    return Error(EADDRNOTAVAIL, "no address of this host to send to " + target.to_string());

  const uint32_t mtu = route->mtu != 0 ? std::min(route->mtu, link.info.mtu) : link.info.mtu;
  return Candidate{.target = target,
                   .neighbour = {route->ifindex, route->gateway.value_or(target)},
                   .interface = link.info.name,
                   .hop = {.ifindex = route->ifindex,
                           .source = link.info.mac,
                           .mtu = mtu,
                           .source_address = *route->source}};
}

Result<NetlinkMonitor::NeighbourTable> NetlinkMonitor::read_neighbours(
    const std::set<NeighbourKey>& keys) {
  if (keys.empty()) return NeighbourTable{};
  const NetlinkMessage message(RTM_GETNEIGH, NLM_F_DUMP, ndmsg{});
  Result<std::vector<NeighbourMessage>> found = sockets_.reader.dump(message, parse_neighbour);
  if (!found) return found.error();
  NeighbourTable table;
  for (const NeighbourMessage& neighbour : *found)
    if (keys.contains(neighbour.key)) table[neighbour.key] = neighbour.state;
  return table;
}

void NetlinkMonitor::resolve(const std::vector<Candidate>& candidates,
                             const NeighbourTable& neighbours, Links& links) {
  std::map<NeighbourKey, std::string> problems;
  for (const Candidate& candidate : candidates) {
    const auto state = neighbours.find(candidate.neighbour);
    if (state != neighbours.end() && state->second.resolved()) {
      NextHop& hop = links.next_hops[candidate.target] = candidate.hop;
      hop.destination = state->second.mac;
      continue;
    }
    // Many targets may share a gateway: it is asked for once.
    const auto [problem, first] = problems.try_emplace(candidate.neighbour);
    if (first) {
      problem->second = "neighbour " + candidate.neighbour.address.to_string() + " on " +
                        candidate.interface + " is not resolved";
      if (Result<void> asked = solicit(sockets_.reader, candidate.neighbour); !asked)
        problem->second = std::move(asked.error()).in(problem->second).message();
    }
    links.unresolved[candidate.target] = problem->second;
    links.incomplete[candidate.target] = candidate.hop;
  }
}

Result<void> NetlinkMonitor::watch(std::function<void()> changed) {
  if (thread_.joinable()) return Error(EALREADY, "watch the network");
  changed_ = std::move(changed);
  thread_ = std::thread([this] { run(); });
  return {};
}

void NetlinkMonitor::run() {
  bool pending = false;
  Clock::time_point next_call = Clock::now();
  Clock::time_point next_solicit = next_call + kSolicitInterval;
  while (true) {
    const Clock::time_point wake = pending ? std::min(next_call, next_solicit) : next_solicit;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(wake - Clock::now());
    std::array<pollfd, 2> ready{pollfd{.fd = sockets_.events.fd(), .events = POLLIN},
                                pollfd{.fd = stop_.get(), .events = POLLIN}};
    poll(ready.data(), ready.size(), static_cast<int>(std::max<int64_t>(wait.count(), 0)));
    if (ready[1].revents != 0) return;
    if (ready[0].revents != 0) pending |= drain_events();

    if (Clock::now() >= next_solicit) {
      // What goes wrong here, goes wrong in read() too, and is told there.
      for (const NeighbourKey& key : neighbours_.to_solicit())
        static_cast<void>(solicit(sockets_.solicitor, key));
      next_solicit = Clock::now() + kSolicitInterval;
    }
    if (pending && Clock::now() >= next_call) {
      pending = false;
      changed_();
      next_call = Clock::now() + kCallbackGap;
    }
  }
}

bool NetlinkMonitor::drain_events() {
  bool changed = false;
  Result<void> done = sockets_.events.drain(
      [this, &changed](nlmsghdr* event) { changed = matters(event) || changed; });
  if (done) return changed;
  if (done.error().code() != ENOBUFS) log_error(done.error().in("watch the network").message());
  sockets_.events.grow_buffer();
  return true;
}

bool NetlinkMonitor::matters(nlmsghdr* event) {
  switch (event->nlmsg_type) {
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const std::optional<NeighbourMessage> neighbour = parse_neighbour(event);
      return neighbour && neighbours_.changed_by(*neighbour);
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const std::optional<Prefix> prefix = parse_route_prefix(event);
      return prefix && neighbours_.concerned_by(*prefix);
    }
    default:
      return true;
  }
}

}  // namespace loom
