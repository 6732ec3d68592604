// SPDX-License-Identifier: Apache-2.0
// Every YAML block of the documentation page "eBPF Acceleration" loads as it stands there. What is
// said about each is in page.golden.
#include <gtest/gtest.h>

#include <filesystem>

#include "files.hpp"

namespace loom::test {
namespace {

using std::chrono::seconds;

const std::string kPage = std::string(LOOM_TEST_DATA) + "/page";

Config block(const std::string& name) {
  const LoadResult result = load_config(read_file(kPage + "/" + name + ".yaml"));
  EXPECT_TRUE(result.ok()) << name;
  return result.config;
}

TEST(Page, LoadsWithTheRemarksOfTheGoldenFile) {
  const std::vector<std::string> files = yaml_files(kPage);
  EXPECT_EQ(files.size(), 16U);
  std::string actual;
  for (const std::string& file : files) {
    const std::string text = read_file(file);
    const LoadResult result = load_config(text);
    EXPECT_TRUE(result.ok()) << file;
    actual +=
        "### " + std::filesystem::path(file).filename().string() + "\n" + printed(result, text);
  }
  expect_golden(std::string(LOOM_TEST_DATA) + "/page.golden", actual);
}

TEST(Page, BasicConfigurationAttachesToOneInterface) {
  const Config config = block("01-basic-configuration");
  EXPECT_TRUE(config.enabled);
  EXPECT_EQ(config.spec.interfaces, std::vector<std::string>{"eth0"});
  EXPECT_EQ(config.spec.mode, XdpMode::kNative);
  EXPECT_TRUE(config.spec.services.empty());
}

TEST(Page, FullConfigurationSizesTheMaps) {
  const Config config = block("02-full-configuration");
  EXPECT_EQ(config.conntrack.max_entries, 1'000'000U);
  EXPECT_EQ(config.max_backends, 10'000U);
}

TEST(Page, StaticBackendsBelongToTheServiceDefault) {
  const Config config = block("05-static-backends");
  ASSERT_EQ(config.spec.services.size(), 1U);
  const ServiceSpec& service = config.spec.services[0];
  EXPECT_EQ(service.name, "default");
  EXPECT_TRUE(service.vips_from_interfaces);
  EXPECT_EQ(service.forwarding, Forwarding::kNat);
  ASSERT_EQ(service.backends.size(), 2U);
  EXPECT_EQ(service.backends[1].api_id, 2U);
  EXPECT_EQ(service.backends[1].endpoint.to_string(), "10.0.1.11:8080");
  EXPECT_EQ(service.backends[1].weight, 100U);
}

TEST(Page, StateTableSetsTheTimeoutsByState) {
  const ConntrackConfig conntrack = block("07-state-table").conntrack;
  EXPECT_EQ(conntrack.tcp.established, seconds(300));
  EXPECT_EQ(conntrack.tcp.syn_sent, seconds(30));
  EXPECT_EQ(conntrack.tcp.syn_recv, seconds(30));
  EXPECT_EQ(conntrack.tcp.fin_wait, seconds(60));
  EXPECT_EQ(conntrack.tcp.time_wait, seconds(120));
}

TEST(Page, ProtocolsGivePortsToTheServiceDefault) {
  const Config tcp = block("09-tcp-load-balancing");
  EXPECT_EQ(
      tcp.spec.services.at(0).ports,
      (std::vector<PortSpec>{{80, Protocol::kTcp}, {443, Protocol::kTcp}, {8080, Protocol::kTcp}}));
  const Config udp = block("10-udp-load-balancing");
  EXPECT_EQ(udp.spec.services.at(0).ports,
            (std::vector<PortSpec>{{53, Protocol::kUdp}, {5353, Protocol::kUdp}}));
  EXPECT_EQ(udp.conntrack.udp, seconds(60));
}

TEST(Page, PassthroughPortsAndBatchSizeAreTaken) {
  EXPECT_EQ(block("11-fallback-to-userspace").spec.passthrough_ports, std::set<uint16_t>{9091});
}

TEST(Page, CompleteExampleIsANatServiceOnEth0) {
  const Config config = block("16-complete-example");
  EXPECT_EQ(config.spec.interfaces, std::vector<std::string>{"eth0"});
  EXPECT_EQ(config.spec.mode, XdpMode::kNative);
  EXPECT_EQ(config.ring_size, 65537U);
  EXPECT_EQ(config.conntrack.tcp.established, seconds(300));
  ASSERT_EQ(config.spec.services.size(), 1U);
  EXPECT_EQ(config.spec.services[0].ports.size(), 2U);
  EXPECT_EQ(config.spec.services[0].backends.size(), 2U);
}

}  // namespace
}  // namespace loom::test
