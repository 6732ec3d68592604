// SPDX-License-Identifier: Apache-2.0
// The programs load, and how far the verifier's limit is.
#include <cstdio>

#include "support/bpf_program.hpp"

namespace loom::test {
namespace {

constexpr uint32_t kBudget = 250000;  // Of the kernel's million.

class Verifier : public Datapath {};

TEST_F(Verifier, InstructionsProcessedStayWithinTheBudget) {
  for (const auto& [name, count] : verified_instructions()) {
    std::printf("%-16s %6u instructions processed, at most %u\n", name.c_str(), count, kBudget);
    EXPECT_LE(count, kBudget);
  }
}

}  // namespace
}  // namespace loom::test
