// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/arguments.hpp"

#include <gtest/gtest.h>

namespace loom::cli {
namespace {

std::string error_of(const std::vector<std::string>& words) {
  const Result<ParsedLine> line = parse_arguments(words);
  if (line) return "parsed";
  const std::string& hint = line.error().hint();
  return line.error().what() + (hint.empty() ? "" : " | " + hint);
}

TEST(Arguments, FindsTheCommandWithItsArgumentsAndOptions) {
  const Result<ParsedLine> line =
      parse_arguments({"backend", "add", "10.0.0.1:80", "--weight", "5", "-s", "web", "--name=a"});
  ASSERT_TRUE(line) << line.error().what();
  EXPECT_EQ(line->command->name, "backend add");
  EXPECT_EQ(line->invocation.arguments(), std::vector<std::string>{"10.0.0.1:80"});
  EXPECT_EQ(line->invocation.value("weight"), "5");
  EXPECT_EQ(line->invocation.value("service"), "web");
  EXPECT_EQ(line->invocation.value("name"), "a");
}

TEST(Arguments, TakesGlobalOptionsBeforeBetweenAndAfterTheCommand) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"-o", "wide", "-v", "backend", "list"},
                                             {"--output=wide", "-v", "backend", "list"},
                                             {"-owide", "-v", "backend", "list"},
                                             {"-v", "backend", "-o", "wide", "list"},
                                             {"backend", "list", "-v", "--output", "wide"}}) {
    const Result<ParsedLine> line = parse_arguments(words);
    ASSERT_TRUE(line) << line.error().what();
    EXPECT_EQ(line->command->name, "backend list");
    EXPECT_EQ(line->invocation.value("output"), "wide");
    EXPECT_TRUE(line->invocation.has("verbose"));
  }
}

TEST(Arguments, DoesNotGuessAbbreviatedOptions) {
  EXPECT_EQ(error_of({"status", "--serv", "http://x"}),
            "unknown option --serv | did you mean --server?");
  EXPECT_EQ(error_of({"--serv", "http://x", "status"}),
            "unknown option --serv | did you mean --server?");
  EXPECT_EQ(error_of({"status", "--bri"}), "unknown option --bri | did you mean --brief?");
}

TEST(Arguments, SuggestsTheOptionThatWasMeant) {
  EXPECT_EQ(error_of({"backend", "add", "x", "--wieght", "5"}),
            "unknown option --wieght | did you mean --weight?");
  EXPECT_EQ(error_of({"backend", "list", "--weight", "5"}), "unknown option --weight");
  EXPECT_EQ(error_of({"--weight", "5", "backend", "add", "x"}), "unknown option --weight");
  EXPECT_EQ(error_of({"status", "-x"}), "unknown option -x");
  EXPECT_EQ(error_of({"-x", "status"}), "unknown option -x");
}

TEST(Arguments, DoesNotTakeOptionsOfLaterVersions) {
  EXPECT_EQ(error_of({"status", "--token-file", "f"}), "unknown option --token-file");
  EXPECT_EQ(error_of({"status", "--socket", "s"}), "unknown option --socket");
}

TEST(Arguments, SuggestsTheCommandThatWasMeant) {
  EXPECT_EQ(error_of({"bakend", "list"}), "unknown command \"bakend\" | did you mean backend?");
  EXPECT_EQ(error_of({"frobnicate"}), "unknown command \"frobnicate\" | try: loom help");
  EXPECT_EQ(error_of({"backend", "lst"}),
            "\"loom backend\" has no command \"lst\" | did you mean list?");
  EXPECT_EQ(error_of({"conn", "frobnicate"}),
            "\"loom conn\" has no command \"frobnicate\" | one of: list, count");
}

TEST(Arguments, NamesAMissingOrSurplusArgument) {
  EXPECT_EQ(error_of({"backend", "weight", "3"}),
            "N is missing | example: loom backend weight 3 50");
  EXPECT_EQ(error_of({"backend", "rm", "3", "4"}),
            "unexpected argument \"4\" | try: loom help backend rm");
}

