// SPDX-License-Identifier: Apache-2.0
// The flow tables, as tests see and change them, and the handles for those that do it themselves.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "support/bpf_map.hpp"
#include "support/bpf_program.hpp"
// After the types of its read-only data.
#include "loom_xdp.skel.h"

namespace loom::test {
namespace {

std::optional<loom_flow_entry> find_flow(const bpf_map* map, const loom_flow& key) {
  loom_flow_entry entry{};
  if (bpf_map_lookup_elem(bpf_map__fd(map), &key, &entry) != 0) return std::nullopt;
  return entry;
}

FlowTable flows_of(const bpf_map* map) {
  FlowTable out;
  for (const loom_flow& key : keys_of<loom_flow>(map))
    if (const std::optional<loom_flow_entry> entry = find_flow(map, key)) out[key] = *entry;
  return out;
}

}  // namespace

std::optional<loom_flow_entry> Datapath::flow(const loom_flow& key) {
  const std::optional<loom_flow_entry> entry = find_flow(program().maps.loom_flows, key);
  return entry ? entry : find_flow(program().maps.loom_probation, key);
}

FlowTable Datapath::confirmed_flows() {
  return flows_of(program().maps.loom_flows);
}

FlowTable Datapath::flows_on_probation() {
  return flows_of(program().maps.loom_probation);
}

FlowTable Datapath::flows() {
  FlowTable out = confirmed_flows();
  out.merge(flows_on_probation());
  return out;
}

void Datapath::put_confirmed_flow(const loom_flow& key, const loom_flow_entry& entry) {
  put(program().maps.loom_flows, key, entry);
}

void Datapath::put_flow_on_probation(const loom_flow& key, const loom_flow_entry& entry) {
  put(program().maps.loom_probation, key, entry);
}

void Datapath::put_flow(const loom_flow& key, const loom_flow_entry& entry) {
  if (!find_flow(program().maps.loom_flows, key) && find_flow(program().maps.loom_probation, key))
    put_flow_on_probation(key, entry);
  else
    put_confirmed_flow(key, entry);
}

void Datapath::delete_flow(const loom_flow& key) {
  const auto& maps = program().maps;
  const int confirmed = bpf_map_delete_elem(bpf_map__fd(maps.loom_flows), &key);
  const int on_probation = bpf_map_delete_elem(bpf_map__fd(maps.loom_probation), &key);
  EXPECT_TRUE(confirmed == 0 || on_probation == 0);
}

void Datapath::delete_confirmed_flow(const loom_flow& key) {
  EXPECT_EQ(bpf_map_delete_elem(bpf_map__fd(program().maps.loom_flows), &key), 0);
}

void Datapath::age_flow(const loom_flow& key, uint64_t jiffies) {
  std::optional<loom_flow_entry> entry = flow(key);
  ASSERT_TRUE(entry);
  entry->seen -= jiffies;
  put_flow(key, *entry);
}

loom_config Datapath::config() {
  loom_config out{};
  std::memcpy(&out, &program().rodata->loom_config, sizeof(out));
  return out;
}

int Datapath::map_fd(const char* name) {
  return bpf_object__find_map_fd_by_name(program().obj, name);
}

}  // namespace loom::test
