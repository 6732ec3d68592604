// SPDX-License-Identifier: Apache-2.0
// What can happen to one flow of a service, or to two that want the same port: packets of both
// sides in any order, errors about them, and a world that changes meanwhile.
#pragma once

#include <random>
#include <vector>

#include "oracle_fixture.hpp"

namespace loom::test {

class StorySource {
 public:
  StorySource(const World& world, uint32_t seed) : world_(world), random_(seed) {}

  std::vector<Step> story(size_t length);

 private:
  uint32_t below(size_t bound) { return static_cast<uint32_t>(random_() % bound); }
  Tcp segment(bool from_client);
  Packet datagram(const Layer& ip, const loom_flow& flow, bool from_client);
  Packet packet(const loom_flow& flow, bool from_client);
  loom_flow at_backend();
  Bytes error();
  Event event();
  loom_flow rival_of(const loom_flow& flow);
  void begin();
  Step step(bool is_nat);

  const World& world_;
  std::mt19937 random_;
  uint32_t service_ = 0;          ///< Of this story,
  std::vector<loom_flow> flows_;  ///< whose flows want the same NAT port.
  loom_flow flow_{};              ///< Of this step.
};

}  // namespace loom::test
