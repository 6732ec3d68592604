// SPDX-License-Identifier: Apache-2.0
// The command table, and what is made from it: help and completion.
#include <array>
#include <cstdio>
#include <fstream>
#include <set>

#include "lb/cli/command.hpp"
#include "lb/cli/completion.hpp"
#include "lb/cli/text.hpp"
#include "unit/cli/cli_fixture.hpp"

namespace loom::cli {
namespace {

TEST(CommandTable, IsComplete) {
  for (const Command& command : commands()) {
    EXPECT_NE(command.run, nullptr) << command.name;
    EXPECT_FALSE(command.summary.empty()) << command.name;
    EXPECT_TRUE(command.example.starts_with("loom " + std::string(command.name))) << command.name;
    EXPECT_EQ(find_command(command.name), &command) << "two commands " << command.name;
  }
}

TEST(CommandTable, HasTextsThatShellsTakeAsTheyAre) {
  const auto harmless = [](std::string_view text) {
    return text.find_first_of("'\"`$\\\n") == std::string_view::npos;
  };
  for (const Command& command : commands()) {
    EXPECT_TRUE(harmless(command.summary)) << command.summary;
    for (const OptionSpec& option : command.options) EXPECT_TRUE(harmless(option.help));
  }
  for (const OptionSpec& option : global_options()) EXPECT_TRUE(harmless(option.help));
}

TEST(CommandTable, HasNoOptionTwice) {
  for (const Command& command : commands()) {
    std::set<std::string> seen;
    const auto add = [&](const OptionSpec& option) {
      EXPECT_TRUE(seen.insert("--" + std::string(option.name)).second) << option.name;
      if (option.letter != 0) {
        EXPECT_TRUE(seen.insert(std::string("-") + option.letter).second) << option.letter;
      }
    };
    for (const OptionSpec& option : command.options) add(option);
    for (const OptionSpec& option : global_options()) add(option);
  }
}

using Help = CliTest;

TEST_F(Help, EveryCommandHasOneWithAnExample) {
  for (const Command& command : commands()) {
    std::vector<std::string> words = split(command.name, ' ');
    words.push_back("--help");
    const Run asked = loom(words);
    EXPECT_EQ(asked.status, 0) << command.name;
    EXPECT_NE(asked.out.find("Example:\n  loom " + std::string(command.name)), std::string::npos);
    words.pop_back();
    words.insert(words.begin(), "help");
    EXPECT_EQ(loom(words).out, asked.out);
  }
  EXPECT_TRUE(http.requests().empty());
}

TEST_F(Help, OfACommandIsAUsage) {
  EXPECT_EQ(loom({"help", "backend", "add"}).out,
            "Usage: loom backend add ADDR:PORT [--weight N] [--name NAME] [--service SERVICE]\n"
            "\n"
            "Add a backend.\n"
            "\n"
            "Options:\n"
            "      --weight N          share of new connections, 0 to 65535 (default 100)\n"
            "      --name NAME         a name for people\n"
            "  -s, --service SERVICE   needed if there are several services\n"
            "\n"
            "Example:\n"
            "  loom backend add 10.0.1.12:8080 --weight 50 -s web\n"
            "\n"
            "Global options: loom help\n");
}

TEST_F(Help, OverviewNamesEveryCommandAndOption) {
  const Run run = loom({"help"});
  EXPECT_EQ(run.status, 0);
  for (const Command& command : commands()) {
    EXPECT_NE(run.out.find("  loom " + std::string(command.name) + " "), std::string::npos);
  }
  for (const OptionSpec& option : global_options()) {
    EXPECT_NE(run.out.find("--" + std::string(option.name)), std::string::npos);
  }
  EXPECT_EQ(loom({"--help"}).out, run.out);
  EXPECT_EQ(loom({}).err, run.out);
}

TEST_F(Help, OfAGroupListsItsCommands) {
  const Run run = loom({"help", "backend"});
  EXPECT_EQ(run.status, 0);
  EXPECT_NE(run.out.find("loom backend weight"), std::string::npos);
  EXPECT_EQ(loom({"backend", "-h"}).out, run.out);
  EXPECT_EQ(loom({"backend"}).err, run.out);
}

TEST_F(Help, OfNothingIsAUsageError) {
  EXPECT_EQ(loom({"help", "frobnicate"}).status, 2);
}

TEST(Completion, ContainsEveryCommandAndOptionInEveryShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = completion_script(shell);
    for (const Command& command : commands()) {
      EXPECT_NE(script.find("'" + std::string(command.name) + "'"), std::string::npos)
          << shell << ": " << command.name;
      for (const OptionSpec& option : command.options) {
        EXPECT_NE(script.find(std::string(option.name)), std::string::npos)
            << shell << ": " << option.name;
      }
    }
  }
}

/// What bash offers after `line`, whose last word is being completed.
std::string offered(const std::vector<std::string>& line) {
  const std::string path = testing::TempDir() + "loom-completion-test.bash";
  {
    std::ofstream script(path);
    script << completion_script("bash") << "COMP_WORDS=(";
    for (const std::string& word : line) script << " '" << word << "'";
    script << ")\nCOMP_CWORD=" << line.size() - 1
           << "\ncompopt() { :; }\n_loom\necho \"${COMPREPLY[*]}\"\n";
  }
  std::FILE* pipe = ::popen(("bash '" + path + "' 2>&1").c_str(), "r");
  if (pipe == nullptr) return "no bash";
  std::string out;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) out += buffer.data();
  ::pclose(pipe);
  std::remove(path.c_str());
  return out;
}

TEST(Completion, InBashOffersWhatCanFollow) {
  EXPECT_EQ(offered({"loom", "ba"}), "backend\n");
  EXPECT_EQ(offered({"loom", "backend", "d"}), "drain\n");
  EXPECT_EQ(offered({"loom", "-o", "wide", "backend", "we"}), "weight\n");
  EXPECT_EQ(offered({"loom", "backend", "add", "--we"}), "--weight\n");
  EXPECT_EQ(offered({"loom", "status", "--color", "a"}), "auto always\n");
  EXPECT_EQ(offered({"loom", "status", "--color", "=", "ne"}), "never\n");
  EXPECT_EQ(offered({"loom", "completion", "z"}), "zsh\n");
  EXPECT_EQ(offered({"loom", "help", "serv"}), "service\n");
}

}  // namespace
}  // namespace loom::cli
