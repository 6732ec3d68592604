// SPDX-License-Identifier: Apache-2.0
#include "lb/config/reader.hpp"

#include "lb/config/scalar.hpp"

namespace loom {
namespace {

template <class T>
std::optional<T> value_of(const Result<T>& result) {
  return result ? std::optional<T>(*result) : std::nullopt;
}

bool same(const Reader& a, const Reader& b) {
  if (a.duration() && b.duration()) return a.duration() == b.duration();
  return a.text() == b.text();
}

}  // namespace

Reader Reader::at(std::string_view path) const {
  const ConfigNode* node = node_;
  std::string full = path_;
  while (!path.empty()) {
    const std::string_view key = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), key.size() + 1));
    full += (full.empty() ? "" : ".") + std::string(key);
    node = node == nullptr ? nullptr : node->find(key);
  }
  return {node, full};
}

Reader Reader::item(size_t i) const {
  return {&node_->items[i], path_ + "[" + std::to_string(i) + "]"};
}

Place Reader::place() const {
  return node_ == nullptr ? Place{.path = path_} : Place{node_->line, node_->column, path_};
}

std::optional<std::string> Reader::text() const {
  if (node_ == nullptr || !node_->valid || !node_->is_scalar()) return std::nullopt;
  return node_->text;
}

std::optional<bool> Reader::boolean() const {
  const auto value = text();
  return value ? value_of(parse_boolean(*value)) : std::nullopt;
}

std::optional<int64_t> Reader::integer() const {
  const auto value = text();
  return value ? value_of(parse_integer(*value)) : std::nullopt;
}

std::optional<std::chrono::milliseconds> Reader::duration() const {
  const auto value = text();
  return value ? value_of(parse_duration(*value)) : std::nullopt;
}

std::optional<IpAddr> Reader::address() const {
  const auto value = text();
  return value ? value_of(IpAddr::parse(*value)) : std::nullopt;
}

std::optional<Endpoint> Reader::listen() const {
  const auto value = text();
  return value ? value_of(parse_listen(*value)) : std::nullopt;
}

std::optional<Prefix> Reader::prefix() const {
  const auto value = text();
  return value ? value_of(Prefix::parse(*value)) : std::nullopt;
}

std::optional<PortSpan> Reader::ports() const {
  const auto value = text();
  return value ? value_of(parse_ports(*value)) : std::nullopt;
}

std::optional<Mac> Reader::mac() const {
  const auto value = text();
  return value ? value_of(parse_mac(*value)) : std::nullopt;
}

Reader agreed(const Reader& root, std::initializer_list<std::string_view> paths, Report& report) {
  Reader first = root.at(*paths.begin());
  for (const std::string_view path : paths) {
    const Reader other = root.at(path);
    if (!other.text()) continue;
    if (!first.text()) {
      first = other;
      continue;
    }
    if (same(first, other)) continue;
    const bool in_order = first.place().line <= other.place().line;
    const Place earlier = in_order ? first.place() : other.place();
    const Place later = in_order ? other.place() : first.place();
    report.error(later, "conflict",
                 "differs from " + earlier.path + " in line " + std::to_string(earlier.line) +
                     ", which means the same",
                 "remove one of the two");
  }
  return first;
}

}  // namespace loom
