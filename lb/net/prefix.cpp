// SPDX-License-Identifier: Apache-2.0
#include "lb/net/prefix.hpp"

#include <cerrno>
#include <charconv>

namespace loom {
namespace {

std::array<uint8_t, 16> masked(const IpAddr& addr, uint8_t mapped_length) {
  std::array<uint8_t, 16> out = addr.bytes();
  for (unsigned bit = mapped_length; bit < 128; ++bit)
    out[bit / 8] = static_cast<uint8_t>(out[bit / 8] & ~(0x80u >> (bit % 8)));
  return out;
}

}  // namespace

Result<Prefix> Prefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  Result<IpAddr> address = IpAddr::parse(text.substr(0, slash));
  if (!address) return address.error();

  const unsigned bits = address->is_v4() ? 32 : 128;
  unsigned length = bits;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, err] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (err != std::errc() || end != digits.data() + digits.size() || length > bits)
      return Error(EINVAL, "\"" + std::string(text) + "\": prefix length must be 0 to " +
                               std::to_string(bits));
  }
  const Prefix prefix{*address, static_cast<uint8_t>(length)};
  const IpAddr network(masked(*address, prefix.mapped_length()));
  if (network != *address)
    return Error(EINVAL, "\"" + std::string(text) + "\" has host bits set; did you mean " +
                             network.to_string() + "/" + std::to_string(length) + "?");
  return prefix;
}

bool Prefix::contains(const IpAddr& addr) const {
  return addr.family() == address.family() && masked(addr, mapped_length()) == address.bytes();
}

uint8_t Prefix::mapped_length() const {
  return static_cast<uint8_t>(address.is_v4() ? length + 96 : length);
}

std::string Prefix::to_string() const {
  return address.to_string() + "/" + std::to_string(length);
}

}  // namespace loom
