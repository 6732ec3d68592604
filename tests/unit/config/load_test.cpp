// SPDX-License-Identifier: Apache-2.0
// What the keys of a file become. Mistakes have their own test.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "files.hpp"

namespace loom::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Codes = std::vector<std::string>;

Config loaded(const std::string& text) {
  const LoadResult result = load_config(text);
  EXPECT_TRUE(result.ok()) << printed(result, text);
  return result.config;
}

std::string service(const std::string& more) {
  return "ebpf:\n  interface: eth0\n  services:\n    - name: web\n      vips: [203.0.113.10]\n"
         "      ports: [80]\n      backends: [{ address: 10.0.1.10 }]\n" +
         more;
}

TEST(Load, AnEmptyFileIsADefaultConfiguration) {
  const LoadResult result = load_config("");
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(codes(result, Severity::kNote), Codes{"no-interface 0:0"});
  EXPECT_TRUE(result.config.enabled);
  EXPECT_EQ(result.config.ring_size, kDefaultRingSize);
}

TEST(Load, InterfacesComeFromAnyOfTheThreeKeys) {
  const std::vector<std::string> one{"eth0"};
  EXPECT_EQ(loaded("ebpf: { interface: eth0 }").spec.interfaces, one);
  EXPECT_EQ(loaded("ebpf: { xdp: { interface: eth0 } }").spec.interfaces, one);
  EXPECT_EQ(loaded("ebpf: { interface: eth0, xdp: { interface: eth0 } }").spec.interfaces, one);
  EXPECT_EQ(loaded("ebpf: { interface: eth0, xdp: { interfaces: [eth0] } }").spec.interfaces, one);
  EXPECT_EQ(loaded("ebpf: { xdp: { interfaces: [eth0, eth1] } }").spec.interfaces,
            (std::vector<std::string>{"eth0", "eth1"}));
}

TEST(Load, ModeHasAShortForm) {
  EXPECT_EQ(loaded("ebpf: { interface: e }").spec.mode, XdpMode::kAuto);
  EXPECT_EQ(loaded("ebpf: { interface: e, xdp_mode: native }").spec.mode, XdpMode::kNative);
  EXPECT_EQ(loaded("ebpf: { interface: e, xdp: { mode: generic } }").spec.mode, XdpMode::kGeneric);
  EXPECT_EQ(loaded("ebpf: { interface: e, mode: tc }").spec.mode, XdpMode::kTc);
}

TEST(Load, SwitchingOffEbpfOrXdpSwitchesOffEverything) {
  EXPECT_FALSE(loaded("ebpf: { enabled: false }").enabled);
  EXPECT_FALSE(loaded("ebpf: { xdp: { enabled: false } }").enabled);
  EXPECT_TRUE(load_config("ebpf: { enabled: false }").diagnostics.empty());
}

TEST(Load, DsrForwardsAsEncapSays) {
  const auto forwarding = [](const std::string& dsr) {
    return loaded("ebpf:\n  xdp:\n    dsr: " + dsr +
                  "\n    protocols: { tcp: { ports: [80] } }\n"
                  "  backends: [{ address: 10.0.1.10 }]\n")
        .spec.services.at(0)
        .forwarding;
  };
  EXPECT_EQ(forwarding("{ enabled: true }"), Forwarding::kIpip);
  EXPECT_EQ(forwarding("{ enabled: true, encap: ipip }"), Forwarding::kIpip);
  EXPECT_EQ(forwarding("{ enabled: true, encap: gue }"), Forwarding::kGue);
  EXPECT_EQ(forwarding("{ enabled: true, encap: none }"), Forwarding::kL2);
  EXPECT_EQ(forwarding("{ enabled: false }"), Forwarding::kNat);
}

TEST(Load, BackendPortIsKeptUnderNatAndSettledUnderDsr) {
  const std::string text =
      "ebpf:\n  interface: e\n  xdp:\n    dsr: { enabled: %s }\n"
      "    protocols: { tcp: { ports: [80] }, udp: { ports: [80] } }\n"
      "  backends: [{ address: 10.0.1.10, port: 80 }]\n";
  const auto port = [&](const char* dsr) {
    std::string filled = text;
    filled.replace(filled.find("%s"), 2, dsr);
    return loaded(filled).spec.services.at(0).backends.at(0).endpoint.port;
  };
  EXPECT_EQ(port("false"), 80);
  EXPECT_EQ(port("true"), 0);
}

TEST(Load, DisabledProtocolHasNoPorts) {
  const Config config = loaded(
      "ebpf: { interface: e, xdp: { protocols: { tcp: { enabled: false, ports: [80] }, "
      "udp: { ports: [53] } } }, backends: [{ address: 10.0.1.10 }] }");
  EXPECT_EQ(config.spec.services.at(0).ports, (std::vector<PortSpec>{{53, Protocol::kUdp}}));
}

