// SPDX-License-Identifier: Apache-2.0
// What users see for each kind of mistake. mistakes.golden: "### title", the file, "=>", and what
// is printed about it.
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "files.hpp"

namespace loom::test {
namespace {

struct Mistake {
  std::string title;
  std::string yaml;
};

std::vector<Mistake> read_mistakes(const std::string& golden) {
  std::vector<Mistake> out;
  std::istringstream lines(golden);
  bool input = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("### ")) {
      out.push_back({line, ""});
      input = true;
    } else if (line == "=>") {
      input = false;
    } else if (input) {
      out.back().yaml += line + "\n";
    }
  }
  return out;
}

const std::string kGolden = std::string(LOOM_TEST_DATA) + "/mistakes.golden";

TEST(Mistakes, AreExplainedAsInTheGoldenFile) {
  std::string actual;
  for (const Mistake& mistake : read_mistakes(read_file(kGolden)))
    actual += mistake.title + "\n" + mistake.yaml + "=>\n" +
              printed(load_config(mistake.yaml), mistake.yaml);
  expect_golden(kGolden, actual);
}

TEST(Mistakes, AreErrorsUnlessTheTitleSaysWarning) {
  for (const Mistake& mistake : read_mistakes(read_file(kGolden))) {
    const LoadResult result = load_config(mistake.yaml);
    const bool warning = mistake.title.starts_with("### warning: ");
    EXPECT_EQ(warning, result.ok()) << mistake.title;
    EXPECT_FALSE(result.diagnostics.empty()) << mistake.title;
  }
}

TEST(Mistakes, CoverMoreThan25Kinds) {
  std::set<std::string> kinds;
  for (const Mistake& mistake : read_mistakes(read_file(kGolden)))
    for (const Diagnostic& diagnostic : load_config(mistake.yaml).diagnostics)
      if (diagnostic.severity == Severity::kError) kinds.insert(diagnostic.code);
  EXPECT_GE(kinds.size(), 25U);
}

}  // namespace
}  // namespace loom::test
