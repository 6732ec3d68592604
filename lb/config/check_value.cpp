// SPDX-License-Identifier: Apache-2.0
#include "lb/config/check_value.hpp"

#include <algorithm>
#include <cerrno>

#include "lb/config/encoding.hpp"
#include "lb/config/scalar.hpp"
#include "lb/model/ring.hpp"
#include "lb/net/ip_addr.hpp"
#include "lb/net/prefix.hpp"

namespace loom {
namespace {

constexpr int64_t kMaxPort = 65535;

std::string_view article(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return "nothing";
    case ConfigNode::Kind::kList:
      return "a list";
    case ConfigNode::Kind::kMap:
      return "a mapping";
    case ConfigNode::Kind::kScalar:
      break;
  }
  return node.quoted ? "text in quotes" : "a value";
}

std::string range_text(const Field& field) {
  const auto [low, high] = bounds_of(field);
  return "from " + std::string(low) + " to " + std::string(high);
}

Error out_of_range(const Field& field) {
  return Error(ERANGE, "must be " + range_text(field));
}

Result<void> check_integer(const ConfigNode& node, const Field& field) {
  const Result<int64_t> value = parse_integer(node.text);
  if (!value && value.error().code() == ERANGE) return out_of_range(field);
  if (!value) return value.error();
  const auto [low, high] = bounds_of(field);
  if (*value < *parse_integer(low) || *value > *parse_integer(high)) return out_of_range(field);
  return {};
}

Result<void> check_ring_size(const ConfigNode& node, const Field& field) {
  if (Result<void> checked = check_integer(node, field); !checked) return checked;
  const auto value = static_cast<uint32_t>(*parse_integer(node.text));
  if (is_prime(value)) return {};
  uint32_t up = value;
  while (!is_prime(up)) ++up;
  uint32_t down = value;
  while (!is_prime(down)) --down;
  return Error(EINVAL, "must be a prime number")
      .with_hint("the nearest are " + std::to_string(down) + " and " + std::to_string(up));
}

Result<void> check_duration(const ConfigNode& node, const Field& field) {
  const auto value = parse_duration(node.text);
  if (!value && value.error().code() == ERANGE) return out_of_range(field);
  if (!value) return value.error();
  const auto [low, high] = bounds_of(field);
  if (*value < *parse_duration(low) || *value > *parse_duration(high)) return out_of_range(field);
  return {};
}

Result<void> check_text(const ConfigNode& node, const Field& field) {
  const auto [low, high] = bounds_of(field);
  const auto size = static_cast<int64_t>(node.text.size());
  if (size >= *parse_integer(low) && size <= *parse_integer(high)) return {};
  return Error(ERANGE, "must be " + range_text(field) + " characters long");
}

Result<void> check_choice(const ConfigNode& node, const Field& field) {
  std::vector<std::string_view> words;
  std::string list;
  bool refused = false;
  for (const Choice& choice : choices_of(field)) {
    const bool chosen = node.text == choice.word;
    if (choice.kind == Choice::Kind::kRefused) {
      refused = refused || chosen;
      continue;
    }
    if (chosen) return {};
    words.push_back(choice.word);
    list += (list.empty() ? "" : ", ") + std::string(choice.word);
  }
  if (refused) return Error(ENOTSUP, std::string(field.instead)).with_hint("use one of: " + list);
  return Error(EINVAL, "expected one of: " + list).with_hint(did_you_mean(node.text, words));
}

Result<void> check_address(const ConfigNode& node) {
  const Result<IpAddr> address = IpAddr::parse(node.text);
  if (!address) {
    Error error(EINVAL, "not an IP address");
    if (node.text.find('/') != std::string::npos)
      return std::move(error).with_hint("one address is expected, without a prefix length");
    if (parse_listen(node.text))
      return std::move(error).with_hint("the port belongs in a key of its own");
    if (node.text.find('%') != std::string::npos || node.text.find("::ffff:") == 0)
      return std::move(error).with_hint("write IPv4 as a.b.c.d, and IPv6 without a scope");
    return error;
  }
  const std::array<uint8_t, 4> broadcast{255, 255, 255, 255};
  if (address->is_unspecified()) return Error(EINVAL, "the unspecified address is nobody's");
  if (address->is_loopback()) return Error(EINVAL, "a loopback address is not on the network");
  if (address->is_multicast()) return Error(EINVAL, "a multicast address is not one host's");
  if (*address == IpAddr::from_v4(broadcast))
    return Error(EINVAL, "the broadcast address is not one host's");
  if (!address->is_v4() && address->is_link_local())
    return Error(EINVAL, "a link-local IPv6 address means nothing without an interface");
  return {};
}

Result<void> check_prefix(const ConfigNode& node) {
  if (Prefix::parse(node.text)) return {};
  return Error(EINVAL, "not an address block without host bits")
      .with_hint("write it like 192.0.2.0/24 or 2001:db8::/32");
}

Result<void> check_listen(const ConfigNode& node) {
  const Result<Endpoint> endpoint = parse_listen(node.text);
  if (!endpoint) return endpoint.error();
  if (endpoint->address.is_loopback()) return {};
  return Error(EACCES,
               "only a loopback address is possible, because there is no token support yet");
}

/// "200-299", or a single number.
Result<void> check_number_range(const ConfigNode& node, int64_t lowest, int64_t highest) {
  const std::string_view text = node.text;
  const size_t dash = text.find('-', 1);
  const Result<int64_t> from = parse_integer(text.substr(0, dash));
  const Result<int64_t> to =
      dash == std::string_view::npos ? from : parse_integer(text.substr(dash + 1));
  if (from && to && *from >= lowest && *from <= *to && *to <= highest) return {};
  return Error(EINVAL, "expected a number from " + std::to_string(lowest) + " to " +
                           std::to_string(highest) + ", or a range of them");
}

Result<void> check_percent(const ConfigNode& node) {
  const std::string_view text = node.text;
  const Result<int64_t> number = parse_integer(text.substr(0, text.size() - 1));
  if (text.ends_with('%') && number && *number >= 0 && *number <= 100) return {};
  return Error(EINVAL, "expected a percentage").with_hint("write it like 10%");
}

Result<void> check_ports(const ConfigNode& node, const Field& field) {
  if (node.text == "any") return {};
  if (node.text.find('-', 1) != std::string::npos) {
    const Result<PortSpan> ports = parse_ports(node.text);
    return ports ? Result<void>{} : ports.error();
  }
  if (node.quoted) return Error(EINVAL, "expected a port").with_hint("remove the quotes");
  const Field port{.path = field.path, .type = FieldType::kInteger, .limits = "1..65535"};
  return check_integer(node, port);
}

Result<void> check_cpus(const ConfigNode& node) {
  if (node.text == "all") return {};
  return Error(EINVAL, "expected a list of CPU numbers, or all");
}

bool needs_plain_scalar(FieldType type) {
  return type == FieldType::kBool || type == FieldType::kInteger || type == FieldType::kRingSize ||
         type == FieldType::kCpus;
}

std::string_view expectation(FieldType type) {
  switch (type) {
    case FieldType::kBool:
      return "true or false";
    case FieldType::kInteger:
    case FieldType::kRingSize:
      return "a number";
    case FieldType::kDuration:
      return "a duration";
    case FieldType::kCpus:
      return "a list of CPU numbers, or all";
    case FieldType::kPortEntry:
    case FieldType::kPorts:
      return "a port";
    default:
      return "text";
  }
}

Result<void> check_scalar(const ConfigNode& node, const Field& field) {
  switch (field.type) {
    case FieldType::kBool: {
      const Result<bool> value = parse_boolean(node.text);
      return value ? Result<void>{} : value.error();
    }
    case FieldType::kInteger:
      return check_integer(node, field);
    case FieldType::kRingSize:
      return check_ring_size(node, field);
    case FieldType::kDuration:
      return check_duration(node, field);
    case FieldType::kText:
      return check_text(node, field);
    case FieldType::kChoice:
      return check_choice(node, field);
    case FieldType::kName:
      return check_name(node.text);
    case FieldType::kInterface:
      return check_interface_name(node.text);
    case FieldType::kAddress:
      return check_address(node);
    case FieldType::kPrefix:
      return check_prefix(node);
    case FieldType::kListen:
      return check_listen(node);
    case FieldType::kPortEntry:
    case FieldType::kPorts:
      return check_ports(node, field);
    case FieldType::kMac: {
      const Result<Mac> mac = parse_mac(node.text);
      return mac ? Result<void>{} : mac.error();
    }
    case FieldType::kPortRange:
      return check_number_range(node, 1, kMaxPort);
    case FieldType::kStatusRange:
      return check_number_range(node, 100, 599);
    case FieldType::kPercent:
      return check_percent(node);
    case FieldType::kCpus:
      return check_cpus(node);
    case FieldType::kMap:
    case FieldType::kNamedMap:
    case FieldType::kList:
      break;
  }
  return Error(EINVAL, "not a scalar");
}

std::string_view code_for(int error) {
  switch (error) {
    case ERANGE:
      return "out-of-range";
    case ENOTSUP:
      return "not-supported";
    case EACCES:
      return "needs-token";
    default:
      return "bad-value";
  }
}

std::string_view code_for(const Field& field, const Error& error) {
  const bool wrong_type =
      error.code() == EINVAL && needs_plain_scalar(field.type) && field.type != FieldType::kCpus;
  if (wrong_type && field.type == FieldType::kRingSize && error.what() == "must be a prime number")
    return "not-prime";
  return wrong_type ? "wrong-type" : code_for(error.code());
}

}  // namespace

