// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/table.hpp"

#include <gtest/gtest.h>

namespace loom::cli {
namespace {

TEST(Table, AlignsColumnsAndNumbersToTheRight) {
  Table table({{"NAME"}, {"WEIGHT", Align::kRight}, {"NOTE"}});
  table.add({"a", "5", "x"});
  table.add({"a-long-name", "12345678", ""});

  EXPECT_EQ(table.to_string(Colors::kOff),
            "NAME           WEIGHT  NOTE\n"
            "a                   5  x\n"
            "a-long-name  12345678  -\n");
}

TEST(Table, IsNeverCutOff) {
  const std::string longest(500, 'x');
  Table table({{"A"}, {"B"}});
  table.add({longest, longest});
  EXPECT_NE(table.to_string(Colors::kOff).find(longest + "  " + longest + "\n"), std::string::npos);
}

TEST(Table, ColoursDoNotMoveColumns) {
  Table table({{"S"}, {"N", Align::kRight}});
  table.add({Cell("up", Style::kGood), "1"});
  EXPECT_EQ(table.to_string(Colors::kOn),
            "\x1b[1mS\x1b[0m   \x1b[1mN\x1b[0m\n"
            "\x1b[32mup\x1b[0m  1\n");
}

TEST(Table, CountsCharactersNotBytes) {
  Table table({{"A"}, {"B"}});
  table.add({"ü", "x"});
  table.add({"uu", "x"});
  EXPECT_EQ(table.to_string(Colors::kOff), "A   B\nü   x\nuu  x\n");
}

TEST(Table, ShowsNoControlCharacters) {
  Table table({{"A"}});
  table.add({"\x1b[2J"});
  EXPECT_EQ(table.to_string(Colors::kOff), "A\n?[2J\n");
}

TEST(Fields, AlignsValues) {
  Fields fields;
  fields.add("A", "1");
  fields.add("Longer", "");
  EXPECT_EQ(fields.to_string(Colors::kOff), "A:       1\nLonger:  -\n");
}

}  // namespace
}  // namespace loom::cli
