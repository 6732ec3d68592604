// SPDX-License-Identifier: Apache-2.0
// ${VAR} in the values of the configuration.
#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "lb/config/encoding.hpp"
#include "lb/config/report.hpp"
#include "lb/config/scalar.hpp"

namespace loom {
namespace {

/// A value larger than any the table takes; many references to one long variable would not end.
constexpr size_t kMaxSubstituted = 64U << 10;

bool is_variable_name(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !text.empty() && letter(text[0]) && std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

/// `reference` is what stands between the braces.
Result<std::string> resolve(std::string_view reference) {
  const std::string name(reference.substr(0, reference.find(':')));
  const std::string_view rest = reference.substr(name.size());
  const bool has_default = rest.starts_with(":-");
  const bool has_message = rest.starts_with(":?");
  if (!is_variable_name(name) || (!rest.empty() && !has_default && !has_message))
    return Error(EINVAL, "not a variable reference: " + quoted("${" + std::string(reference) + "}"))
        .with_hint("write ${VAR}, ${VAR:-default} or ${VAR:?message}");

  const char* const value = std::getenv(name.c_str());
  // As in the shell: with ":" an empty variable counts as not set.
  if (value != nullptr && (*value != '\0' || rest.empty())) {
    if (find_bad_text(value))
      return Error(EINVAL, "the environment variable " + name + " is not UTF-8 text");
    return std::string(value);
  }
  if (has_default) return std::string(rest.substr(2));
  if (has_message)
    return Error(EINVAL,
                 "the environment variable " + name + " is needed: " + quoted(rest.substr(2)));
  return Error(EINVAL, "the environment variable " + name + " is not set")
      .with_hint("write ${" + name + ":-default} to give it a default");
}

}  // namespace

Result<std::string> substitute(std::string_view text) {
  std::string out;
  while (true) {
    const size_t start = text.find("${");
    out += text.substr(0, start);
    if (start == std::string_view::npos) return out;
    const size_t end = text.find('}', start);
    if (end == std::string_view::npos) return Error(EINVAL, "\"${\" without \"}\"");
    Result<std::string> value = resolve(text.substr(start + 2, end - start - 2));
    if (!value) return value.error();
    out += *value;
    if (out.size() > kMaxSubstituted) return Error(EINVAL, "too long after substitution");
    text.remove_prefix(end + 1);
  }
}

}  // namespace loom
