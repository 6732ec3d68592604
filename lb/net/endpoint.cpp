// SPDX-License-Identifier: Apache-2.0
#include "lb/net/endpoint.hpp"

#include <cerrno>
#include <charconv>

namespace loom {
namespace {

Result<uint16_t> parse_port(std::string_view digits, std::string_view whole) {
  uint16_t port = 0;
  const auto [end, err] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (err != std::errc() || end != digits.data() + digits.size() || port == 0)
    return Error(EINVAL, "\"" + std::string(whole) + "\": port must be 1 to 65535");
  return port;
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos)
      return Error(EINVAL, "\"" + std::string(text) + "\": \"]\" is missing");
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && !rest.starts_with(':'))
      return Error(EINVAL, "\"" + std::string(text) + "\": expected [address]:port");
    has_port = !rest.empty();
    if (has_port) port = rest.substr(1);
  } else if (const size_t colon = text.find(':');
             colon != std::string_view::npos &&
             text.find(':', colon + 1) == std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }

  Result<IpAddr> address = IpAddr::parse(host);
  if (!address) return address.error();
  if (!has_port) return Endpoint{*address, 0};
  const Result<uint16_t> number = parse_port(port, text);
  if (!number) return number.error();
  return Endpoint{*address, *number};
}

std::string Endpoint::to_string() const {
  if (port == 0) return address.to_string();
  if (address.is_v4()) return address.to_string() + ":" + std::to_string(port);
  return "[" + address.to_string() + "]:" + std::to_string(port);
}

}  // namespace loom