TEST(Load, ServicesTakeTheirDefaultsFromThePageKeys) {
  const Config config = loaded(service("  xdp: { dsr: { enabled: true, encap: gue } }\n"));
  EXPECT_EQ(config.spec.services.at(0).forwarding, Forwarding::kGue);
  EXPECT_EQ(config.spec.services.at(0).gue_port, kDefaultGuePort);
}

TEST(Load, AServiceHasEverythingItsKeysSay) {
  const std::string text = R"(
ebpf:
  interface: eth0
  services:
    - name: dns
      vips: [203.0.113.10, "2001:db8::10"]
      ports: [53, { port: 853, protocol: tcp }]
      protocol: udp
      hash_seed: edge-1
      forwarding: dsr
      encap: { type: gue, port: 6081, udp6_zero_checksum: true }
      on_no_service: drop
      backends:
        - { id: 7, name: a, address: 10.0.1.10, weight: 50 }
        - { address: "2001:db8:1::11", state: drain }
        - { address: 10.0.1.12, state: maint, weight: 0 }
    - name: web
      vips: [203.0.113.10]
      ports: [80]
      forwarding: nat
      nat: { source: masquerade, addresses: [10.0.1.1] }
      on_no_service: pass
      backends: [{ address: 10.0.1.10, port: 8080 }]
)";
  const LoadResult result = load_config(text);
  EXPECT_EQ(printed(result, text), "");
  ServiceSpec dns;
  dns.name = "dns";
  dns.vips = {*IpAddr::parse("203.0.113.10"), *IpAddr::parse("2001:db8::10")};
  dns.ports = {{53, Protocol::kUdp}, {853, Protocol::kTcp}};
  dns.hash_seed = "edge-1";
  dns.forwarding = Forwarding::kGue;
  dns.gue_port = 6081;
  dns.udp6_zero_checksum = true;
  dns.on_no_service = UnservedPolicy::kDrop;
  dns.backends = {{"a", {*IpAddr::parse("10.0.1.10"), 0}, 50, AdminState::kActive, 7},
                  {"", {*IpAddr::parse("2001:db8:1::11"), 0}, 100, AdminState::kDrain, 0},
                  {"", {*IpAddr::parse("10.0.1.12"), 0}, 0, AdminState::kMaint, 0}};
  ServiceSpec web;
  web.name = "web";
  web.vips = {*IpAddr::parse("203.0.113.10")};
  web.ports = {{80, Protocol::kTcp}};
  web.nat_addresses = {*IpAddr::parse("10.0.1.1")};
  web.on_no_service = UnservedPolicy::kPass;
  web.backends = {{"", {*IpAddr::parse("10.0.1.10"), 8080}, 100, AdminState::kActive, 0}};
  EXPECT_EQ(result.config.spec.services, (std::vector<ServiceSpec>{dns, web}));
}

TEST(Load, PortsAreSinglesRangesOrAny) {
  const Config config = loaded(
      "ebpf:\n  interface: e\n  services:\n    - name: web\n      vips: [203.0.113.10]\n"
      "      ports: [80, \"8000-8099\", 9000-9001, 70-70, any, { port: any, protocol: udp }]\n"
      "      backends: [{ address: 10.0.1.10 }]\n");
  const Protocol tcp = Protocol::kTcp;
  EXPECT_EQ(config.spec.services.at(0).ports,
            (std::vector<PortSpec>{{80, tcp},
                                   {8000, tcp, 8099},
                                   {9000, tcp, 9001},
                                   {70, tcp},
                                   PortSpec::any(tcp),
                                   PortSpec::any(Protocol::kUdp)}));
}

TEST(Load, ServicesSayHowBackendsAreChosenAndWhatElseIsAnswered) {
  const Config config =
      loaded(service("      algorithm: weighted\n      affinity: { mode: source_ip }\n"
                     "      icmp_echo: drop\n      on_no_backend: reject\n      forwarding: dsr\n"
                     "      encap: { type: ipip, source_pool: [10.9.0.252/30, 10.8.0.1] }\n"));
  const ServiceSpec& web = config.spec.services.at(0);
  EXPECT_EQ(web.algorithm, Algorithm::kWeighted);
  EXPECT_EQ(web.affinity, Affinity::kSourceIp);
  EXPECT_EQ(web.icmp_echo, EchoPolicy::kDrop);
  EXPECT_EQ(web.on_no_backend, NoBackendPolicy::kReject);
  ASSERT_EQ(web.source_pool.size(), 5U);
  EXPECT_EQ(web.source_pool[0].to_string(), "10.9.0.252");
  EXPECT_EQ(web.source_pool[3].to_string(), "10.9.0.255");
  EXPECT_EQ(web.source_pool[4].to_string(), "10.8.0.1");
}

