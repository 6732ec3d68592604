// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/text.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "lb/cli/exit_code.hpp"
#include "lb/cli/http_client.hpp"
#include "lb/cli/json.hpp"

namespace loom::cli {
namespace {

using std::chrono::milliseconds;

TEST(HumanCount, IsExactForSmallNumbersAndScaledForLarge) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(9999), "9999");
  EXPECT_EQ(human_count(12'345), "12.3k");
  EXPECT_EQ(human_count(1'234'567), "1.2M");
  EXPECT_EQ(human_count(999'960), "1.0M");
}

TEST(HumanBytes, UsesBinaryUnits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1.5 * 1024 * 1024 * 1024), "1.5 GiB");
}

TEST(HumanDuration, ShowsTwoUnitsAtMost) {
  EXPECT_EQ(human_duration(milliseconds(0)), "0ms");
  EXPECT_EQ(human_duration(milliseconds(350)), "350ms");
  EXPECT_EQ(human_duration(milliseconds(59'999)), "59s");
  EXPECT_EQ(human_duration(milliseconds(61'000)), "1m01s");
  EXPECT_EQ(human_duration(milliseconds(3'720'000)), "1h02m");
  EXPECT_EQ(human_duration(milliseconds(90'000'000)), "1d01h");
}

TEST(ParseDuration, TakesUnitsFromLargeToSmall) {
  EXPECT_EQ(*parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(*parse_duration("30s"), milliseconds(30'000));
  EXPECT_EQ(*parse_duration("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(*parse_duration("0s"), milliseconds(0));
}

TEST(ParseDuration, SuggestsAUnitForABareNumber) {
  const Result<milliseconds> bare = parse_duration("30");
  ASSERT_FALSE(bare);
  EXPECT_EQ(bare.error().what(), "duration 30 needs a unit");
  EXPECT_EQ(bare.error().hint(), "try: 30s");
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const char* text : {"", "s", "1x", "-1s", "1.5s", "30m1h", "1s1s", " 1s", "1s ",
                           "99999999999h", "4294967295h"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(ParseNumber, HoldsToItsRange) {
  EXPECT_EQ(*parse_number("65535", {0, 65535}), 65535u);
  for (const char* text : {"", "65536", "-1", "+1", "1.0", "0x10", " 1", "99999999999"}) {
    EXPECT_FALSE(parse_number(text, {0, 65535})) << text;
  }
  EXPECT_EQ(parse_number("x", {1, 9}).error().what(), "\"x\" is not a number from 1 to 9");
}

TEST(Closest, FindsTheWordWithinTwoEdits) {
  const std::vector<std::string> words = {"backend", "service", "stats", "status"};
  EXPECT_EQ(closest("bakend", words), "backend");
  EXPECT_EQ(closest("statu", words), "status");
  EXPECT_EQ(closest("wbe", {"dns", "web"}), "web");
  EXPECT_EQ(closest("tcsh", {"bash"}), std::nullopt);
  EXPECT_EQ(closest("xyz", words), std::nullopt);
  EXPECT_EQ(closest("ab", {"rm"}), std::nullopt);
}

TEST(Printable, LeavesNoControlCharacters) {
  EXPECT_EQ(printable("a\x1b[31mb\n\x7f"), "a?[31mb??");
  EXPECT_EQ(printable("zürich"), "zürich");
}

TEST(PercentEncode, EncodesBracketsAndSlashes) {
  EXPECT_EQ(percent_encode("[2001:db8::1]:80"), "%5B2001:db8::1%5D:80");
  EXPECT_EQ(percent_encode("a/b?c d"), "a%2Fb%3Fc%20d");
}

TEST(ServerUrl, TakesHostsAndAddressesOfBothFamilies) {
  EXPECT_EQ(ServerUrl::parse("http://127.0.0.1:9091")->to_string(), "http://127.0.0.1:9091");
  EXPECT_EQ(ServerUrl::parse("http://lb-1.example.com/")->to_string(),
            "http://lb-1.example.com:80");
  EXPECT_EQ(ServerUrl::parse("http://[::1]:9091")->host, "::1");
  EXPECT_EQ(ServerUrl::parse("http://[::1]:9091")->to_string(), "http://[::1]:9091");
}

TEST(ServerUrl, RefusesWhatItCannotReach) {
  for (const std::string& url :
       {std::string(""), std::string("127.0.0.1:9091"), std::string("https://localhost:9091"),
        std::string("http://"), std::string("http://x:0"), std::string("http://x:65536"),
        std::string("http://x:9091/path"), std::string("http://a b"),
        "http://" + std::string(100'000, 'a')}) {
    EXPECT_FALSE(ServerUrl::parse(url)) << url.substr(0, 80);
  }
}

TEST(ExitCode, FollowsTheErrno) {
  EXPECT_EQ(exit_code(Error(EINVAL, "")), ExitCode::kUsage);
  EXPECT_EQ(exit_code(Error(EHOSTUNREACH, "")), ExitCode::kUnreachable);
  EXPECT_EQ(exit_code(Error(ENOENT, "")), ExitCode::kNotFound);
  EXPECT_EQ(exit_code(Error(EEXIST, "")), ExitCode::kConflict);
  EXPECT_EQ(exit_code(Error(EPERM, "")), ExitCode::kPermission);
  EXPECT_EQ(exit_code(Error(ETIME, "")), ExitCode::kWaitTimedOut);
  EXPECT_EQ(exit_code(Error(EIO, "")), ExitCode::kFailed);
}

TEST(Json, ReadsWhatIsMissingOrOfAnotherTypeAsEmpty) {
  const Json value = *parse_json(R"({"a": {"b": 3}, "list": [1], "text": "x"})");
  EXPECT_EQ(number_field(value, "a.b"), 3);
  EXPECT_EQ(text_field(value, "a.b"), "3");
  EXPECT_EQ(text_field(value, "a.b.c"), "");
  EXPECT_EQ(text_field(value, "list"), "");
  EXPECT_EQ(number_field(value, "text"), 0);
  EXPECT_TRUE(list_field(value, "a").empty());
  EXPECT_EQ(list_field(value, "list").size(), 1u);
  EXPECT_FALSE(parse_json("{\"a\":"));
}

}  // namespace
}  // namespace loom::cli
