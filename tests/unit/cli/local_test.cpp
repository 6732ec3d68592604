// SPDX-License-Identifier: Apache-2.0
// Commands that need no daemon: loom config, loom decap.
#include <cerrno>
#include <cstdio>
#include <fstream>

#include "unit/cli/cli_fixture.hpp"

namespace loom::cli {
namespace {

class ConfigCheck : public CliTest {
 protected:
  ~ConfigCheck() override { std::remove(path_.c_str()); }

  std::string file(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }

 private:
  std::string path_ = testing::TempDir() + "loom-cli-" +
                      testing::UnitTest::GetInstance()->current_test_info()->name() + ".yaml";
};

constexpr const char* kValid =
    "ebpf:\n"
    "  interface: eth0\n"
    "  xdp: {protocols: {tcp: {enabled: true, ports: [80]}}}\n"
    "  backends:\n"
    "    - {address: 10.0.1.10, port: 8080}\n";

TEST_F(ConfigCheck, AValidFileIsSaidToBe) {
  const std::string path = file(kValid);
  const Run run = loom({"config", "check", path});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out, path + ": valid, 1 service, 1 backend\n");
  EXPECT_EQ(run.err, "");
  EXPECT_TRUE(http.requests().empty());
}

TEST_F(ConfigCheck, AnInvalidFileIsExplained) {
  const std::string path = file("ebpf:\n  interfce: eth0\n");
  const Run run = loom({"config", "check", path});
  EXPECT_EQ(run.status, 3);
  EXPECT_NE(run.err.find(path + ":2:3: error:"), std::string::npos) << run.err;
  EXPECT_EQ(run.out, path + ": invalid, 1 error\n");
}

TEST_F(ConfigCheck, ReadsStandardInput) {
  const Run run = loom({"config", "check", "-"}, kValid);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out, "<stdin>: valid, 1 service, 1 backend\n");
  EXPECT_EQ(loom({"config", "check", "-"}, std::string(3 << 20, '#')).status, 3);
}

TEST_F(ConfigCheck, StrictMakesWarningsAFailure) {
  const std::string path = file(std::string(kValid) + "  deny: [198.51.100.0/24]\n");
  EXPECT_EQ(loom({"config", "check", path}).status, 0);
  const Run run = loom({"config", "check", "--strict", path});
  EXPECT_EQ(run.status, 4) << run.err;
  EXPECT_NE(run.err.find("warning:"), std::string::npos);
  EXPECT_NE(run.out.find("1 warning\n"), std::string::npos);
}

TEST_F(ConfigCheck, JsonListsDiagnostics) {
  const std::string path = file("ebpf:\n  interfce: eth0\n");
  const Run run = loom({"config", "check", path, "--json"});
  EXPECT_EQ(run.status, 3);
  EXPECT_EQ(run.err, "");
  const Json document = *parse_json(run.out);
  EXPECT_EQ(text_field(document, "schema"), "loom.config_check/v1");
  EXPECT_EQ(text_field(document, "valid"), "false");
  ASSERT_EQ(list_field(document, "diagnostics").size(), 1u);
  const Json& first = list_field(document, "diagnostics")[0];
  EXPECT_EQ(text_field(first, "severity"), "error");
  EXPECT_EQ(text_field(first, "line"), "2");
}

TEST_F(ConfigCheck, AMissingFileIsNotFound) {
  const Run run = loom({"config", "check", "/nonexistent/loom.yaml"});
  EXPECT_EQ(run.status, 6);
  EXPECT_NE(run.err.find("/nonexistent/loom.yaml"), std::string::npos);
}

using DecapCommands = CliTest;