TEST(Load, ServicesSayWhichFlowsAreTrackedOrThePageDoes) {
  const std::string page = "  conntrack: { tracking: at_risk }\n";
  EXPECT_EQ(loaded(service("")).spec.services.at(0).tracking, Tracking::kAll);
  EXPECT_EQ(loaded(service(page)).spec.services.at(0).tracking, Tracking::kAtRisk);
  EXPECT_EQ(loaded(service("      tracking: all\n" + page)).spec.services.at(0).tracking,
            Tracking::kAll);
}

TEST(Load, ThePageDecidesForServicesThatSayNothing) {
  const std::string page =
      "  xdp: { load_balancing: { algorithm: round_robin }, connection_affinity: { enabled: false "
      "} "
      "}\n";
  const Config silent = loaded(service(page));
  EXPECT_EQ(silent.spec.services.at(0).algorithm, Algorithm::kRoundRobin);
  EXPECT_EQ(silent.spec.services.at(0).affinity, Affinity::kNone);
  const Config says =
      loaded(service("      algorithm: maglev\n      affinity: { mode: five_tuple }\n" + page));
  EXPECT_EQ(says.spec.services.at(0).algorithm, Algorithm::kMaglev);
  EXPECT_EQ(says.spec.services.at(0).affinity, Affinity::kFiveTuple);
}

TEST(Load, FallbackBeyondTheConnectionLimitIsWhatHappensAnyway) {
  const std::string text =
      "ebpf:\n  interface: e\n  xdp: { fallback: [connection_limit_exceeded] }\n"
      "  conntrack: { max_connections: 5000 }\n";
  EXPECT_EQ(printed(load_config(text), text), "");
}

TEST(Load, LimitsAndPoliciesOfTheDatapath) {
  const Config config = loaded(
      "ebpf:\n  interface: e\n  ipv6_extension_headers: drop\n  answer_rate: 50\n"
      "  xdp: { extra_macs: [\"00:00:5e:00:01:0a\"] }\n"
      "  conntrack: { max_connections: 5000, probation_entries: 4096 }\n");
  EXPECT_TRUE(config.drop_extension_headers);
  EXPECT_EQ(config.answer_rate, 50U);
  EXPECT_EQ(config.spec.extra_macs, (std::vector<Mac>{{{0, 0, 0x5e, 0, 1, 0xa}}}));
  EXPECT_EQ(config.conntrack.max_connections, 5000U);
  EXPECT_EQ(config.conntrack.probation_entries, 4096U);
}

TEST(Load, TheImplicitServiceAndNamedOnesStandSideBySide) {
  const Config config = loaded(service(
      "  xdp: { protocols: { tcp: { ports: [8080] } } }\n  backends: [{ address: 10.0.1.12 }]\n"));
  ASSERT_EQ(config.spec.services.size(), 2U);
  EXPECT_NE(config.spec.find("default"), nullptr);
  EXPECT_NE(config.spec.find("web"), nullptr);
}

TEST(Load, ConntrackTimeoutMeansEstablishedUnlessThatIsGiven) {
  const auto established = [](const std::string& conntrack) {
    return loaded("ebpf: { interface: e, conntrack: " + conntrack + " }").conntrack.tcp.established;
  };
  EXPECT_EQ(established("{ timeout: 60s }"), seconds(60));
  EXPECT_EQ(established("{ timeout: 60s, tcp_timeouts: { established: 90s } }"), seconds(90));
  EXPECT_EQ(established("{ tcp_timeouts: { established: 1500ms } }"), milliseconds(1500));
  EXPECT_EQ(loaded("ebpf: { interface: e, xdp: { connection_affinity: { timeout: 10s } } }")
                .conntrack.tcp.established,
            seconds(10));
}

TEST(Load, EqualDefinitionsOfTheSameThingAgree) {
  const Config config = loaded(
      "ebpf: { interface: e, conntrack: { max_entries: 1000, timeout: 5m }, "
      "xdp: { connection_affinity: { timeout: 300s } }, "
      "maps: { connections: { max_entries: 1000, type: lru_hash } } }");
  EXPECT_EQ(config.conntrack.max_entries, 1000U);
  EXPECT_EQ(config.conntrack.tcp.established, seconds(300));
}

TEST(Load, DaemonKeys) {
  const Config config = loaded(
      "ebpf: { interface: e }\nadmin: { listen: \"[::1]:9092\" }\n"
      "log: { level: debug, format: json }\n"
      "runtime: { pin_path: /p, state_dir: /s, on_exit: detach }\n");
  EXPECT_EQ(config.admin.listen.to_string(), "[::1]:9092");
  EXPECT_EQ(config.log.level, "debug");
  EXPECT_EQ(config.log.format, "json");
  EXPECT_EQ(config.runtime.pin_path, "/p");
  EXPECT_EQ(config.runtime.state_dir, "/s");
  EXPECT_EQ(config.runtime.on_exit, OnExit::kDetach);
}

