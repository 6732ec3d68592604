// SPDX-License-Identifier: Apache-2.0
// Targets, headers, suggestions and JSON text: the parts that know nothing of the balancer.
#include "admin-api/http.hpp"

#include <gtest/gtest.h>

#include "admin-api/json.hpp"
#include "admin-api/suggest.hpp"

namespace loom {
namespace {

TEST(Target, SplitsPathAndQueryAndDecodesThem) {
  const auto target = Target::parse("/a/%5B::1%5D:80?x=1+2&y=%2F&z");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments, (std::vector<std::string>{"a", "[::1]:80"}));
  const std::vector<std::pair<std::string, std::string>> query = {
      {"x", "1 2"}, {"y", "/"}, {"z", ""}};
  EXPECT_EQ(target->query, query);
}

TEST(Target, AnEncodedSlashDoesNotSeparate) {
  EXPECT_EQ(Target::parse("/a%2Fb")->segments, std::vector<std::string>{"a/b"});
}

TEST(Target, TheRootHasNoSegments) {
  EXPECT_TRUE(Target::parse("/")->segments.empty());
  EXPECT_EQ(Target::parse("/a/")->segments, (std::vector<std::string>{"a", ""}));
}

TEST(Target, RefusesWhatIsNotAPath) {
  for (const char* bad : {"", "*", "http://x/", "/%", "/%4", "/%zz", "/?a=%g0"})
    EXPECT_FALSE(Target::parse(bad)) << bad;
}

TEST(Headers, AreFoundWhateverTheirCase) {
  const HttpRequest request{.headers = {{"hOST", "a"}, {"Host", "b"}}};
  EXPECT_EQ(request.header("Host"), "a");
  EXPECT_EQ(request.header_count("HOST"), 2u);
  EXPECT_FALSE(request.header("Origin"));
}

TEST(DidYouMean, NamesTheNearestWordWithinTwoEdits) {
  const std::vector<std::string> known = {"weight", "address", "port"};
  EXPECT_EQ(did_you_mean("wieght", known), "did you mean \"weight\"?");
  EXPECT_EQ(did_you_mean("adress", known), "did you mean \"address\"?");
  EXPECT_EQ(did_you_mean("colour", known), "");
  EXPECT_EQ(did_you_mean(std::string(100'000, 'a'), known), "");
}

struct BadJson {
  const char* text;
  size_t line;
  size_t column;
  size_t byte;
};

TEST(ParseJson, SaysWhereTheTextIsWrong) {
  for (const BadJson& bad : {BadJson{"{", 1, 2, 2}, BadJson{"{\n  \"a\": x}", 2, 8, 10},
                             BadJson{"{} {}", 1, 4, 4}, BadJson{"\xff", 1, 1, 1}}) {
    const auto parsed = parse_json(bad.text);
    const auto* error = std::get_if<JsonError>(&parsed);
    ASSERT_TRUE(error) << bad.text;
    EXPECT_EQ(error->line, bad.line) << bad.text;
    EXPECT_EQ(error->column, bad.column) << bad.text;
    EXPECT_EQ(error->byte, bad.byte) << bad.text;
    EXPECT_FALSE(error->detail.empty());
    EXPECT_EQ(error->detail.find("json.exception"), std::string::npos) << error->detail;
  }
}

TEST(ParseJson, RefusesAMemberGivenTwice) {
  const auto parsed = parse_json(R"({"a": 1, "b": 2, "a": 3})");
  const auto* error = std::get_if<JsonError>(&parsed);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->pointer, "/a");
  EXPECT_EQ(error->detail, "\"a\" is given twice");
}

TEST(ParseJson, NamesTheOutermostMemberOfANestedDuplicate) {
  const auto parsed = parse_json(R"({"x": {"a": 1, "a": 3}, "y": [1]})");
  ASSERT_TRUE(std::holds_alternative<JsonError>(parsed));
  EXPECT_EQ(std::get<JsonError>(parsed).pointer, "/x");
}

TEST(ParseJson, LetsTheSameNameBeInDifferentObjects) {
  EXPECT_TRUE(std::holds_alternative<Json>(parse_json(R"([{"a": {"a": 1}}, {"a": 2}])")));
}

TEST(ParseJson, RefusesDeepNesting) {
  const auto parsed = parse_json(std::string(1'000'000, '['));
  ASSERT_TRUE(std::holds_alternative<JsonError>(parsed));
  EXPECT_NE(std::get<JsonError>(parsed).detail.find("nested"), std::string::npos);
}

TEST(ParseJson, RefusesNumbersNobodyCanHold) {
  EXPECT_TRUE(std::holds_alternative<JsonError>(parse_json("1e999999")));
}

TEST(JsonPointer, EscapesAsRfc6901Says) {
  EXPECT_EQ(json_pointer("a/b~c"), "/a~1b~0c");
}

}  // namespace
}  // namespace loom
