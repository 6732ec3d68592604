// SPDX-License-Identifier: Apache-2.0
#include "lb/config/scalar.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>

namespace loom {
namespace {

using std::chrono::milliseconds;

TEST(Integer, IsDecimal) {
  EXPECT_EQ(*parse_integer("0"), 0);
  EXPECT_EQ(*parse_integer("65537"), 65537);
  EXPECT_EQ(*parse_integer("-1"), -1);
}

TEST(Integer, RefusesEveryOtherNotation) {
  for (const char* text : {"", "-", "010", "00", "-01", "0x10", "0o10", "1_000", "1e3", "1.0", "+1",
                           " 1", "1 ", "1,000", "one", "--1"})
    EXPECT_FALSE(parse_integer(text)) << text;
}

TEST(Integer, SaysOutOfRangeForWhatDoesNotFit) {
  EXPECT_EQ(parse_integer("9223372036854775808").error().code(), ERANGE);
}

TEST(Integer, SuggestsTheDecimalForALeadingZero) {
  EXPECT_EQ(parse_integer("010").error().hint(), "numbers are decimal; write 10");
}

TEST(Boolean, IsTrueOrFalseAndNothingElse) {
  EXPECT_TRUE(*parse_boolean("true"));
  EXPECT_FALSE(*parse_boolean("false"));
  for (const char* text : {"", "True", "TRUE", "yes", "on", "1", "no", "off", "y", "null"})
    EXPECT_FALSE(parse_boolean(text)) << text;
  EXPECT_EQ(parse_boolean("On").error().hint(), "write true");
  EXPECT_EQ(parse_boolean("no").error().hint(), "write false");
}

TEST(Duration, AddsItsUnits) {
  EXPECT_EQ(*parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(*parse_duration("30s"), milliseconds(30'000));
  EXPECT_EQ(*parse_duration("5m"), milliseconds(300'000));
  EXPECT_EQ(*parse_duration("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(*parse_duration("1h1m1s1ms"), milliseconds(3'661'001));
  EXPECT_EQ(*parse_duration("0s"), milliseconds(0));
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* text : {"", "s", "1", "1d", "1.5s", "-1s", "1 s", "1s ", "30m1h", "1s1s", "1h30",
                           "01s", "1sec", "1S", "99999999999999999999s", "1000000001s"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Duration, SuggestsTheUnitForABareInteger) {
  EXPECT_EQ(parse_duration("300").error().hint(),
            "write 300s for seconds, or 300ms for milliseconds");
}

TEST(Listen, NeedsAddressAndPort) {
  EXPECT_EQ(parse_listen("127.0.0.1:9091")->to_string(), "127.0.0.1:9091");
  EXPECT_EQ(parse_listen("[::1]:9091")->to_string(), "[::1]:9091");
  for (const char* text : {"", ":9091", "9091", "127.0.0.1", "::1", "localhost:9091", "[::1]",
                           "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x"})
    EXPECT_FALSE(parse_listen(text)) << text;
}

TEST(InterfaceName, IsWhatLinuxTakes) {
  for (const char* text : {"eth0", "enp1s0f1", "a", "123456789012345", "br-lan", "veth.1"})
    EXPECT_TRUE(check_interface_name(text)) << text;
  for (const char* text : {"", "1234567890123456", "eth 0", "a/b", "a:b", ".", "..", "a\tb"})
    EXPECT_FALSE(check_interface_name(text)) << text;
}

TEST(Name, IsLowerCaseLettersDigitsAndDashes) {
  EXPECT_TRUE(check_name("web-1"));
  EXPECT_TRUE(check_name(std::string(63, 'a')));
  EXPECT_FALSE(check_name(std::string(64, 'a')));
  for (const char* text : {"", "Web", "web_1", "web.1", "w b", "wéb"})
    EXPECT_FALSE(check_name(text)) << text;
}

class Substitution : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("LOOM_TEST_SET", "eth0", 1);
    setenv("LOOM_TEST_EMPTY", "", 1);
    setenv("LOOM_TEST_NESTED", "${LOOM_TEST_SET}", 1);
    setenv("LOOM_TEST_BINARY", "a\x01", 1);
    unsetenv("LOOM_TEST_UNSET");
  }
};

TEST_F(Substitution, TakesTheValueFromTheEnvironment) {
  EXPECT_EQ(*substitute("${LOOM_TEST_SET}"), "eth0");
  EXPECT_EQ(*substitute("a ${LOOM_TEST_SET} b ${LOOM_TEST_SET}"), "a eth0 b eth0");
  EXPECT_EQ(*substitute("${LOOM_TEST_EMPTY}"), "");
}

TEST_F(Substitution, UsesTheDefaultForUnsetAndEmpty) {
  EXPECT_EQ(*substitute("${LOOM_TEST_UNSET:-eth1}"), "eth1");
  EXPECT_EQ(*substitute("${LOOM_TEST_EMPTY:-eth1}"), "eth1");
  EXPECT_EQ(*substitute("${LOOM_TEST_SET:-eth1}"), "eth0");
  EXPECT_EQ(*substitute("${LOOM_TEST_UNSET:-}"), "");
}

TEST_F(Substitution, HappensOnce) {
  EXPECT_EQ(*substitute("${LOOM_TEST_NESTED}"), "${LOOM_TEST_SET}");
}

TEST_F(Substitution, LeavesOtherDollarsAlone) {
  EXPECT_EQ(*substitute("$LOOM_TEST_SET $ $$ 5$"), "$LOOM_TEST_SET $ $$ 5$");
}

TEST_F(Substitution, NamesTheVariableThatIsMissing) {
  EXPECT_EQ(substitute("${LOOM_TEST_UNSET}").error().what(),
            "the environment variable LOOM_TEST_UNSET is not set");
  EXPECT_EQ(substitute("${LOOM_TEST_EMPTY:?set the uplink}").error().what(),
            "the environment variable LOOM_TEST_EMPTY is needed: \"set the uplink\"");
}

TEST_F(Substitution, RefusesWhatIsNoReferenceAndValuesThatAreNoText) {
  for (const char* text : {"${", "${}", "${1}", "${A B}", "${LOOM_TEST_SET", "${A:=b}", "${A:b}",
                           "${LOOM_TEST_BINARY}"})
    EXPECT_FALSE(substitute(text)) << text;
}

}  // namespace
}  // namespace loom
