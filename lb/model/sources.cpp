// SPDX-License-Identifier: Apache-2.0
// assign_sources(): where in the table of outer source addresses each pool stands.
#include <algorithm>
#include <cerrno>
#include <optional>

#include "lb/model/desired.hpp"

namespace loom {
namespace {

using Pool = std::vector<IpAddr>;
using Table = std::map<uint16_t, IpAddr>;

/// The table holds `pool` from `first` on.
bool holds(const Table& table, const SourceBlock& block, const Pool& pool) {
  if (block.count != pool.size()) return false;
  for (uint16_t i = 0; i < block.count; ++i) {
    const auto entry = table.find(static_cast<uint16_t>(block.first + i));
    if (entry == table.end() || entry->second != pool[i]) return false;
  }
  return true;
}

/// The first run of entries that are in none of the tables.
std::optional<SourceBlock> gap(size_t count, const Table& first, const Table& second) {
  size_t run = 0;
  for (size_t index = 0; index < kMaxSources; ++index) {
    const auto key = static_cast<uint16_t>(index);
    run = first.contains(key) || second.contains(key) ? 0 : run + 1;
    if (run == count)
      return SourceBlock{static_cast<uint16_t>(index + 1 - count), static_cast<uint16_t>(count)};
  }
  return std::nullopt;
}

void put(Table& table, const SourceBlock& block, const Pool& pool) {
  for (uint16_t i = 0; i < block.count; ++i)
    table[static_cast<uint16_t>(block.first + i)] = pool[i];
}

/// The block that backends of a service have now and that holds `pool`.
std::optional<SourceBlock> known_block(const State& have, const std::string& service,
                                       const Pool& pool) {
  const auto known = have.services.find(service);
  if (known == have.services.end()) return std::nullopt;
  for (const auto& [endpoint, backend] : known->second.backends)
    if (holds(have.sources, backend.sources, pool)) return backend.sources;
  return std::nullopt;
}

}  // namespace

Result<void> assign_sources(Desired& want, const State& have) {
  Table& table = want.state.sources;
  std::map<std::pair<std::string, Family>, SourceBlock> blocks;
  for (const auto& [key, pool] : want.source_pools)
    if (const auto known = known_block(have, key.first, pool)) {
      blocks[key] = *known;
      put(table, *known, pool);
    }
  for (const auto& [key, pool] : want.source_pools) {
    if (blocks.contains(key)) continue;
    std::optional<SourceBlock> block = gap(pool.size(), table, have.sources);
    // Rather a moment with another service's addresses than no change at all.
    if (!block) block = gap(pool.size(), table, {});
    if (!block) return Error(ENOSPC, "no room for the source addresses of " + key.first);
    blocks[key] = *block;
    put(table, *block, pool);
  }
  for (auto& [name, service] : want.state.services)
    for (auto& [endpoint, backend] : service.backends) {
      const auto block = blocks.find({name, endpoint.address.family()});
      if (block != blocks.end()) backend.sources = block->second;
    }
  return {};
}

}  // namespace loom
