// SPDX-License-Identifier: Apache-2.0
#include "lb/config/check.hpp"

#include <algorithm>

#include "lb/config/check_value.hpp"
#include "lb/config/encoding.hpp"
#include "lb/config/fields.hpp"
#include "lb/config/scalar.hpp"

namespace loom {
namespace {

/// `pattern` is the path as the field table spells it, `path` as the user does.
struct Spot {
  std::string pattern;
  std::string path;
  bool silent = false;  ///< A key above is not built and was warned of.
};

class Checker {
 public:
  explicit Checker(Report& report) : report_(report) {}

  void check_map(ConfigNode& node, const Spot& spot) {
    for (size_t i = 0; i < node.items.size() && !report_.full(); ++i) check_entry(node, i, spot);
    if (node.valid) require_keys(node, spot);
  }

 private:
  void check_entry(ConfigNode& map, size_t i, const Spot& spot) {
    const Key& key = map.keys[i];
    const std::string dot = spot.path.empty() ? "" : ".";
    const Spot below{spot.pattern + dot + key.text, spot.path + dot + key.text, spot.silent};
    const Place at{key.line, key.column, below.path};
    const Field* const field = find_field(below.pattern);
    if (field == nullptr) {
      report_.error({key.line, key.column, spot.path}, "unknown-key",
                    "unknown key " + quoted(key.text), suggest_key(key.text, spot));
      map.valid = false;
      return;
    }
    check_node(map.items[i], *field, {below, at});
    map.valid = map.valid && map.items[i].valid;
  }

  static std::string suggest_key(std::string_view key, const Spot& spot) {
    std::vector<std::string_view> known;
    for (const Field* field : children_of(spot.pattern)) known.push_back(key_of(*field));
    std::string close = did_you_mean(key, known);
    if (!close.empty()) return close;
    // A section on the wrong level is the mistake people make next often.
    for (const Field& field : fields())
      if (key_of(field) == key && field.path.find("[]") == std::string_view::npos)
        return "there is a key " + std::string(field.path);
    return "";
  }

  /// Where a node is: for the table, and for the reader. `at` is its key, or the item of a list.
  struct Where {
    Spot spot;
    Place at;
  };

  void check_node(ConfigNode& node, const Field& field, Where where) {
    if (!substitute_in(node, where.at)) return;
    const Place value{node.line, node.column, where.at.path};
    const bool was_silent = where.spot.silent;
    where.spot.silent = was_silent || field.status == FieldStatus::kNotBuilt;
    check_kind(node, field, where.spot, value);
    if (!was_silent && node.valid) warn_if_unbuilt(node, field, where.at);
  }

  void check_kind(ConfigNode& node, const Field& field, const Spot& spot, const Place& at) {
    switch (field.type) {
      case FieldType::kMap:
        if (!node.is_map()) return report_type(node, "a mapping", at, report_);
        return check_map(node, spot);
      case FieldType::kNamedMap:
        if (!node.is_map()) return report_type(node, "a mapping", at, report_);
        return check_named_map(node, spot);
      case FieldType::kList:
        if (!node.is_list()) return report_type(node, "a list", at, report_);
        return check_list(node, spot);
      case FieldType::kCpus:
        if (!node.is_list()) break;
        return check_cpu_list(node, spot);
      case FieldType::kPortEntry:
        if (!node.is_map()) break;
        return check_map(node, spot);
      default:
        break;
    }
    check_value(node, field, at, report_);
  }

  void check_named_map(ConfigNode& node, const Spot& spot) {
    const Field& field = *find_field(spot.pattern + ".*");
    for (size_t i = 0; i < node.items.size() && !report_.full(); ++i) {
      const Key& key = node.keys[i];
      const std::string path = spot.path + "." + key.text;
      const Place at{key.line, key.column, path};
      if (const Result<void> named = check_name(key.text); !named) {
        report_.error({key.line, key.column, spot.path}, "bad-value",
                      quoted(key.text) + ": " + named.error().what());
        node.valid = false;
        continue;
      }
      check_node(node.items[i], field, {{spot.pattern + ".*", path, spot.silent}, at});
      node.valid = node.valid && node.items[i].valid;
    }
  }

  void check_list(ConfigNode& node, const Spot& spot) {
    const Field& field = *find_field(spot.pattern + "[]");
    for (size_t i = 0; i < node.items.size() && !report_.full(); ++i) {
      ConfigNode& item = node.items[i];
      const std::string path = spot.path + "[" + std::to_string(i) + "]";
      check_node(item, field,
                 {{spot.pattern + "[]", path, spot.silent}, {item.line, item.column, path}});
      node.valid = node.valid && item.valid;
    }
  }

  void check_cpu_list(ConfigNode& node, const Spot& spot) {
    const Field cpu{.path = spot.pattern, .type = FieldType::kInteger, .limits = "0..8191"};
    for (size_t i = 0; i < node.items.size() && !report_.full(); ++i) {
      ConfigNode& item = node.items[i];
      const Place at{item.line, item.column, spot.path + "[" + std::to_string(i) + "]"};
      if (substitute_in(item, at)) check_value(item, cpu, at, report_);
      node.valid = node.valid && item.valid;
    }
  }

  bool substitute_in(ConfigNode& node, const Place& at) {
    if (!node.is_scalar()) return true;
    const Place value{node.line, node.column, at.path};
    Result<std::string> text = substitute(node.text);
    if (!text) {
      report_.error(value, "variable", text.error().what(), text.error().hint());
      node.valid = false;
      return false;
    }
    node.text = *std::move(text);
    // Escapes in double quotes can make what the file itself must not contain.
    if (find_bad_text(node.text) || node.text.find_first_of("\t\r\n") != std::string::npos) {
      report_.error(value, "bad-value", "a value must be one line without control characters");
      node.valid = false;
    }
    return node.valid;
  }

  void require_keys(ConfigNode& node, const Spot& spot) {
    for (const Field* field : children_of(spot.pattern)) {
      if (field->fallback != "required" || node.find(key_of(*field)) != nullptr) continue;
      report_.error({node.line, node.column, spot.path}, "missing-key",
                    "the key " + quoted(key_of(*field)) + " is missing");
      node.valid = false;
    }
  }

  void warn_if_unbuilt(const ConfigNode& node, const Field& field, const Place& at) {
    if (is_unbuilt_choice(node, field)) {
      report_.warning({node.line, node.column, at.path}, "not-built",
                      quoted(node.written) + " is not built yet: " + std::string(field.instead));
    } else if (field.status == FieldStatus::kNotBuilt && !says_nothing_new(node, field)) {
      report_.warning(
          at, "not-built",
          std::string(key_of(field)) + " is not built yet: " + std::string(field.instead));
    }
  }

  /// The value is what happens anyway: warning of it would train people to ignore warnings.
  static bool says_nothing_new(const ConfigNode& node, const Field& field) {
    if (node.is_list()) return node.items.empty();
    if (node.is_scalar()) return !field.fallback.empty() && node.text == field.fallback;
    const ConfigNode* const enabled = node.find("enabled");
    return enabled != nullptr && enabled->text == "false";
  }

  Report& report_;
};

}  // namespace

void check(ConfigNode& root, Report& report) {
  if (root.kind == ConfigNode::Kind::kNull) return;
  if (!root.is_map()) {
    report_type(root, "a mapping", {root.line, root.column, {}}, report);
    return;
  }
  Checker(report).check_map(root, {});
}

}  // namespace loom
