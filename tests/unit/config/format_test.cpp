// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "lb/config/load.hpp"

namespace loom {
namespace {

Diagnostic at(int line, int column) {
  return {.severity = Severity::kError,
          .code = "some-code",
          .line = line,
          .column = column,
          .path = "a.b",
          .message = "is wrong"};
}

TEST(Format, ShowsTheLineAndACaretBelowTheColumn) {
  Diagnostic diagnostic = at(2, 6);
  diagnostic.suggestion = "did you mean \"c\"?";
  EXPECT_EQ(format_diagnostic(diagnostic, "x.yaml", "a:\n  b: d\n"),
            "x.yaml:2:6: error: a.b: is wrong [some-code]\n"
            "    b: d\n"
            "       ^\n"
            "  did you mean \"c\"?\n");
}

TEST(Format, NamesOnlyTheFileWhenTheWholeFileIsMeant) {
  Diagnostic diagnostic = at(0, 0);
  diagnostic.path = "";
  diagnostic.severity = Severity::kWarning;
  EXPECT_EQ(format_diagnostic(diagnostic, "x.yaml", "a: b\n"),
            "x.yaml: warning: is wrong [some-code]\n");
}

TEST(Format, PutsTheCaretBelowTheCharacterBehindUmlautsAndTabs) {
  EXPECT_EQ(format_diagnostic(at(1, 7), "f", "\xc3\xbc\t: x"),
            "f:1:7: error: a.b: is wrong [some-code]\n"
            "  \xc3\xbc\t: x\n"
            "   \t   ^\n");
}

TEST(Format, CutsLongLinesAroundTheColumn) {
  const std::string line = std::string(500, 'a') + "X" + std::string(500, 'b');
  const std::string out = format_diagnostic(at(1, 501), "f", line);
  EXPECT_LT(out.size(), 500U);
  EXPECT_NE(out.find("..." + std::string(100, 'a') + "X"), std::string::npos);
}

TEST(Format, NeverPrintsControlCharacters) {
  const std::string out = format_diagnostic(at(1, 1), "f", "\x1b[2Jx\x7f\n");
  EXPECT_EQ(out.find('\x1b'), std::string::npos);
  EXPECT_NE(out.find("?[2Jx?"), std::string::npos);
}

TEST(Format, SurvivesPlacesThatAreNotInTheText) {
  EXPECT_EQ(format_diagnostic(at(9, 9), "f", "a"), "f:9:9: error: a.b: is wrong [some-code]\n");
  EXPECT_EQ(format_diagnostic(at(1, 99), "f", "a"),
            "f:1:99: error: a.b: is wrong [some-code]\n  a\n   ^\n");
}

}  // namespace
}  // namespace loom
