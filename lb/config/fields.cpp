// SPDX-License-Identifier: Apache-2.0
#include "lb/config/fields.hpp"

#include <algorithm>
#include <map>

#include "lb/config/field_tables.hpp"

namespace loom {
namespace {

std::vector<Field> join() {
  std::vector<Field> all;
  for (const std::span<const Field> part : {fields_page(), fields_services(), fields_daemon()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// "ebpf.backends[]" -> "ebpf.backends"; "admin" -> "".
std::string_view parent_of(std::string_view path) {
  if (path.ends_with("[]")) return path.substr(0, path.size() - 2);
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? "" : path.substr(0, dot);
}

struct Index {
  std::map<std::string_view, const Field*> by_path;
  std::map<std::string_view, std::vector<const Field*>> by_parent;
};

const Index& index() {
  static const Index built = [] {
    Index out;
    for (const Field& field : fields()) {
      out.by_path.emplace(field.path, &field);
      out.by_parent[parent_of(field.path)].push_back(&field);
    }
    return out;
  }();
  return built;
}

}  // namespace

std::span<const Field> fields() {
  static const std::vector<Field> all = join();
  return all;
}

const Field* find_field(std::string_view path) {
  const auto found = index().by_path.find(path);
  return found == index().by_path.end() ? nullptr : found->second;
}

std::vector<const Field*> children_of(std::string_view path) {
  const auto found = index().by_parent.find(path);
  return found == index().by_parent.end() ? std::vector<const Field*>{} : found->second;
}

std::string_view key_of(const Field& field) {
  return field.path.substr(field.path.rfind('.') + 1);
}

std::vector<Choice> choices_of(const Field& field) {
  std::vector<Choice> out;
  std::string_view rest = field.limits;
  while (!rest.empty()) {
    std::string_view word = rest.substr(0, rest.find('|'));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    Choice::Kind kind = Choice::Kind::kBuilt;
    if (word.starts_with('(')) {
      word = word.substr(1, word.size() - 2);
      kind = Choice::Kind::kNotBuilt;
    } else if (word.starts_with('!')) {
      word.remove_prefix(1);
      kind = Choice::Kind::kRefused;
    }
    out.push_back({word, kind});
  }
  return out;
}

std::pair<std::string_view, std::string_view> bounds_of(const Field& field) {
  const size_t dots = field.limits.find("..");
  if (dots == std::string_view::npos) return {};
  return {field.limits.substr(0, dots), field.limits.substr(dots + 2)};
}

}  // namespace loom
