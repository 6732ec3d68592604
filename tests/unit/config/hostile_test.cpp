// SPDX-License-Identifier: Apache-2.0
// load_config() takes anything: no crash, no endless run, no file-sized answer.
#include <gtest/gtest.h>

#include <ctime>
#include <random>

#include "files.hpp"

namespace loom::test {
namespace {

void expect_bounded(const std::string& text) {
  const std::clock_t start = std::clock();  // Of the process: other load must not fail the test.
  const LoadResult result = load_config(text);
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 20) << text.substr(0, 60);
  EXPECT_LE(codes(result, Severity::kError).size(), 20U);
  EXPECT_LT(printed(result, text).size(), 200'000U);
}

std::string repeated(std::string_view piece, size_t bytes) {
  std::string out;
  while (out.size() + piece.size() <= bytes) out += piece;
  return out;
}

TEST(Hostile, RandomBytesAreRefused) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 200, '\0');
    for (char& c : text) c = static_cast<char>(random() & 0xff);
    expect_bounded(text);
  }
}

TEST(Hostile, RandomYamlTokensDoNotCrash) {
  const std::vector<std::string> pieces{
      "ebpf",     ":",        " ",    "\n",       "  ",  "- ",      "[",           "]",
      "{",        "}",        ",",    "\"",       "'",   "&a",      "*a",          "!",
      "!!x",      "|",        ">",    "#",        "---", "...",     "? ",          "<<",
      "services", "backends", "name", "\t",       "80",  "${A:-b}", "%YAML 1.2\n", "%TAG ! x\n",
      "@",        "`",        "\\",   "\xc3\xbc", "~",   "xdp",     "interface",   "\r"};
  std::mt19937 random(2);
  for (int i = 0; i < 8'000; ++i) {
    std::string text;
    const size_t length = random() % 40;
    for (size_t p = 0; p < length; ++p) text += pieces[random() % pieces.size()];
    expect_bounded(text);
  }
}

TEST(Hostile, MutatedConfigurationsDoNotCrash) {
  std::string seed = read_file(std::string(LOOM_CONFIG_DIR) + "/examples/two-services.yaml");
  std::mt19937 random(3);
  for (int i = 0; i < 1'500; ++i) {
    std::string text = seed;
    for (int edits = 0; edits < 3; ++edits) {
      const size_t at = random() % text.size();
      if (random() % 2 == 0)
        text[at] = static_cast<char>(random() % 128);
      else
        text.erase(at, random() % 8);
    }
    expect_bounded(text);
  }
}

TEST(Hostile, EveryPrefixOfAConfigurationGetsAnAnswer) {
  const std::string text =
      read_file(std::string(LOOM_TEST_DATA) + "/page/16-complete-example.yaml");
  for (size_t size = 0; size < text.size(); ++size) expect_bounded(text.substr(0, size));
}

TEST(Hostile, DeepNestingIsRefused) {
  for (const char* piece : {"[", "{", "{a: ", "- ", "? ", "[{a: ", "!x ", "&a ", "\"", "a: "})
    expect_bounded(repeated(piece, 512U << 10));
  std::string block;
  for (size_t depth = 0; depth < 1000; ++depth) block += std::string(depth, ' ') + "a:\n";
  expect_bounded(block);
}

TEST(Hostile, AliasBombsAreDefused) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int n = 0; n < 9; ++n) bomb += below + ", ";
    bomb += below + "]\n";
  }
  const LoadResult result = load_config(bomb);
  EXPECT_EQ(result.diagnostics.at(0).code, "alias-limit");
}

TEST(Hostile, BigAliasesAndAnchorsAreDefused) {
  std::string copies = "a: &a " + std::string(400'000, 'x') + "\nb: [";
  for (int i = 0; i < 100'000; ++i) copies += "*a,";
  expect_bounded(copies + "]\n");
  std::string anchors = "a: ";
  for (int i = 0; i < 30; ++i) anchors += "&a" + std::to_string(i) + " [";
  expect_bounded(anchors + repeated("a,", 900'000) + std::string(30, ']'));
}

TEST(Hostile, ALongWayOfMistakesEndsAfter20) {
  for (const char* piece : {"k: 1\n", "a,b: [\n", "- x\n", "# x\n", "\n", "\r", "a: *b\n"})
    expect_bounded(repeated(piece, 512U << 10));
  std::string keys = "ebpf:\n";
  for (int i = 0; i < 50'000; ++i) keys += "  interfac" + std::to_string(i) + ": 1\n";
  expect_bounded(keys);
  expect_bounded("ebpf:\n  xdp:\n    passthrough_ports: [" + repeated("0,", 900'000) + "]\n");
}

TEST(Hostile, ManyServicesAndPortsStayBounded) {
  std::string services = "ebpf:\n  interface: eth0\n  services:\n";
  for (int i = 0; i < 5000; ++i)
    services += "    - { name: s" + std::to_string(i) +
                ", vips: [192.0.2.1], ports: [80, 443], backends: [{ address: 10.0.0.1 }] }\n";
  expect_bounded(services);
}

TEST(Hostile, TwoMebibytesAreRefused) {
  const LoadResult result = load_config(repeated("# nothing\n", 2U << 20));
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_EQ(result.diagnostics[0].code, "too-large");
}

}  // namespace
}  // namespace loom::test
