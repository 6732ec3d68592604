// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "lb/net/endpoint.hpp"
#include "lb/net/ip_addr.hpp"
#include "lb/net/mac.hpp"
#include "lb/net/prefix.hpp"

namespace loom {
namespace {

IpAddr ip(const char* text) {
  Result<IpAddr> out = IpAddr::parse(text);
  EXPECT_TRUE(out) << text;
  return out ? *out : IpAddr();
}

TEST(IpAddr, ParsesAndPrintsBothFamilies) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "fe80::1"})
    EXPECT_EQ(ip(text).to_string(), text);
}

TEST(IpAddr, RefusesEverythingElse) {
  for (const char* text :
       {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "010.1.1.1", " 1.2.3.4", "1.2.3.4 ", "::1%eth0",
        "2001:db8::/32", "::ffff:192.0.2.1", "localhost"})
    EXPECT_FALSE(IpAddr::parse(text)) << text;
  EXPECT_FALSE(IpAddr::parse(std::string_view("1.2.3.4\0x", 9)));
}

TEST(IpAddr, KnowsItsKinds) {
  EXPECT_TRUE(ip("127.3.0.1").is_loopback());
  EXPECT_TRUE(ip("::1").is_loopback());
  EXPECT_TRUE(ip("224.0.0.1").is_multicast());
  EXPECT_TRUE(ip("ff02::1").is_multicast());
  EXPECT_TRUE(ip("169.254.1.1").is_link_local());
  EXPECT_TRUE(ip("fe80::1").is_link_local());
  EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
  EXPECT_TRUE(IpAddr().is_unspecified());
  EXPECT_FALSE(ip("192.0.2.1").is_multicast());
}

TEST(Endpoint, RoundTrips) {
  for (const char* text : {"192.0.2.1:80", "192.0.2.1", "[2001:db8::1]:443", "2001:db8::1"}) {
    const Result<Endpoint> endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
}

TEST(Endpoint, RefusesBadPortsAndBrackets) {
  for (const char* text : {"192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:", "192.0.2.1:8o", "[::1",
                           "[::1]80", ":80", "[192.0.2.1"})
    EXPECT_FALSE(Endpoint::parse(text)) << text;
}

TEST(Prefix, ContainsWhatItCovers) {
  const Result<Prefix> v4 = Prefix::parse("10.0.0.0/9");
  ASSERT_TRUE(v4);
  EXPECT_TRUE(v4->contains(ip("10.127.255.255")));
  EXPECT_FALSE(v4->contains(ip("10.128.0.0")));
  EXPECT_FALSE(v4->contains(ip("::10.0.0.1")));
  EXPECT_EQ(v4->mapped_length(), 105);
  const Result<Prefix> all = Prefix::parse("::/0");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->contains(ip("2001:db8::1")));
  EXPECT_FALSE(all->contains(ip("192.0.2.1")));
}

TEST(Prefix, RefusesHostBitsAndSaysWhatWasMeant) {
  const Result<Prefix> bad = Prefix::parse("10.1.2.3/8");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().what().find("10.0.0.0/8"), std::string::npos);
  EXPECT_FALSE(Prefix::parse("10.0.0.0/33"));
  EXPECT_FALSE(Prefix::parse("10.0.0.0/"));
}

TEST(Mac, Prints) {
  EXPECT_EQ((Mac{{2, 0, 0, 0xab, 0, 1}}.to_string()), "02:00:00:ab:00:01");
}

}  // namespace
}  // namespace loom