TEST_F(DecapCommands, AttachPassesEverythingOn) {
  const Run run = loom({"decap", "attach", "eth0", "--from", "10.0.0.0/24", "2001:db8::1", "--vip",
                        "203.0.113.10", "--vip", "2001:db8::53", "--encap", "gue", "--port", "6081",
                        "--tc", "--pin-path", "/run/pins"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out,
            "decapsulating gue:6081 on eth0 (tc) from 10.0.0.0/24,2001:db8::1/128 for "
            "203.0.113.10,2001:db8::53\n");
  ASSERT_TRUE(decap.attached);
  EXPECT_EQ(decap.attached->from.size(), 2u);
  EXPECT_EQ(decap.attached->vips.size(), 2u);
  EXPECT_EQ(decap.attached->encaps, std::set<DecapEncap>{DecapEncap::kGue});
  EXPECT_EQ(decap.attached->port, 6081);
  EXPECT_TRUE(decap.attached->tc);
  EXPECT_EQ(decap.attached->pin_path, "/run/pins");
}

TEST_F(DecapCommands, AttachTakesBothTunnelsByDefault) {
  loom({"decap", "attach", "eth0", "--from", "10.0.0.1", "--vip", "203.0.113.10"});
  ASSERT_TRUE(decap.attached);
  EXPECT_EQ(decap.attached->encaps, DecapOptions().encaps);
  EXPECT_EQ(decap.attached->port, 6080);
  EXPECT_FALSE(decap.attached->tc);
  EXPECT_EQ(decap.attached->pin_path, kDecapPinPath);
}

TEST_F(DecapCommands, AttachRefusesWhatItCannotUse) {
  const std::vector<std::string> good = {"decap",    "attach", "eth0",        "--from",
                                         "10.0.0.1", "--vip",  "203.0.113.10"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), good.begin(), good.end());
    return loom(more).status;
  };
  EXPECT_EQ(with({}), 0);
  decap.attached.reset();
  EXPECT_EQ(with({"--from", "10.0.0.1/8"}), 2);
  EXPECT_EQ(with({"--vip", "nonsense"}), 2);
  EXPECT_EQ(with({"--encap", "gre"}), 2);
  EXPECT_EQ(with({"--port", "0"}), 2);
  EXPECT_EQ(with({"--encap", "ipip", "--port", "6081"}), 2);
  EXPECT_EQ(loom({"decap", "attach", "eth0", "--vip", "203.0.113.10"}).err,
            "loom: --from is missing\n"
            "      example: loom decap attach eth0 --from 10.0.1.1 --vip 203.0.113.10\n");
  EXPECT_EQ(loom({"decap", "attach"}).status, 2);
  EXPECT_FALSE(decap.attached);
}

TEST_F(DecapCommands, ErrorsOfTheKernelKeepTheirMeaning) {
  decap.failure = Error(EPERM, "loading a BPF program needs CAP_BPF").with_hint("try: sudo");
  const Run run = loom({"decap", "status"});
  EXPECT_EQ(run.status, 8);
  EXPECT_EQ(run.err, "loom: loading a BPF program needs CAP_BPF\n      try: sudo\n");
  decap.failure = Error(ENOENT, "eth0 does not decapsulate");
  EXPECT_EQ(loom({"decap", "detach", "eth0"}).status, 6);
}

TEST_F(DecapCommands, DetachSaysSo) {
  EXPECT_EQ(loom({"decap", "detach", "eth0"}).out, "eth0 no longer decapsulates\n");
  EXPECT_EQ(decap.detached, std::string(kDecapPinPath) + "/eth0");
}

TEST_F(DecapCommands, StatusShowsListsAndCounters) {
  DecapInterface interface;
  interface.name = "eth0";
  interface.mode = DecapMode::kNative;
  interface.encaps = {DecapEncap::kIpip, DecapEncap::kGue};
  interface.port = 6080;
  interface.from = {*Prefix::parse("10.0.0.0/24")};
  interface.vips = {*IpAddr::parse("203.0.113.10")};
  interface.counters = {{"decapsulated", 12'345, 2048}, {"drop_source", 0, 0}};
  decap.now.interfaces = {interface};

  EXPECT_EQ(loom({"decap", "status"}).out,
            "INTERFACE  MODE    ENCAP          FROM         VIPS          NOTE\n"
            "eth0       native  ipip,gue:6080  10.0.0.0/24  203.0.113.10  -\n"
            "\n"
            "INTERFACE  VERDICT       PACKETS    BYTES\n"
            "eth0       decapsulated    12.3k  2.0 KiB\n");
  const Json document = *parse_json(loom({"decap", "status", "-j"}).out);
  EXPECT_EQ(text_field(document, "schema"), "loom.decap/v1");
  EXPECT_EQ(number_field(list_field(document, "interfaces")[0]["verdicts"][0], "packets"), 12'345);
}

}  // namespace
}  // namespace loom::cli
