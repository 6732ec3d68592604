// SPDX-License-Identifier: Apache-2.0
#include "lb/config/scalar.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace loom {
namespace {

constexpr size_t kMaxInterfaceName = 15;  // IFNAMSIZ - 1
constexpr size_t kMaxName = 63;
/// Far beyond every limit of the field table, far below the overflow of 64 bits of milliseconds.
constexpr int64_t kMaxCount = 1'000'000'000;

struct Unit {
  std::string_view name;
  int64_t milliseconds;
};
constexpr std::array<Unit, 4> kUnits{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

std::string_view strip_zeros(std::string_view digits) {
  const size_t first = digits.find_first_not_of('0');
  return first == std::string_view::npos ? "0" : digits.substr(first);
}

Error bad_duration() {
  return Error(EINVAL, "expected a duration").with_hint("write it like 250ms, 30s, 5m or 1h30m");
}

}  // namespace

Result<int64_t> parse_integer(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (!all_digits(digits)) return Error(EINVAL, "expected a whole number");
  if (digits.size() > 1 && digits[0] == '0')
    return Error(EINVAL, "a number must not begin with 0")
        .with_hint("numbers are decimal; write " + std::string(strip_zeros(digits).substr(0, 20)));
  int64_t value = 0;
  const auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (err != std::errc() || end != text.data() + text.size())
    return Error(ERANGE, "the number is too large");
  return value;
}

Result<bool> parse_boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  Error error(EINVAL, "expected true or false");
  for (const std::string_view yes : {"true", "yes", "on", "y", "1"})
    if (lower == yes) return std::move(error).with_hint("write true");
  for (const std::string_view no : {"false", "no", "off", "n", "0"})
    if (lower == no) return std::move(error).with_hint("write false");
  return error;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (all_digits(text)) {
    const std::string digits(strip_zeros(text).substr(0, 10));
    return Error(EINVAL, "a duration needs a unit")
        .with_hint("write " + digits + "s for seconds, or " + digits + "ms for milliseconds");
  }
  int64_t total = 0;
  const Unit* smallest = nullptr;
  while (!text.empty()) {
    const auto* const digits_end = std::find_if_not(text.begin(), text.end(), is_digit);
    const std::string_view digits = text.substr(0, static_cast<size_t>(digits_end - text.begin()));
    text.remove_prefix(digits.size());
    const Result<int64_t> count = parse_integer(digits);
    if (!count) return bad_duration();
    const auto* const unit_end = std::find_if(text.begin(), text.end(), is_digit);
    const std::string_view name = text.substr(0, static_cast<size_t>(unit_end - text.begin()));
    text.remove_prefix(name.size());
    const auto* const unit =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == name; });
    if (unit == kUnits.end() || (smallest != nullptr && unit <= smallest)) return bad_duration();
    if (*count > kMaxCount) return Error(ERANGE, "the duration is too long");
    total += *count * unit->milliseconds;
    smallest = unit;
  }
  if (smallest == nullptr) return bad_duration();
  return std::chrono::milliseconds(total);
}

Result<Endpoint> parse_listen(std::string_view text) {
  const Result<Endpoint> endpoint = Endpoint::parse(text);
  if (endpoint && endpoint->port != 0) return *endpoint;
  return Error(EINVAL, "expected an IP address and a port")
      .with_hint("write it like 127.0.0.1:9091 or \"[::1]:9091\"");
}

Result<PortSpan> parse_ports(std::string_view text) {
  constexpr int64_t kMaxPort = 65535;
  if (text == "any") return PortSpan{0, kMaxPort};
  const size_t dash = text.find('-');
  const Result<int64_t> first = parse_integer(text.substr(0, dash));
  const Result<int64_t> last =
      dash == std::string_view::npos ? first : parse_integer(text.substr(dash + 1));
  if (!first || !last || *first < 1 || *last > kMaxPort || *first > *last)
    return Error(EINVAL, "expected a port from 1 to 65535, a range of them, or any")
        .with_hint("write a range like 8000-8099");
  const bool alone = *first == *last;
  return PortSpan{static_cast<uint16_t>(*first), static_cast<uint16_t>(alone ? 0 : *last)};
}

Result<Mac> parse_mac(std::string_view text) {
  Mac mac;
  const auto bad = [] {
    return Error(EINVAL, "expected the MAC address of one host")
        .with_hint("write it like \"00:00:5e:00:01:0a\"");
  };
  if (text.size() != 3 * mac.bytes.size() - 1) return bad();
  for (size_t i = 0; i < mac.bytes.size(); ++i) {
    const char* const at = text.data() + 3 * i;
    const auto [end, err] = std::from_chars(at, at + 2, mac.bytes[i], 16);
    if (err != std::errc() || end != at + 2) return bad();
    if (i + 1 < mac.bytes.size() && at[2] != ':') return bad();
  }
  const bool group = (mac.bytes[0] & 1) != 0;
  if (group || mac.is_zero()) return bad();
  return mac;
}

Result<void> check_interface_name(std::string_view text) {
  const bool word = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c != '/' && c != ':' && c != 0x7f;
  });
  if (!text.empty() && text.size() <= kMaxInterfaceName && word && text != "." && text != "..")
    return {};
  return Error(EINVAL,
               "not the name of an interface: 1 to 15 characters without \"/\", \":\" or "
               "blanks are");
}

Result<void> check_name(std::string_view text) {
  const bool allowed = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-';
  });
  if (!text.empty() && text.size() <= kMaxName && allowed) return {};
  return Error(EINVAL, "a name is 1 to 63 characters of a-z, 0-9 and \"-\"");
}

}  // namespace loom
