// SPDX-License-Identifier: Apache-2.0
#include "lb/config/encoding.hpp"

#include <cstdint>

namespace loom {
namespace {

/// Bytes of the character at the start of `text`; 0: not one. RFC 3629, section 4.
size_t character_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) {
    const bool control = (first < 0x20 && first != '\t' && first != '\n' && first != '\r');
    return control || first == 0x7f ? 0 : 1;
  }
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = first == 0xed && byte(1) >= 0xa0;
  const bool beyond = first == 0xf4 && byte(1) >= 0x90;
  // U+0080 to U+009F: some terminals act on these.
  const bool control = first == 0xc2 && byte(1) < 0xa0;
  return overlong || surrogate || beyond || control ? 0 : length;
}

}  // namespace

std::optional<Place> find_bad_text(std::string_view text) {
  Place place{.line = 1, .column = 1};
  while (!text.empty()) {
    const size_t length = character_length(text);
    if (length == 0) return place;
    place.column += static_cast<int>(length);
    if (text[0] == '\n') {
      ++place.line;
      place.column = 1;
    }
    text.remove_prefix(length);
  }
  return std::nullopt;
}

}  // namespace loom
