// SPDX-License-Identifier: Apache-2.0
// A YAML document as a tree that remembers where everything was written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loom {

/// A spot in the file and what it configures; what a diagnostic points at.
struct Place {
  int line = 0;    ///< From 1; 0: the whole file.
  int column = 0;  ///< From 1, in bytes.
  std::string path;
};

struct Key {
  std::string text;
  int line = 0;
  int column = 0;
};

struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  int line = 0;
  int column = 0;
  /// Scalars: the value after substitution, and as written. Only the latter may be shown to
  /// anybody, because what came from the environment may be a secret.
  std::string text;
  std::string written;
  bool quoted = false;    ///< Quoted or block scalar: text, never a number or a boolean.
  bool valid = true;      ///< False once an error was reported for this node or one below it.
  std::vector<Key> keys;  ///< Of `items`, for a map.
  std::vector<ConfigNode> items;

  [[nodiscard]] bool is_scalar() const { return kind == Kind::kScalar; }
  [[nodiscard]] bool is_list() const { return kind == Kind::kList; }
  [[nodiscard]] bool is_map() const { return kind == Kind::kMap; }
  /// The value of a key of a map; nullptr if this is no map or has no such key.
  [[nodiscard]] const ConfigNode* find(std::string_view key) const;
};

}  // namespace loom
