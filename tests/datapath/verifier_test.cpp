// SPDX-License-Identifier: Apache-2.0
// loom_xdp loads, and how far the verifier's limit is.
#include <cstdio>

#include "support/bpf_program.hpp"

namespace loom::test {
namespace {

constexpr uint32_t kBudget = 250000;  // Of the kernel's million.

class Verifier : public Datapath {};

TEST_F(Verifier, InstructionsProcessedStayWithinTheBudget) {
  const uint32_t count = verified_instructions();
  std::printf("loom_xdp: %u instructions processed, at most %u\n", count, kBudget);
  EXPECT_LE(count, kBudget);
}

}  // namespace
}  // namespace loom::test
