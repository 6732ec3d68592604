// SPDX-License-Identifier: Apache-2.0
#include "lb/net/ip_addr.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace loom {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

Result<IpAddr> IpAddr::parse(std::string_view text) {
  const std::string copy(text);
  std::array<uint8_t, 4> v4{};
  if (inet_pton(AF_INET, copy.c_str(), v4.data()) == 1 && copy.size() == std::strlen(copy.c_str()))
    return from_v4(v4);

  std::array<uint8_t, 16> v6{};
  if (inet_pton(AF_INET6, copy.c_str(), v6.data()) != 1 || copy.size() != std::strlen(copy.c_str()))
    return Error(EINVAL, "\"" + copy + "\" is not an IP address");
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), v6.begin()))
    return Error(EINVAL,
                 "\"" + copy + "\" is an IPv4 address in IPv6 clothes; write it as a.b.c.d");
  return IpAddr(v6);
}

IpAddr IpAddr::from_v4(const std::array<uint8_t, 4>& bytes) {
  IpAddr out;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), out.bytes_.begin());
  std::copy(bytes.begin(), bytes.end(), out.bytes_.begin() + 12);
  return out;
}

Family IpAddr::family() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin()) ? Family::kV4
                                                                                : Family::kV6;
}

bool IpAddr::is_unspecified() const {
  const auto start = is_v4() ? bytes_.begin() + 12 : bytes_.begin();
  return std::all_of(start, bytes_.end(), [](uint8_t b) { return b == 0; });
}

bool IpAddr::is_loopback() const {
  if (is_v4()) return bytes_[12] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t b) { return b == 0; }) &&
         bytes_[15] == 1;
}

bool IpAddr::is_multicast() const {
  return is_v4() ? bytes_[12] >= 224 && bytes_[12] < 240 : bytes_[0] == 0xff;
}

bool IpAddr::is_link_local() const {
  return is_v4() ? bytes_[12] == 169 && bytes_[13] == 254
                 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

std::array<uint8_t, 4> IpAddr::v4_bytes() const {
  return {bytes_[12], bytes_[13], bytes_[14], bytes_[15]};
}

std::string IpAddr::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_v4())
    inet_ntop(AF_INET, bytes_.data() + 12, text.data(), text.size());
  else
    inet_ntop(AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

}  // namespace loom
