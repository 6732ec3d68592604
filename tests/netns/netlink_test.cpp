// SPDX-License-Identifier: Apache-2.0
// NetlinkMonitor against the kernel: what it reads, and how soon it notices each kind of change.
#include "lb/kernel/netlink_monitor.hpp"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "support/netns.hpp"

namespace loom {
namespace {

using test::add_address;
using test::connect;
using test::Namespace;
using test::Port;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using Predicate = std::function<bool(const Links&)>;

constexpr milliseconds kSoon{1000};

class Environment : public testing::Environment {
  void SetUp() override { test::skip_without_namespaces(); }
};
const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new Environment);

IpAddr ip(std::string_view text) {
  return *IpAddr::parse(text);
}

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

//   lb  e0 10.77.0.1/24 fd77::1/64  <----->  e0 10.77.0.2/24 fd77::2/64  net
class Netlink : public testing::Test {
 protected:
  Netlink() {
    // Shifts the indices: a veth end with its peer's index gets its carrier events up to 1 s late.
    lb_.must("ip tuntap add tap0 mode tap");
    wire();
    // Outside of this block the test is where it was: the monitor must not care.
    const test::EnteredNamespace inside = lb_.enter();
    Result<std::unique_ptr<NetlinkMonitor>> opened = NetlinkMonitor::open();
    EXPECT_TRUE(opened);
    monitor_ = std::move(*opened);
  }

  void wire() {
    connect(e0_, far_);
    // The far end answers for a new IPv6 address a little after "ip addr add" has returned, and a
    // question that comes too early is repeated after a second only.
    lb_.must("echo 100 > /proc/sys/net/ipv6/neigh/e0/retrans_time_ms");
    add_address(e0_, "10.77.0.1/24");
    add_address(e0_, "fd77::1/64");
    add_address(far_, "10.77.0.2/24");
    add_address(far_, "fd77::2/64");
  }

  void watch() {
    Result<void> done = monitor_->watch([this] {
      const std::lock_guard lock(mutex_);
      ++calls_;
      called_.notify_all();
    });
    ASSERT_TRUE(done);
  }

  int calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

  Links read() {
    Result<Links> links = monitor_->read(targets_);
    EXPECT_TRUE(links) << links.error().message();
    return *links;
  }

  /// Reads once per callback until `seen`; never without one. The time printed includes `change`.
  void expect_seen(const std::string& what, const std::function<void()>& change,
                   const Predicate& seen) {
    int handled = calls();
    const Clock::time_point start = Clock::now();
    change();
    const Clock::time_point end = Clock::now() + kSoon;
    while (true) {
      {
        std::unique_lock lock(mutex_);
        if (!called_.wait_until(lock, end, [&] { return calls_ != handled; })) break;
        handled = calls_;
      }
      if (seen(read())) {
        EXPECT_LT(Clock::now(), end) << what;
        std::printf("%s: seen after %.1f ms\n", what.c_str(), ms_since(start));
        return;
      }
    }
    ADD_FAILURE() << what << ": not seen within " << kSoon.count() << " ms; the kernel has\n"
                  << lb_.run("ip neigh; ip addr; ip route; ip -6 route").output;
  }

  void resolve_all() {
    watch();
    expect_seen(
        "first resolution", [this] { read(); },
        [this](const Links& links) { return links.next_hops.size() == targets_.size(); });
  }

  std::string reason(std::string_view target) {
    targets_ = {ip(target)};
    return read().unresolved[ip(target)];
  }

