// SPDX-License-Identifier: Apache-2.0
#include "lb/base/result.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "lb/base/hash.hpp"
#include "lb/base/unique_fd.hpp"

namespace loom {
namespace {

TEST(Error, ReadsOutermostFirst) {
  Error error = Error(ENOSPC, "write loom_rings").in("publish ring of web").in("reconcile");
  EXPECT_EQ(error.message(),
            "reconcile: publish ring of web: write loom_rings: No space left on device");
}

TEST(Error, WithoutErrnoIsTheSentenceAlone) {
  EXPECT_EQ(Error(0, "eth9 does not exist").message(), "eth9 does not exist");
}

TEST(Error, KeepsItsHintOnTheWayUp) {
  EXPECT_EQ(Error(EPERM, "load").with_hint("be root").in("start").hint(), "be root");
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> value = 7;
  const Result<int> failed = Error(EIO, "read");
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, 7);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), EIO);
}

TEST(UniqueFd, ClosesOnceAndMoves) {
  UniqueFd first(::open("/dev/null", O_RDONLY));
  const int number = first.get();
  UniqueFd second = std::move(first);
  EXPECT_EQ(second.get(), number);
  second.reset();
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST(Digest, DependsOnOrderAndOnWhereStringsEnd) {
  EXPECT_NE(Digest().add("a").add("bc").value(), Digest().add("ab").add("c").value());
  EXPECT_NE(Digest().add(uint64_t{1}).add(uint64_t{2}).value(),
            Digest().add(uint64_t{2}).add(uint64_t{1}).value());
}

}  // namespace
}  // namespace loom
