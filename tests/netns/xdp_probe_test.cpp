// SPDX-License-Identifier: Apache-2.0
// What xdp_probe says of programs others attached, and what host.hpp says of the machine.
#include "lb/kernel/xdp_probe.hpp"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "lb/kernel/host.hpp"
#include "support/netns.hpp"

namespace loom {
namespace {

using test::Namespace;
using test::Port;

class Environment : public testing::Environment {
  void SetUp() override { test::skip_without_namespaces(); }
};
const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new Environment);

class XdpProbe : public testing::Test {
 protected:
  XdpProbe() { test::connect(e0_, far_); }

  std::optional<XdpAttachment> attached() {
    const uint32_t ifindex = e0_.ifindex();
    const test::EnteredNamespace inside = a_.enter();
    Result<std::optional<XdpAttachment>> found = xdp_attached(ifindex);
    EXPECT_TRUE(found) << found.error().message();
    return *found;
  }

  Namespace a_{"a"};
  Namespace b_{"b"};
  const Port e0_{a_, "e0"};
  const Port far_{b_, "e0"};
};

TEST_F(XdpProbe, SeesNothingWhereNothingIs) {
  EXPECT_EQ(attached(), std::nullopt);
}

TEST_F(XdpProbe, SeesANativeProgram) {
  const uint32_t id = test::load_xdp_pass(e0_, XDP_FLAGS_DRV_MODE);
  EXPECT_EQ(attached(), (XdpAttachment{id, AttachMode::kNative, false}));
  EXPECT_EQ(describe_attachment("e0", *attached()),
            "e0 carries XDP program " + std::to_string(id) + " (native mode)");
}

TEST_F(XdpProbe, SeesAGenericProgram) {
  const uint32_t id = test::load_xdp_pass(e0_, XDP_FLAGS_SKB_MODE);
  EXPECT_EQ(attached(), (XdpAttachment{id, AttachMode::kGeneric, false}));
}

TEST_F(XdpProbe, NamesAnInterfaceThatIsNotThere) {
  const Result<std::optional<XdpAttachment>> found = xdp_attached(999999);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ENODEV);
}

/// Of the calling thread: the system call, unlike a C library's wrapper, changes no other.
class WithoutCapSysAdmin {
 public:
  WithoutCapSysAdmin() {
    EXPECT_EQ(syscall(SYS_capget, &header_, before_.data()), 0);
    std::array<__user_cap_data_struct, 2> less = before_;
    less[0].effective &= ~(1U << CAP_SYS_ADMIN);
    EXPECT_EQ(syscall(SYS_capset, &header_, less.data()), 0);
  }
  ~WithoutCapSysAdmin() { EXPECT_EQ(syscall(SYS_capset, &header_, before_.data()), 0); }
  WithoutCapSysAdmin(const WithoutCapSysAdmin&) = delete;
  WithoutCapSysAdmin& operator=(const WithoutCapSysAdmin&) = delete;

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> before_{};
};

TEST_F(XdpProbe, KnowsADispatcherByItsPinWithoutCapSysAdmin) {
  const uint32_t id = test::load_xdp_pass(e0_, XDP_FLAGS_DRV_MODE);
  const uint32_t ifindex = e0_.ifindex();
  std::array<char, 32> root{"/tmp/loomt-XXXXXX"};
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  setenv("LIBXDP_BPFFS", root.data(), 1);
  {
    const test::EnteredNamespace inside = a_.enter();
    const WithoutCapSysAdmin weak;
    EXPECT_FALSE(dispatcher_present(ifindex, id));
    std::filesystem::create_directories(
        std::filesystem::path(root.data()) / "xdp" /
        ("dispatch-" + std::to_string(ifindex) + "-" + std::to_string(id)));
    EXPECT_TRUE(dispatcher_present(ifindex, id));
  }
  unsetenv("LIBXDP_BPFFS");
  std::filesystem::remove_all(root.data());
  EXPECT_EQ(describe_attachment("e0", {id, AttachMode::kNative, true}),
            "e0 carries the libxdp dispatcher " + std::to_string(id) + " (native mode)");
}

TEST(Host, KnowsTheTickAndTheNamespacesOwnPorts) {
  const Result<uint32_t> hz = kernel_hz();
  ASSERT_TRUE(hz);
  EXPECT_TRUE(*hz == 100 || *hz == 250 || *hz == 300 || *hz == 1000) << *hz;

  const Namespace ns("ports");
  ns.must("sysctl -qw net.ipv4.ip_local_port_range='40000 50000'");
  const test::EnteredNamespace inside = ns.enter();
  const Result<std::pair<uint16_t, uint16_t>> range = local_port_range();
  ASSERT_TRUE(range);
  EXPECT_EQ(*range, (std::pair<uint16_t, uint16_t>{40000, 50000}));
}

}  // namespace
}  // namespace loom
