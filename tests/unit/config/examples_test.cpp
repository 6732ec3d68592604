// SPDX-License-Identifier: Apache-2.0
// The files users copy from: each loads, and all but the one that shows everything without a word.
#include <gtest/gtest.h>

#include <filesystem>

#include "files.hpp"

namespace loom::test {
namespace {

const std::string kExamples = std::string(LOOM_CONFIG_DIR) + "/examples";

Config example(const std::string& name) {
  const LoadResult result = load_config(read_file(kExamples + "/" + name));
  EXPECT_TRUE(result.ok()) << name;
  return result.config;
}

TEST(Examples, LoadWithoutRemarks) {
  const std::vector<std::string> files = yaml_files(kExamples);
  EXPECT_GE(files.size(), 6U);
  for (const std::string& file : files) {
    const std::string text = read_file(file);
    const LoadResult result = load_config(text);
    EXPECT_TRUE(result.ok()) << printed(result, text);
    const bool quiet = std::filesystem::path(file).filename() != "complete-page.yaml";
    EXPECT_EQ(quiet, result.diagnostics.empty()) << printed(result, text);
  }
}

TEST(Examples, ShowEveryForwarding) {
  EXPECT_EQ(example("nat.yaml").spec.services.at(0).forwarding, Forwarding::kNat);
  EXPECT_EQ(example("dsr-ipip.yaml").spec.services.at(0).forwarding, Forwarding::kIpip);
  EXPECT_EQ(example("dsr-gue.yaml").spec.services.at(0).forwarding, Forwarding::kGue);
  EXPECT_EQ(example("dsr-l2.yaml").spec.services.at(0).forwarding, Forwarding::kL2);
  EXPECT_EQ(example("two-services.yaml").spec.services.size(), 2U);
}

TEST(Examples, CompletePageIsThePagesCompleteExample) {
  const std::string page =
      read_file(std::string(LOOM_TEST_DATA) + "/page/16-complete-example.yaml");
  const std::string copy = read_file(kExamples + "/complete-page.yaml");
  EXPECT_TRUE(copy.ends_with(page));
}

}  // namespace
}  // namespace loom::test
