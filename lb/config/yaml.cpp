// SPDX-License-Identifier: Apache-2.0
// The only user of yaml-cpp. Its events, not its tree, are used: they say whether a scalar was
// quoted, and do not silently drop duplicate keys and further documents.
#include "lb/config/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <set>
#include <sstream>

#include "lb/config/encoding.hpp"

namespace loom {
namespace {

constexpr size_t kMaxDepth = 32;
/// What anchors and aliases may copy: enough for shared blocks, not for a bomb.
constexpr size_t kMaxCopiedBytes = 4U << 20;

/// Leaves yaml-cpp's parser when reading on makes no sense; the reason is in the report.
struct Stop {};

Place place(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1, {}};
}

size_t memory_of(const ConfigNode& node) {
  size_t bytes = sizeof(ConfigNode) + 2 * node.text.size();
  for (const Key& key : node.keys) bytes += sizeof(Key) + key.text.size();
  for (const ConfigNode& item : node.items) bytes += memory_of(item);
  return bytes;
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Report& report) : report_(report) {}

  [[nodiscard]] bool has_document() const { return documents_ > 0; }
  ConfigNode take() && { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    report_.error(place(mark), "multi-document", "a second document begins here",
                  "Loom reads one document per file; remove everything from \"---\" on");
    throw Stop();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(ConfigNode::Kind::kNull, mark), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) {
      report_.error(place(mark), "alias-cycle", "this alias stands inside what it refers to");
      throw Stop();
    }
    charge_copy(known->second, place(mark));
    add(known->second, YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_tag(mark, tag);
    ConfigNode node = make(ConfigNode::Kind::kScalar, mark);
    node.text = value;
    node.written = value;
    node.quoted = tag == "!";
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    refuse_tag(mark, tag);
    open(make(ConfigNode::Kind::kList, mark), anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    refuse_tag(mark, tag);
    open(make(ConfigNode::Kind::kMap, mark), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  /// A list or map whose end has not been seen.
  struct Open {
    ConfigNode node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    bool key_pending = false;    ///< keys.back() waits for its value.
    bool drop_value = false;     ///< The value belongs to a key that was refused.
    std::set<std::string> seen;  ///< Keys so far.
  };

  static ConfigNode make(ConfigNode::Kind kind, const YAML::Mark& mark) {
    ConfigNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    report_.error(place(mark), "tag", "YAML tags are not supported: " + quoted(tag));
  }

  void charge_copy(const ConfigNode& node, const Place& at) {
    copied_bytes_ += memory_of(node);
    if (copied_bytes_ <= kMaxCopiedBytes) return;
    report_.error(at, "alias-limit", "anchors and aliases repeat more than 4 MiB");
    throw Stop();
  }

  void open(ConfigNode node, YAML::anchor_t anchor) {
    if (stack_.size() >= kMaxDepth) {
      report_.error({node.line, node.column, path()}, "too-deep",
                    "nested deeper than " + std::to_string(kMaxDepth) + " levels");
      throw Stop();
    }
    stack_.push_back({.node = std::move(node), .anchor = anchor});
  }

  void close() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(ConfigNode node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      charge_copy(node, {node.line, node.column, {}});
      anchors_.insert_or_assign(anchor, node);
    }
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.is_list())
      parent.node.items.push_back(std::move(node));
    else if (!parent.key_pending)
      add_key(parent, node);
    else
      add_value(parent, std::move(node));
  }

  void add_key(Open& map, const ConfigNode& node) {
    const Place at{node.line, node.column, path()};
    map.key_pending = true;
    map.drop_value = true;
    if (!node.is_scalar()) {
      report_.error(at, "bad-key", "a key must be a word");
    } else if (node.text == "<<" && !node.quoted) {
      report_.error(at, "merge-key", "merge keys (<<) are not supported",
                    "write the keys out, or use an alias for a whole value");
    } else if (!map.seen.insert(node.text).second) {
      report_.error(at, "duplicate-key",
                    "the key " + quoted(node.text) + " is already set in line " +
                        std::to_string(line_of(map.node, node.text)));
    } else {
      map.drop_value = false;
      map.node.keys.push_back({node.text, node.line, node.column});
    }
    if (map.drop_value) map.node.valid = false;
    if (report_.full()) throw Stop();
  }

  /// Of the innermost list or map that is open.
  [[nodiscard]] std::string path() const {
    std::string out;
    for (size_t i = 0; i + 1 < stack_.size(); ++i) {
      const ConfigNode& node = stack_[i].node;
      if (node.is_list())
        out += "[" + std::to_string(node.items.size()) + "]";
      else if (!node.keys.empty())
        out += (out.empty() ? "" : ".") + node.keys.back().text;
    }
    return out;
  }

  static int line_of(const ConfigNode& map, const std::string& key) {
    for (const Key& known : map.keys)
      if (known.text == key) return known.line;
    return 0;
  }

  static void add_value(Open& map, ConfigNode node) {
    map.key_pending = false;
    if (map.drop_value) return;
    // yaml-cpp says a value that is not there stands where the next token does.
    if (node.kind == ConfigNode::Kind::kNull) {
      node.line = map.node.keys.back().line;
      node.column = map.node.keys.back().column;
    }
    map.node.items.push_back(std::move(node));
  }

  Report& report_;
  std::vector<Open> stack_;
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  size_t copied_bytes_ = 0;
  int documents_ = 0;
  ConfigNode root_;
};

/// yaml-cpp's words for a tab in the indentation do not mention it.
std::string_view suggest_for_syntax(std::string_view text, int line) {
  for (int i = 0; i < line; ++i) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return "";
    text.remove_prefix(end + 1);
  }
  const std::string_view blanks = text.substr(0, text.find_first_not_of(" \t"));
  return blanks.find('\t') == std::string_view::npos ? "" : "indent with blanks, not with tabs";
}

/// Whether the document could be read to its end.
bool read_document(std::string_view text, TreeBuilder& builder, Report& report) {
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    // The second call finds what follows the first document: nothing, if all is well.
    if (parser.HandleNextDocument(builder)) (void)parser.HandleNextDocument(builder);
    return true;
  } catch (const Stop&) {
  } catch (const YAML::Exception& e) {
    const bool placed = !e.mark.is_null();
    report.error(placed ? place(e.mark) : Place{}, "syntax", "not valid YAML: " + e.msg,
                 std::string(placed ? suggest_for_syntax(text, e.mark.line) : ""));
  } catch (const std::exception&) {
    report.error({}, "syntax", "not valid YAML");
  }
  return false;
}

}  // namespace

std::optional<ConfigNode> parse_yaml(std::string_view text, Report& report) {
  if (text.size() > kMaxConfigBytes) {
    report.error({}, "too-large", "larger than 1 MiB");
    return std::nullopt;
  }
  if (const std::optional<Place> bad = find_bad_text(text)) {
    report.error(*bad, "encoding", "not UTF-8 text, or a control character");
    return std::nullopt;
  }
  TreeBuilder builder(report);
  if (!read_document(text, builder, report)) return std::nullopt;
  return builder.has_document() ? std::move(builder).take() : ConfigNode{};
}

}  // namespace loom