TEST(Load, WritingDownWhatHappensAnywayEarnsNoWarning) {
  const std::string text = service(
      "      tracking: all\n      on_down: keep\n      announce: none\n      slow_start: 0s\n"
      "      affinity: { mode: five_tuple }\n      panic_threshold: 0\n"
      "  conntrack: { enabled: true, tracking: all, max_connections: 0 }\n"
      "  deny: []\n  health_integration: { enabled: false, upstream: backend }\n"
      "admin: { persist: true, allowed_hosts: [] }\n");
  EXPECT_EQ(printed(load_config(text), text), "");
}

TEST(Load, NotBuiltSectionsAreWarnedOfOnceAndCheckedInside) {
  const std::string good =
      "ebpf:\n  interface: e\n  health_checks:\n    web: { type: http, path: /x, interval: 2s, "
      "jitter: 10%, expect_status: [200, 300-399] }\n";
  EXPECT_EQ(codes(load_config(good), Severity::kWarning), Codes{"not-built 3:3"});
  const std::string bad = "ebpf:\n  interface: e\n  health_checks:\n    web: { type: gopher }\n";
  EXPECT_EQ(codes(load_config(bad), Severity::kError), Codes{"bad-value 4:18"});
}

TEST(Load, VariablesAreSubstitutedInValuesOnly) {
  setenv("LOOM_TEST_IF", "eth7", 1);
  setenv("LOOM_TEST_PORT", "8080", 1);
  const Config config = loaded(
      "ebpf:\n  interface: ${LOOM_TEST_IF}\n  xdp:\n    passthrough_ports:\n"
      "      - ${LOOM_TEST_PORT}\n      - ${LOOM_TEST_NOT_SET:-9091}\n");
  EXPECT_EQ(config.spec.interfaces, std::vector<std::string>{"eth7"});
  EXPECT_EQ(config.spec.passthrough_ports, (std::set<uint16_t>{8080, 9091}));
  EXPECT_FALSE(load_config("${LOOM_TEST_IF}: 1\n").ok());
}

TEST(Load, NeverShowsWhatAVariableContained) {
  setenv("LOOM_TEST_SECRET", "31415926", 1);
  for (const char* key :
       {"interface: x/${LOOM_TEST_SECRET}", "enabled: ${LOOM_TEST_SECRET}",
        "mode: ${LOOM_TEST_SECRET}", "conntrack: { timeout: \"${LOOM_TEST_SECRET}\" }",
        "backends: [{ address: \"${LOOM_TEST_SECRET}\" }]"}) {
    const std::string text = std::string("ebpf:\n  ") + key + "\n";
    const LoadResult result = load_config(text);
    EXPECT_FALSE(result.ok()) << key;
    EXPECT_EQ(printed(result, text).find("31415926"), std::string::npos) << printed(result, text);
  }
}

TEST(Load, DiagnosticsComeInFileOrder) {
  const LoadResult result = load_config(
      "ebpf:\n  mode: hybrid\n  xdp: { batch_size: x }\n  interface: a/b\n  nonsense: 1\n");
  int last = 0;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    EXPECT_GE(diagnostic.line, last);
    last = diagnostic.line;
  }
  EXPECT_EQ(codes(result, Severity::kError),
            (Codes{"wrong-type 3:22", "bad-value 4:14", "unknown-key 5:3"}));
}

TEST(Load, AnInvalidPartDoesNotCauseFollowUpErrors) {
  std::string text = service("");
  text.replace(text.find("10.0.1.10"), 9, "10.0.1.");
  EXPECT_EQ(load_config(text).diagnostics.size(), 1U);
}

TEST(LoadFile, ReadsTheFileAndHandsOutItsText) {
  const std::string path = ::testing::TempDir() + "loom-load-test.yaml";
  std::ofstream(path) << "ebpf: { interface: eth0 }\n";
  std::string text;
  const Result<LoadResult> result = load_config_file(path, text);
  std::remove(path.c_str());
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->ok());
  EXPECT_EQ(text, "ebpf: { interface: eth0 }\n");
}

TEST(LoadFile, SaysWhyAFileCannotBeRead) {
  std::string text;
  EXPECT_EQ(load_config_file("/nonexistent/loom.yaml", text).error().code(), ENOENT);
  EXPECT_EQ(load_config_file("/", text).error().code(), EISDIR);
}

TEST(LoadFile, StopsReadingAtOneMebibyte) {
  std::string text;
  const Result<LoadResult> result = load_config_file("/dev/zero", text);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->diagnostics.at(0).code, "too-large");
}

}  // namespace
}  // namespace loom::test
