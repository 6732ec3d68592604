// SPDX-License-Identifier: Apache-2.0
#include "lb/config/yaml.hpp"

#include <gtest/gtest.h>

namespace loom {
namespace {

std::string first_error(std::string_view text) {
  Report report;
  (void)parse_yaml(text, report);
  const std::vector<Diagnostic> found = std::move(report).finish();
  if (found.empty()) return "";
  return found[0].code + " " + std::to_string(found[0].line) + ":" +
         std::to_string(found[0].column);
}

ConfigNode parsed(std::string_view text) {
  Report report;
  std::optional<ConfigNode> node = parse_yaml(text, report);
  EXPECT_TRUE(node && !report.has_errors()) << text;
  return node.value_or(ConfigNode{});
}

TEST(Yaml, KnowsWhereEveryValueStands) {
  const ConfigNode root = parsed("a:\n  b: [1, two]\n");
  const ConfigNode* const list = root.find("a")->find("b");
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(list->items[1].line, 2);
  EXPECT_EQ(list->items[1].column, 10);
  EXPECT_EQ(list->items[1].text, "two");
}

TEST(Yaml, TellsQuotedFromPlain) {
  const ConfigNode root = parsed("a: [80, \"80\", '80']\nb: |\n  80\n");
  EXPECT_FALSE(root.find("a")->items[0].quoted);
  EXPECT_TRUE(root.find("a")->items[1].quoted);
  EXPECT_TRUE(root.find("a")->items[2].quoted);
  EXPECT_TRUE(root.find("b")->quoted);
}

TEST(Yaml, PlacesAMissingValueAtItsKey) {
  const ConfigNode root = parsed("a:\n\n\nb: 1\n");
  EXPECT_EQ(root.find("a")->kind, ConfigNode::Kind::kNull);
  EXPECT_EQ(root.find("a")->line, 1);
}

TEST(Yaml, TakesAnEmptyFileForANullDocument) {
  for (const char* text : {"", "\n", "# nothing\n", "---\n", "\xEF\xBB\xBF"})
    EXPECT_EQ(parsed(text).kind, ConfigNode::Kind::kNull) << text;
}

TEST(Yaml, ExpandsAliasesToCopies) {
  const ConfigNode root = parsed("a: &x { b: 1 }\nc: *x\nd: [*x, *x]\n");
  EXPECT_EQ(root.find("c")->find("b")->text, "1");
  EXPECT_EQ(root.find("d")->items.size(), 2U);
}

TEST(Yaml, RefusesWhatYamlCppLetsThrough) {
  EXPECT_EQ(first_error("a: 1\na: 2\n"), "duplicate-key 2:1");
  EXPECT_EQ(first_error("a: { b: 1, b: 2 }\n"), "duplicate-key 1:12");
  EXPECT_EQ(first_error("a: 1\n---\nb: 2\n"), "multi-document 2:1");
  EXPECT_EQ(first_error("a: &x [*x]\n"), "alias-cycle 1:8");
  EXPECT_EQ(first_error("a: !!str 1\n"), "tag 1:4");
  EXPECT_EQ(first_error("<<: { a: 1 }\n"), "merge-key 1:1");
  EXPECT_EQ(first_error("[a]: 1\n"), "bad-key 1:1");
}

TEST(Yaml, RefusesWhatIsNotText) {
  EXPECT_EQ(first_error(std::string_view("a: \0\n", 5)), "encoding 1:4");
  EXPECT_EQ(first_error("a: 1\nb: \xff\n"), "encoding 2:4");
  EXPECT_EQ(first_error("a: \x1b[31m\n"), "encoding 1:4");
  EXPECT_EQ(first_error("a: \xc0\x80\n"), "encoding 1:4");
  EXPECT_EQ(first_error("a: \xed\xa0\x80\n"), "encoding 1:4");
  EXPECT_EQ(first_error("a: gr\xc3\xbcn\n"), "");
}

TEST(Yaml, LimitsDepthAndSize) {
  EXPECT_EQ(first_error("a: " + std::string(31, '[') + std::string(31, ']')), "");
  EXPECT_EQ(first_error("a: " + std::string(32, '[') + std::string(32, ']')), "too-deep 1:35");
  EXPECT_EQ(first_error("#" + std::string(kMaxConfigBytes - 1, ' ')), "");
  EXPECT_EQ(first_error("#" + std::string(kMaxConfigBytes, ' ')), "too-large 0:0");
}

}  // namespace
}  // namespace loom
