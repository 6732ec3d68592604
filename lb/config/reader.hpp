// SPDX-License-Identifier: Apache-2.0
// Reads typed values out of a checked document by path.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "lb/config/node.hpp"
#include "lb/config/report.hpp"
#include "lb/config/scalar.hpp"
#include "lb/net/endpoint.hpp"
#include "lb/net/prefix.hpp"

namespace loom {

/// A node with its path. Values are there only if the key is, and is valid.
class Reader {
 public:
  Reader(const ConfigNode* node, std::string path) : node_(node), path_(std::move(path)) {}

  /// "xdp.dsr.enabled", from here down.
  [[nodiscard]] Reader at(std::string_view path) const;
  [[nodiscard]] size_t size() const { return is_list() ? node_->items.size() : 0; }
  [[nodiscard]] Reader item(size_t i) const;  ///< Of a list; `i` below size().

  [[nodiscard]] bool has(std::string_view key) const {
    return node_ != nullptr && node_->find(key) != nullptr;
  }
  [[nodiscard]] bool exists() const { return node_ != nullptr; }
  [[nodiscard]] bool valid() const { return node_ == nullptr || node_->valid; }
  [[nodiscard]] bool is_map() const { return node_ != nullptr && node_->is_map(); }
  [[nodiscard]] bool is_list() const { return node_ != nullptr && node_->is_list(); }
  [[nodiscard]] Place place() const;

  [[nodiscard]] std::optional<std::string> text() const;
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<int64_t> integer() const;
  [[nodiscard]] std::optional<std::chrono::milliseconds> duration() const;
  [[nodiscard]] std::optional<IpAddr> address() const;
  [[nodiscard]] std::optional<Endpoint> listen() const;
  [[nodiscard]] std::optional<Prefix> prefix() const;
  [[nodiscard]] std::optional<PortSpan> ports() const;
  [[nodiscard]] std::optional<Mac> mac() const;
  /// integer() as a T that the field table's limits fit in.
  template <class T>
  [[nodiscard]] std::optional<T> number() const {
    const std::optional<int64_t> value = integer();
    return value ? std::optional<T>(static_cast<T>(*value)) : std::nullopt;
  }

 private:
  const ConfigNode* node_;
  std::string path_;
};

/// Keys that mean the same: the first that is there; an error if another one says otherwise.
[[nodiscard]] Reader agreed(const Reader& root, std::initializer_list<std::string_view> paths,
                            Report& report);

}  // namespace loom
