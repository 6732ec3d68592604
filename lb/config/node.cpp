// SPDX-License-Identifier: Apache-2.0
#include "lb/config/node.hpp"

namespace loom {

const ConfigNode* ConfigNode::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i].text == key) return &items[i];
  return nullptr;
}

}  // namespace loom
