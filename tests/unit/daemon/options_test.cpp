// SPDX-License-Identifier: Apache-2.0
#include "lb/daemon/options.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace loom {
namespace {

Result<DaemonOptions> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "loomd");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Options, TakesTheFile) {
  const Result<DaemonOptions> options =
      parse({"-c", "/etc/loom/loom.yaml", "--log-level", "debug"});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->config_file, "/etc/loom/loom.yaml");
  EXPECT_EQ(options->log_level, "debug");
  EXPECT_FALSE(options->check);
}

TEST(Options, RefusesWhatItDoesNotKnow) {
  for (const std::vector<const char*>& bad :
       std::vector<std::vector<const char*>>{{},
                                             {"--conf", "x"},
                                             {"-c"},
                                             {"-c", "x", "stray"},
                                             {"-c", "x", "--log-level", "loud"},
                                             {"-c", "x", "--log-format", "xml"},
                                             {"-c", "x", "-c", "y"}})
    EXPECT_FALSE(parse(bad));
}

TEST(Options, VersionAndHelpNeedNoFile) {
  EXPECT_TRUE(parse({"--version"})->version);
  EXPECT_TRUE(parse({"-h"})->help);
}

}  // namespace
}  // namespace loom
