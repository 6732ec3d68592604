// SPDX-License-Identifier: Apache-2.0
// The configuration the oracle test runs under, and the packets made for it: every forwarding mode
// and every mistake the daemon could make, each behind a port of its own.
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

#include "oracle.hpp"
#include "support/datapath_values.hpp"

namespace loom::test {

constexpr const char* kHostVip4 = "198.51.100.2";   ///< Also an address of this host.
constexpr const char* kMixedVip4 = "198.51.100.3";  ///< Serves, and receives NAT replies.
constexpr uint16_t kFirstPort = 101;                ///< Of service 1; service n has the n-th.
constexpr uint16_t kPassedPort = 22;
constexpr uint16_t kLostPort = 99;  ///< Its listener names a service that cannot be.

constexpr uint16_t kFirstRangePort = 9000;
constexpr MacBytes kExtraMac{0, 0, 0x5e, 0, 1, 7};  ///< Of kIngress too, as VRRP has it.
constexpr uint32_t kBadService = 14;
constexpr std::array<uint32_t, 8> kNatServices{8, 9, 11, 12, 19, 21, 23, 25};
constexpr uint32_t kSourceSlots = 4096;  ///< Of loom_sources.

/// Of the listeners of a service.
uint16_t port_of(uint32_t service);
std::string text_of(const loom_addr& address);
Payload raw(const Bytes& bytes);

/// `egress` is an interface that frames may be redirected to.
World oracle_world(uint32_t egress);

/// A valid packet, and those that may come before it: the first puts its flow on probation, the
/// second confirms it.
struct Template {
  std::vector<Bytes> openers;
  Bytes frame;
};

/// Every kind of packet.
std::vector<Template> oracle_templates(const World& world);

/// Packets by grammar, most of them damaged. The same ones for the same seed.
class PacketSource {
 public:
  PacketSource(const World& world, uint32_t seed) : world_(world), random_(seed) {}

  Bytes packet();  ///< A whole one.
  Bytes damaged(Bytes frame);
  uint32_t below(size_t bound) { return static_cast<uint32_t>(random_() % bound); }

 private:
  Packet tags();
  Bytes extended(Bytes frame);
  Ip4 header4();
  Ip6 header6();
  Tcp tcp(uint16_t sport, uint16_t dport);
  Packet segment(const Layer& ip, const loom_flow& flow);
  Bytes from_client();
  /// Of the service that has such a port; none if there is no ring.
  const loom_backend* member_for(const loom_flow& client);
  Bytes from_backend();
  Bytes noise();
  Bytes icmp();

  const World& world_;
  std::mt19937 random_;
  std::array<loom_flow, 8> recent_{};  ///< Flows of clients, for backends to answer.
  size_t newest_ = 0;
};

}  // namespace loom::test