  Namespace lb_{"lb"};
  Namespace net_{"net"};
  const Port e0_{lb_, "e0"};
  const Port far_{net_, "e0"};
  std::set<IpAddr> targets_;
  std::mutex mutex_;
  std::condition_variable called_;
  int calls_ = 0;
  std::unique_ptr<NetlinkMonitor> monitor_;  ///< Last: its thread ends before what it calls.
};

TEST_F(Netlink, ResolvesDirectNeighboursOfBothFamilies) {
  targets_ = {ip("10.77.0.2"), ip("fd77::2")};
  watch();
  Links before;
  expect_seen(
      "first resolution", [&] { before = read(); },
      [](const Links& links) { return links.next_hops.size() == 2; });
  EXPECT_EQ(before.unresolved.at(ip("10.77.0.2")), "neighbour 10.77.0.2 on e0 is not resolved");
  EXPECT_EQ(before.unresolved.at(ip("fd77::2")), "neighbour fd77::2 on e0 is not resolved");

  const Links links = read();
  EXPECT_TRUE(links.unresolved.empty());
  const NextHop& v4 = links.next_hops.at(ip("10.77.0.2"));
  EXPECT_EQ(v4.ifindex, e0_.ifindex());
  EXPECT_EQ(v4.source.to_string(), e0_.mac());
  EXPECT_EQ(v4.destination.to_string(), far_.mac());
  EXPECT_EQ(v4.mtu, 1500U);
  EXPECT_EQ(v4.source_address, ip("10.77.0.1"));
  NextHop v6 = v4;
  v6.source_address = ip("fd77::1");
  EXPECT_EQ(links.next_hops.at(ip("fd77::2")), v6);
}

TEST_F(Netlink, GoesThroughTheGatewayAlsoOfTheOtherFamily) {
  lb_.must("ip route add 192.0.2.0/24 via 10.77.0.2 mtu 1400");
  lb_.must("ip route add 2001:db8::/32 via fd77::2");
  lb_.must("ip route add 198.51.100.0/24 via inet6 fd77::2");
  targets_ = {ip("192.0.2.9"), ip("2001:db8::9"), ip("198.51.100.9")};
  resolve_all();
  const Links links = read();
  for (const auto& [target, hop] : links.next_hops)
    EXPECT_EQ(hop.destination.to_string(), far_.mac()) << target.to_string();
  EXPECT_EQ(links.next_hops.at(ip("192.0.2.9")).mtu, 1400U);
  EXPECT_EQ(links.next_hops.at(ip("198.51.100.9")).source_address, ip("10.77.0.1"));
  EXPECT_EQ(links.next_hops.at(ip("2001:db8::9")).source_address, ip("fd77::1"));
}

TEST_F(Netlink, SaysWhyThereIsNoWay) {
  lb_.must(
      "ip route add unreachable 192.0.2.0/28 && ip route add blackhole 192.0.2.16/28 &&"
      "ip route add prohibit 192.0.2.32/28 && ip -6 route add blackhole 2001:db8::/32 &&"
      "ip -6 route add unreachable 2001:db9::/32");
  EXPECT_EQ(reason("203.0.113.1"), "no route to 203.0.113.1");
  EXPECT_EQ(reason("2001:dba::1"), "no route to 2001:dba::1");
  EXPECT_EQ(reason("192.0.2.1"), "the route to 192.0.2.1 is \"unreachable\"");
  EXPECT_EQ(reason("192.0.2.17"), "the route to 192.0.2.17 is \"blackhole\"");
  EXPECT_EQ(reason("192.0.2.33"), "the route to 192.0.2.33 is \"prohibit\"");
  EXPECT_EQ(reason("2001:db8::1"), "the route to 2001:db8::1 is \"blackhole\"");
  EXPECT_EQ(reason("2001:db9::1"), "the route to 2001:db9::1 is \"unreachable\"");
  EXPECT_EQ(reason("10.77.0.1"), "10.77.0.1 is an address of this host");
  EXPECT_EQ(reason("fd77::1"), "fd77::1 is an address of this host");
  EXPECT_EQ(reason("127.0.0.9"), "127.0.0.9 is an address of this host");
  EXPECT_EQ(reason("10.77.0.255"), "10.77.0.255 is a broadcast address");
}

TEST_F(Netlink, RefusesWhatIsNotEthernetOrDown) {
  lb_.must(
      "ip tuntap add tun0 mode tun && ip addr add 10.79.0.1/24 dev tun0 &&"
      "ip link set tun0 up");
  EXPECT_EQ(reason("10.79.0.2"), "tun0, which leads to 10.79.0.2, is not an Ethernet interface");
  net_.must("ip link set e0 down");
  EXPECT_EQ(reason("10.77.0.2"), "e0, which leads to 10.77.0.2, is down");
  const Links links = read();
  EXPECT_FALSE(links.interfaces.at("e0").up) << "no carrier";
  EXPECT_TRUE(links.interfaces.at("lo").up);
}

TEST_F(Netlink, ListsAddressesPrimaryFirst) {
  lb_.must(
      "ip addr add 10.77.0.5/24 dev e0 && ip addr add 10.78.0.1/24 dev e0 &&"
      "ip addr add fd78::1/64 dev e0 nodad preferred_lft 0 &&"
      "ip addr add 169.254.7.7/16 dev e0");
  const Links links = read();
  EXPECT_EQ(links.interfaces.at("e0").addresses,
            (std::vector{ip("10.77.0.1"), ip("10.78.0.1"), ip("fd77::1"), ip("10.77.0.5")}));
  EXPECT_EQ(links.interfaces.at("e0").mac.to_string(), e0_.mac());
  for (const char* own : {"127.0.0.1", "::1", "169.254.7.7", "fd78::1", "10.77.0.5"})
    EXPECT_TRUE(links.local_addresses.contains(ip(own))) << own;
  EXPECT_EQ(links.local_addresses.size(), 9U) << "and e0's fe80 address";
  EXPECT_TRUE(links.interfaces.at("lo").addresses.empty());
}

TEST_F(Netlink, SeesARouteChange) {
  const Port e1{lb_, "e1"};
  const Port far1{net_, "e1"};
  connect(e1, far1);
  add_address(e1, "10.78.0.1/24");
  add_address(far1, "10.78.0.2/24");
  lb_.must("ip route add 192.0.2.0/24 via 10.77.0.2");
  targets_ = {ip("192.0.2.9")};
  resolve_all();
  expect_seen(
      "route change", [&] { lb_.must("ip route change 192.0.2.0/24 via 10.78.0.2"); },
      [&, index = e1.ifindex(), mac = far1.mac()](const Links& links) {
        const auto hop = links.next_hops.find(ip("192.0.2.9"));
        return hop != links.next_hops.end() && hop->second.ifindex == index &&
               hop->second.destination.to_string() == mac;
      });
  expect_seen(
      "route removed", [&] { lb_.must("ip route del 192.0.2.0/24"); },
      [](const Links& links) { return links.next_hops.empty(); });
}

TEST_F(Netlink, SeesAnAnnouncedMacChange) {
  targets_ = {ip("10.77.0.2"), ip("fd77::2")};
  resolve_all();
  net_.must("sysctl -qw net.ipv4.conf.e0.arp_notify=1 net.ipv6.conf.e0.ndisc_notify=1");
  expect_seen(
      "neighbour MAC change", [&] { net_.must("ip link set e0 address 02:00:00:00:00:77"); },
      [&](const Links& links) {
        for (const IpAddr& target : targets_) {
          const auto hop = links.next_hops.find(target);
          if (hop == links.next_hops.end() ||
              hop->second.destination.to_string() != "02:00:00:00:00:77")
            return false;
        }
        return true;
      });
}

TEST_F(Netlink, NoticesThatAStaleNeighbourSilentlyGotAnotherMac) {
  // The kernel's own schedule (30 s reachable, 5 s delay, 3 probes), shortened.
  lb_.must(
      "cd /proc/sys/net/ipv4/neigh/e0 && echo 200 > base_reachable_time_ms &&"
      "echo 0 > delay_first_probe_time && echo 100 > retrans_time_ms");
  targets_ = {ip("10.77.0.2")};
  resolve_all();
  net_.must("ip link set e0 address 02:00:00:00:00:78");
  const Clock::time_point start = Clock::now();
  std::string mac;
  while (mac != "02:00:00:00:00:78" && ms_since(start) < 5000) {
    std::this_thread::sleep_for(milliseconds(20));
    mac = read().next_hops[ip("10.77.0.2")].destination.to_string();
  }
  EXPECT_EQ(mac, "02:00:00:00:00:78");
  std::printf("silent MAC change: noticed after %.0f ms\n", ms_since(start));
}

TEST_F(Netlink, SeesAnInterfaceGoAndComeBack) {
  targets_ = {ip("10.77.0.2"), ip("fd77::2")};
  resolve_all();
  expect_seen(
      "interface deleted", [&] { lb_.must("ip link del e0"); },
      [](const Links& links) {
        return links.next_hops.empty() && !links.interfaces.contains("e0");
      });
  // A device in between, so that the new one cannot have the old index.
  lb_.must("ip tuntap add tap9 mode tap");
  expect_seen(
      "interface re-created", [&] { wire(); },
      [&](const Links& links) {
        return links.next_hops.size() == 2 && links.interfaces.at("e0").up;
      });
  EXPECT_EQ(read().next_hops.at(ip("fd77::2")).ifindex, e0_.ifindex());
}

TEST_F(Netlink, SeesLinkDownUpMtuAndAddresses) {
  targets_ = {ip("10.77.0.2")};
  resolve_all();
  expect_seen(
      "carrier lost", [&] { net_.must("ip link set e0 down"); },
      [](const Links& links) { return links.next_hops.empty(); });
  expect_seen(
      "carrier back", [&] { net_.must("ip link set e0 up"); },
      [](const Links& links) { return links.next_hops.size() == 1; });
  expect_seen(
      "MTU change", [&] { lb_.must("ip link set e0 mtu 1450"); },
      [](const Links& links) {
        return links.interfaces.at("e0").mtu == 1450 &&
               links.next_hops.at(ip("10.77.0.2")).mtu == 1450;
      });
  const auto has = [](const Links& links) {
    const std::vector<IpAddr>& all = links.interfaces.at("e0").addresses;
    return std::find(all.begin(), all.end(), ip("fd77::a")) != all.end() &&
           links.local_addresses.contains(ip("fd77::a"));
  };
  expect_seen(
      "address added", [&] { add_address(e0_, "fd77::a/64"); }, has);
  expect_seen(
      "address removed", [&] { lb_.must("ip addr del fd77::a/64 dev e0"); },
      [&](const Links& links) { return !has(links); });
}

}  // namespace
}  // namespace loom
