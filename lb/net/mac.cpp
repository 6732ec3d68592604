// SPDX-License-Identifier: Apache-2.0
#include "lb/net/mac.hpp"

namespace loom {

std::string Mac::to_string() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    if (!out.empty()) out += ':';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace loom
