// SPDX-License-Identifier: Apache-2.0
// How long a ring takes to build, by its size and the number of backends.
#include <benchmark/benchmark.h>

#include "lb/model/ring.hpp"

namespace loom {
namespace {

std::vector<RingMember> members(int64_t count) {
  std::vector<RingMember> out;
  for (int64_t i = 1; i <= count; ++i) {
    const auto n = static_cast<uint32_t>(i);
    const IpAddr address = IpAddr::from_v4({10, uint8_t(n >> 16), uint8_t(n >> 8), uint8_t(n)});
    out.push_back({{address, 8080}, n, kDefaultRingSize});
  }
  return out;
}

void build(benchmark::State& state) {
  const std::vector<RingMember> some = members(state.range(1));
  for (auto _ : state)
    benchmark::DoNotOptimize(build_maglev(some, "", static_cast<uint32_t>(state.range(0))));
}
BENCHMARK(build)
    ->ArgNames({"slots", "backends"})
    ->Args({65537, 10})
    ->Args({65537, 100})
    ->Args({65537, 1000})
    ->Args({131071, 1000})
    ->Unit(benchmark::kMillisecond);

void digest(benchmark::State& state) {
  const std::vector<RingMember> some = members(state.range(0));
  for (auto _ : state)
    benchmark::DoNotOptimize(ring_digest(some, {Algorithm::kMaglev, ""}, kDefaultRingSize));
}
BENCHMARK(digest)->ArgName("backends")->Arg(10)->Arg(1000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace loom
