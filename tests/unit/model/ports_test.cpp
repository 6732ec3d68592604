// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "lb/model/service.hpp"

namespace loom {
namespace {

PortSpec range(uint16_t first, uint16_t last) {
  return {first, Protocol::kTcp, last};
}

TEST(Ports, AreWrittenAsInTheFile) {
  EXPECT_EQ((PortSpec{80, Protocol::kTcp}).to_string(), "80");
  EXPECT_EQ(range(8000, 8099).to_string(), "8000-8099");
  EXPECT_EQ(PortSpec::any(Protocol::kUdp).to_string(), "any");
}

TEST(Blocks, CoverTheRangeExactlyAndAreAligned) {
  EXPECT_TRUE(rc::check("blocks partition the range", [] {
    const auto first = *rc::gen::inRange<uint32_t>(1, 65536);
    const auto last = *rc::gen::inRange<uint32_t>(first, 65536);
    uint32_t next = first;
    for (const PortSpec& block :
         blocks_of(range(static_cast<uint16_t>(first), static_cast<uint16_t>(last)))) {
      const uint32_t size = block.last - block.port + 1u;
      RC_ASSERT(block.port == next);
      RC_ASSERT((size & (size - 1)) == 0u);
      RC_ASSERT(block.port % size == 0u);
      next += size;
    }
    RC_ASSERT(next == last + 1);
  }));
}

TEST(Blocks, AreTheFewest) {
  EXPECT_EQ(blocks_of(PortSpec::any(Protocol::kTcp)),
            std::vector<PortSpec>{PortSpec::any(Protocol::kTcp)});
  EXPECT_EQ(blocks_of(range(8192, 16383)).size(), 1u);
  EXPECT_EQ(blocks_of(range(8000, 8099)),
            (std::vector<PortSpec>{range(8000, 8063), range(8064, 8095), range(8096, 8099)}));
  EXPECT_EQ(blocks_of(range(1, 65535)).size(), 16u);
  EXPECT_EQ(blocks_of(range(1, 65534)).size(), 30u) << "the worst case";
}

TEST(Rule31, OnlyOverlapsOfTheSameRankAreRivals) {
  const PortSpec port{8000, Protocol::kTcp};
  const PortSpec any = PortSpec::any(Protocol::kTcp);
  EXPECT_TRUE(port.rivals(port));
  EXPECT_TRUE(any.rivals(any));
  EXPECT_TRUE(range(8000, 8099).rivals(range(8099, 8200)));
  EXPECT_TRUE(range(8000, 8099).rivals(range(8010, 8020)));
  EXPECT_FALSE(range(8000, 8099).rivals(range(8100, 8200)));
  EXPECT_FALSE(port.rivals(range(8000, 8099)));
  EXPECT_FALSE(range(8000, 8099).rivals(any));
  EXPECT_FALSE(any.rivals(PortSpec::any(Protocol::kUdp)));
}

}  // namespace
}  // namespace loom
