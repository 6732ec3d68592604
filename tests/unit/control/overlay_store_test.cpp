// SPDX-License-Identifier: Apache-2.0
#include "lb/control/overlay_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/values.hpp"

namespace loom {
namespace {

using test::backend;
using test::ep;

class OverlayStore : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  const std::string directory_ = ::testing::TempDir() + "loom-overlay-store-test";
  const std::string path_ = directory_ + "/state/overlay.json";
};

TEST_F(OverlayStore, AMissingFileIsAnEmptyOverlay) {
  const Result<Overlay> loaded = load_overlay(path_);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->objects(), 0u);
}

TEST_F(OverlayStore, GivesBackWhatWasSaved) {
  Overlay overlay;
  OverlayBackend& added = overlay.services["web"][ep("[2001:db8::1]:80")];
  added.added = backend("[2001:db8::1]:80", 7);
  added.added->name = "a \"quoted\" name";
  added.added->api_id = 9;
  added.state = AdminState::kDrain;
  overlay.services["web"][ep("10.0.0.1:80")].removed = true;
  overlay.services["dsr"][ep("10.0.0.1")] = {.weight = 0, .name = "b"};
  ASSERT_TRUE(save_overlay(path_, overlay));
  const Result<Overlay> loaded = load_overlay(path_);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->services, overlay.services);
}

TEST_F(OverlayStore, RefusesWhatItDidNotWrite) {
  std::filesystem::create_directories(directory_ + "/state");
  for (const char* text :
       {"", "{", "[]", R"({"schema":"loom.overlay/v2","services":{}})",
        R"({"schema":"loom.overlay/v1","services":{"web":{"nonsense":{}}}})",
        R"({"schema":"loom.overlay/v1","services":{"web":{"10.0.0.1":{"state":"gone"}}}})",
        R"({"schema":"loom.overlay/v1","services":{"web":{"10.0.0.1":{"weight":"x"}}}})"}) {
    std::ofstream(path_) << text;
    const Result<Overlay> loaded = load_overlay(path_);
    ASSERT_FALSE(loaded) << text;
    EXPECT_FALSE(loaded.error().hint().empty());
  }
}

}  // namespace
}  // namespace loom
