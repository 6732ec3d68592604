// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, or the Error that kept us from having it.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace loom {

/// Why something failed: an errno value, and what was being attempted, outermost first.
/// The errno decides the HTTP status and the exit code: EINVAL bad input, ENOENT not found,
/// EEXIST conflict, EACCES/EPERM permission, EBUSY held by somebody else, others internal.
class Error {
 public:
  Error(int code, std::string what) : code_(code), what_(std::move(what)) {}

  [[nodiscard]] int code() const { return code_; }
  /// The text without the errno's own words: for messages that are complete sentences.
  [[nodiscard]] const std::string& what() const { return what_; }
  /// "apply service web: write ring: No space left on device".
  [[nodiscard]] std::string message() const;

  /// The same error as its caller sees it.
  [[nodiscard]] Error in(std::string_view context) &&;

  /// What the user can do about it; empty if there is nothing to suggest.
  [[nodiscard]] const std::string& hint() const { return hint_; }
  [[nodiscard]] Error with_hint(std::string hint) &&;

 private:
  int code_;
  std::string what_;
  std::string hint_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() {
    assert(*this);
    return *std::get_if<0>(&state_);
  }
  const T& operator*() const {
    assert(*this);
    return *std::get_if<0>(&state_);
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }
  Error&& error() {
    assert(!*this);
    return std::move(*std::get_if<1>(&state_));
  }
  [[nodiscard]] const Error& error() const {
    assert(!*this);
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return error_.index() == 0; }
  Error&& error() {
    assert(!*this);
    return std::move(*std::get_if<1>(&error_));
  }
  [[nodiscard]] const Error& error() const {
    assert(!*this);
    return *std::get_if<1>(&error_);
  }

 private:
  std::variant<std::monostate, Error> error_;
};

}  // namespace loom