void report_type(ConfigNode& node, std::string_view expected, const Place& at, Report& report) {
  node.valid = false;
  std::string suggestion;
  if (node.kind == ConfigNode::Kind::kNull)
    suggestion = "give it a value or remove the key";
  else if (node.is_scalar() && node.quoted)
    suggestion = "remove the quotes";
  report.error(at, "wrong-type",
               "expected " + std::string(expected) + ", got " + std::string(article(node)),
               std::move(suggestion));
}

void check_value(ConfigNode& node, const Field& field, const Place& at, Report& report) {
  const bool plain_needed = needs_plain_scalar(field.type);
  if (!node.is_scalar() || (plain_needed && node.quoted)) {
    report_type(node, expectation(field.type), at, report);
    return;
  }
  const Result<void> checked = check_scalar(node, field);
  if (checked) return;
  node.valid = false;
  // A hint may repeat digits of the value, which must not leave the environment.
  const bool secret = node.text != node.written;
  report.error(at, code_for(field, checked.error()), checked.error().what(),
               secret ? "" : checked.error().hint());
}

bool is_unbuilt_choice(const ConfigNode& node, const Field& field) {
  if (field.type != FieldType::kChoice || !node.valid || !node.is_scalar()) return false;
  const std::vector<Choice> choices = choices_of(field);
  return std::any_of(choices.begin(), choices.end(), [&](const Choice& choice) {
    return choice.word == node.text && choice.kind == Choice::Kind::kNotBuilt;
  });
}

}  // namespace loom
