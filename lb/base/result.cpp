// SPDX-License-Identifier: Apache-2.0
#include "lb/base/result.hpp"

#include <cstring>

namespace loom {

std::string Error::message() const {
  if (code_ == 0) return what_;
  return what_ + ": " + std::strerror(code_);
}

Error Error::in(std::string_view context) && {
  what_ = std::string(context) + ": " + what_;
  return std::move(*this);
}

Error Error::with_hint(std::string hint) && {
  hint_ = std::move(hint);
  return std::move(*this);
}

}  // namespace loom
