// SPDX-License-Identifier: Apache-2.0
#include "admin-api/http.hpp"

#include <algorithm>

namespace loom {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::optional<std::string_view> find_header(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (equal_ignoring_case(key, name)) return value;
  return std::nullopt;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  if (l >= 'a' && l <= 'f') return l - 'a' + 10;
  return -1;
}

/// Calls `part` for each piece of `text` between separators, also for empty ones.
template <class F>
bool for_each_part(std::string_view text, char separator, F part) {
  while (true) {
    const size_t end = text.find(separator);
    if (!part(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

/// In a query "+" is a blank: what HTML forms and `curl --data-urlencode` send.
std::optional<std::string> decode_query(std::string_view text) {
  std::string with_blanks(text);
  std::replace(with_blanks.begin(), with_blanks.end(), '+', ' ');
  return percent_decode(with_blanks);
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string_view> HttpRequest::header(std::string_view name) const {
  return find_header(headers, name);
}

size_t HttpRequest::header_count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(), [&](const auto& header) {
    return equal_ignoring_case(header.first, name);
  }));
}

std::optional<std::string_view> HttpResponse::header(std::string_view name) const {
  return find_header(headers, name);
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::optional<Target> Target::parse(std::string_view target) {
  if (!target.starts_with('/')) return std::nullopt;
  const size_t mark = target.find('?');
  Target out;
  out.path = std::string(target.substr(0, mark));

  if (out.path != "/") {
    const bool decoded =
        for_each_part(std::string_view(out.path).substr(1), '/', [&](std::string_view part) {
          std::optional<std::string> text = percent_decode(part);
          if (text) out.segments.push_back(std::move(*text));
          return text.has_value();
        });
    if (!decoded) return std::nullopt;
  }
  if (mark == std::string_view::npos || mark + 1 == target.size()) return out;

  const bool decoded = for_each_part(target.substr(mark + 1), '&', [&](std::string_view part) {
    if (part.empty()) return true;
    const size_t equals = part.find('=');
    std::optional<std::string> name = decode_query(part.substr(0, equals));
    std::optional<std::string> value = decode_query(
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
    if (!name || !value) return false;
    out.query.emplace_back(std::move(*name), std::move(*value));
    return true;
  });
  if (!decoded) return std::nullopt;
  return out;
}

}  // namespace loom