TEST(Arguments, NamesTheOptionWithAMissingOrSurplusValue) {
  EXPECT_EQ(error_of({"backend", "add", "x", "--weight"}), "option --weight needs a value");
  EXPECT_EQ(error_of({"backend", "add", "x", "--weight="}), "option --weight needs a value");
  EXPECT_EQ(error_of({"backend", "add", "x", "--name", ""}), "option --name needs a value");
  EXPECT_EQ(error_of({"status", "--brief=yes"}), "option --brief takes no value");
  EXPECT_EQ(error_of({"status", "--server"}), "option --server needs a value");
  EXPECT_EQ(error_of({"--server"}), "option --server needs a value");
  EXPECT_EQ(error_of({"status", "--timeout", "1s", "--timeout", "2s"}),
            "option --timeout is given twice");
}

TEST(Arguments, ChecksChoices) {
  EXPECT_EQ(error_of({"status", "--color", "alway"}),
            "--color: \"alway\" is not one of auto, always, never | did you mean always?");
  EXPECT_EQ(error_of({"status", "-o", "xml"}),
            "--output: \"xml\" is not one of table, wide, json, ndjson");
  EXPECT_EQ(error_of({"completion", "tcsh"}), "argument: \"tcsh\" is not one of bash, zsh, fish");
}

TEST(Arguments, GivesABareWaitItsDefault) {
  EXPECT_EQ(parse_arguments({"status", "--wait"})->invocation.value("wait"), "60s");
  EXPECT_EQ(parse_arguments({"status", "--wait=5s"})->invocation.value("wait"), "5s");
  EXPECT_EQ(parse_arguments({"status", "--wait", "5s"})->invocation.value("wait"), "5s");
  EXPECT_EQ(parse_arguments({"status", "--wait", "--brief"})->invocation.value("wait"), "60s");
}

TEST(Arguments, TakesListsOfValues) {
  const Result<ParsedLine> line =
      parse_arguments({"decap", "attach", "eth0", "--from", "10.0.0.1", "10.0.0.2", "--vip",
                       "203.0.113.1", "--from", "10.0.0.3", "--tc"});
  ASSERT_TRUE(line) << line.error().what();
  EXPECT_EQ(line->invocation.values("from"),
            (std::vector<std::string>{"10.0.0.1", "10.0.0.2", "10.0.0.3"}));
  EXPECT_EQ(line->invocation.arguments(), std::vector<std::string>{"eth0"});
}

TEST(Arguments, TakesADashAsAFile) {
  EXPECT_EQ(parse_arguments({"config", "check", "-"})->invocation.arguments(),
            std::vector<std::string>{"-"});
}

TEST(Arguments, LeaveAGroupWithoutItsCommandToTheCaller) {
  const Result<ParsedLine> line = parse_arguments({"backend"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->command, nullptr);
  EXPECT_EQ(line->group, "backend");
  EXPECT_EQ(parse_arguments({})->group, "");
}

TEST(Arguments, HelpNeedsNoOtherArguments) {
  const Result<ParsedLine> line = parse_arguments({"backend", "weight", "-h"});
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->invocation.has("help"));
}

TEST(Arguments, SurviveAnything) {
  for (const std::string& word :
       {std::string("-"), std::string("--"), std::string("---"), std::string("-="),
        std::string("--=x"), std::string(), std::string("\x1b[2J"), std::string(100'000, 'x'),
        std::string("-\xff")}) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{word},
                                               {word, "status"},
                                               {"status", word},
                                               {"backend", word},
                                               {"status", "-o", word}}) {
      const Result<ParsedLine> line = parse_arguments(words);
      if (!line) {
        EXPECT_EQ(line.error().what().find('\x1b'), std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace loom::cli
