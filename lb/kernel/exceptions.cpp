// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/exceptions.hpp"

#include <array>
#include <cstring>

#include "lb/kernel/codec.hpp"
#include "lb/kernel/ring_map.hpp"
#include "loom/hash.h"

namespace loom {
namespace {

uint32_t slot_of(const loom_flow& key, bool by_source, uint32_t ring_size) {
  std::array<__u64, sizeof(loom_flow) / sizeof(__u64)> words{};
  const size_t bytes = by_source ? sizeof(key.src) : sizeof(key);
  std::memcpy(words.data(), &key, bytes);
  const uint64_t hash = loom_hash_words(words.data(), static_cast<uint32_t>(bytes / sizeof(__u64)));
  return static_cast<uint32_t>(hash * ring_size >> 32);
}

}  // namespace

Result<Exceptions> Exceptions::read(const Datapath& datapath) {
  const auto services =
      datapath.map<uint32_t, loom_service>("loom_services").get_all(LOOM_MAX_SERVICES);
  if (!services) return services.error();
  const auto infos = datapath.map<uint32_t, loom_service_info>("loom_service_info");
  Exceptions out(datapath);
  for (uint32_t id = 1; id < services->size(); ++id) {
    const loom_service& service = (*services)[id];
    if (!(service.flags & LOOM_SERVICE_F_AT_RISK)) continue;
    const Result<std::optional<loom_service_info>> info = infos.get(id);
    if (!info) return info.error();
    if (*info)
      out.services_[id] = {name_of((*info)->name), service.affinity == LOOM_AFFINITY_SOURCE_IP, {}};
  }
  return out;
}

void Exceptions::see(const loom_flow& key, uint32_t backend, uint32_t service) {
  const auto found = services_.find(service);
  if (found == services_.end()) return;
  Service& of = found->second;
  const uint32_t size = datapath_->config().ring_size;
  if (!of.ring) {
    of.ring.emplace();
    const Result<UniqueFd> fd = open_pin(datapath_->pins().ring(datapath_->generation(), of.name));
    // A ring that is not there, or that changes meanwhile, is looked at by the next sweep.
    if (Result<std::vector<uint32_t>> slots = fd ? read_ring(fd->get(), size) : fd.error(); slots)
      of.ring = std::move(*slots);
  }
  const uint32_t slot = slot_of(key, of.by_source, size);
  if (slot < of.ring->size() && LOOM_SLOT_CURRENT((*of.ring)[slot]) != backend)
    slots_[of.name].insert(slot);
}

}  // namespace loom
