// SPDX-License-Identifier: Apache-2.0
// The field table against itself, against the code that reads it, and against config/README.md.
#include "lb/config/fields.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "files.hpp"
#include "lb/config/config.hpp"
#include "lb/config/scalar.hpp"
#include "lb/model/ring.hpp"

namespace loom {
namespace {

std::string choices_text(const Field& field) {
  std::string out;
  for (const Choice& choice : choices_of(field)) {
    if (choice.kind == Choice::Kind::kRefused) continue;
    out += (out.empty() ? "`" : ", `") + std::string(choice.word) + "`";
    if (choice.kind == Choice::Kind::kNotBuilt) out += " (not built yet)";
  }
  return out;
}

std::string values_text(const Field& field) {
  switch (field.type) {
    case FieldType::kMap:
      return "mapping";
    case FieldType::kNamedMap:
      return "mapping by name";
    case FieldType::kList:
      return "list";
    case FieldType::kBool:
      return "`true`, `false`";
    case FieldType::kInteger:
    case FieldType::kRingSize:
    case FieldType::kDuration: {
      const auto [low, high] = bounds_of(field);
      return std::string(low) + " to " + std::string(high);
    }
    case FieldType::kChoice:
      return choices_text(field);
    case FieldType::kName:
      return "name";
    case FieldType::kInterface:
      return "interface";
    case FieldType::kAddress:
      return "IP address";
    case FieldType::kPrefix:
      return "address block";
    case FieldType::kListen:
      return "address:port";
    case FieldType::kPortEntry:
      return "port or mapping";
    case FieldType::kPorts:
      return "port, range or `any`";
    case FieldType::kMac:
      return "MAC address";
    case FieldType::kPortRange:
    case FieldType::kStatusRange:
      return "number or range";
    case FieldType::kPercent:
      return "percentage";
    case FieldType::kCpus:
      return "list or `all`";
    case FieldType::kText:
      return "text";
  }
  return "";
}

std::string readme_row(const Field& field) {
  const bool built = field.status == FieldStatus::kBuilt;
  const std::string fallback = field.fallback.empty() || field.fallback == "required"
                                   ? std::string(field.fallback)
                                   : "`" + std::string(field.fallback) + "`";
  return "| `" + std::string(field.path) + "` | " + (built ? "built" : "not yet") + " | " +
         values_text(field) + " | " + fallback + " | " + std::string(field.help) + " |\n";
}

TEST(Fields, AreTheTableOfTheReadme) {
  const std::string path = std::string(LOOM_CONFIG_DIR) + "/README.md";
  const std::string readme = test::read_file(path);
  const std::string head = "| key | status | values | default | meaning |\n|---|---|---|---|---|\n";
  const size_t start = readme.find(head);
  ASSERT_NE(start, std::string::npos);
  size_t end = start + head.size();
  while (readme.compare(end, 1, "|") == 0) end = readme.find('\n', end) + 1;
  std::string table = head;
  for (const Field& field : fields()) table += readme_row(field);
  test::expect_golden(path, readme.substr(0, start) + table + readme.substr(end));
}

TEST(Fields, AreListedOnce) {
  std::set<std::string_view> seen;
  for (const Field& field : fields()) EXPECT_TRUE(seen.insert(field.path).second) << field.path;
}

TEST(Fields, HaveAHelpTextAndContainersTheirContents) {
  for (const Field& field : fields()) {
    EXPECT_TRUE(field.help.ends_with('.') || field.help.ends_with(".\"")) << field.path;
    const std::string path(field.path);
    const bool list = field.type == FieldType::kList;
    const bool named = field.type == FieldType::kNamedMap;
    EXPECT_TRUE(field.type != FieldType::kMap || !children_of(path).empty()) << path;
    EXPECT_TRUE(!list || find_field(path + "[]") != nullptr) << path;
    EXPECT_TRUE(!named || find_field(path + ".*") != nullptr) << path;
  }
}

TEST(Fields, HaveLimitsThatParse) {
  for (const Field& field : fields()) {
    const auto [low, high] = bounds_of(field);
    if (field.type == FieldType::kInteger || field.type == FieldType::kText) {
      ASSERT_TRUE(parse_integer(low) && parse_integer(high)) << field.path;
      EXPECT_LT(*parse_integer(low), *parse_integer(high)) << field.path;
    } else if (field.type == FieldType::kDuration) {
      ASSERT_TRUE(parse_duration(low) && parse_duration(high)) << field.path;
    } else if (field.type == FieldType::kChoice) {
      EXPECT_FALSE(choices_of(field).empty()) << field.path;
    }
  }
}

TEST(Fields, SayTheLimitsOfTheModel) {
  EXPECT_EQ(find_field("ebpf.xdp.load_balancing.maglev_table_size")->limits,
            std::to_string(kMinRingSize) + ".." + std::to_string(kMaxRingSize));
  EXPECT_EQ(find_field("ebpf.maps.backends.max_entries")->limits,
            "1.." + std::to_string(kMaxBackends));
  EXPECT_EQ(find_field("ebpf.backends[].weight")->limits, "0.." + std::to_string(kMaxWeight));
}

TEST(Fields, SayTheDefaultsOfTheConfig) {
  const Config config;
  const auto fallback = [](std::string_view path) { return find_field(path)->fallback; };
  const auto duration = [&](std::string_view path) { return *parse_duration(fallback(path)); };
  EXPECT_EQ(fallback("ebpf.xdp.load_balancing.maglev_table_size"),
            std::to_string(config.ring_size));
  EXPECT_EQ(fallback("ebpf.maps.backends.max_entries"), std::to_string(config.max_backends));
  EXPECT_EQ(fallback("ebpf.conntrack.probation_entries"),
            std::to_string(config.conntrack.probation_entries));
  EXPECT_EQ(fallback("ebpf.conntrack.max_connections"),
            std::to_string(config.conntrack.max_connections));
  EXPECT_EQ(fallback("ebpf.answer_rate"), std::to_string(config.answer_rate));
  EXPECT_EQ(fallback("ebpf.conntrack.max_entries"), std::to_string(config.conntrack.max_entries));
  EXPECT_EQ(fallback("ebpf.maps.connections.max_entries"),
            std::to_string(config.conntrack.max_entries));
  EXPECT_EQ(duration("ebpf.conntrack.timeout"), config.conntrack.tcp.established);
  EXPECT_EQ(duration("ebpf.xdp.protocols.udp.session_affinity.timeout"), config.conntrack.udp);
  EXPECT_EQ(duration("ebpf.conntrack.tcp_timeouts.established"), config.conntrack.tcp.established);
  EXPECT_EQ(duration("ebpf.conntrack.tcp_timeouts.syn_sent"), config.conntrack.tcp.syn_sent);
  EXPECT_EQ(duration("ebpf.conntrack.tcp_timeouts.syn_recv"), config.conntrack.tcp.syn_recv);
  EXPECT_EQ(duration("ebpf.conntrack.tcp_timeouts.fin_wait"), config.conntrack.tcp.fin_wait);
  EXPECT_EQ(duration("ebpf.conntrack.tcp_timeouts.time_wait"), config.conntrack.tcp.time_wait);
  EXPECT_EQ(fallback("ebpf.backends[].weight"), std::to_string(kDefaultWeight));
  EXPECT_EQ(fallback("ebpf.services[].encap.port"), std::to_string(kDefaultGuePort));
  EXPECT_EQ(fallback("admin.listen"), config.admin.listen.to_string());
  EXPECT_EQ(fallback("runtime.pin_path"), config.runtime.pin_path);
  EXPECT_EQ(fallback("runtime.state_dir"), config.runtime.state_dir);
  EXPECT_EQ(fallback("log.level"), config.log.level);
  EXPECT_EQ(fallback("log.format"), config.log.format);
}

}  // namespace
}  // namespace loom
