// SPDX-License-Identifier: Apache-2.0
#include "support/bpf_program.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "loom_tc.skel.h"
#include "loom_xdp.skel.h"
#include "support/bpf_map.hpp"

namespace loom::test {
namespace {

struct Destroy {
  void operator()(loom_xdp* skeleton) const { loom_xdp::destroy(skeleton); }
};
using Skeleton = std::unique_ptr<loom_xdp, Destroy>;

struct DestroyTc {
  void operator()(loom_tc* skeleton) const { loom_tc::destroy(skeleton); }
};
using TcSkeleton = std::unique_ptr<loom_tc, DestroyTc>;

[[noreturn]] void skip(const std::string& reason) {
  std::printf("SKIP: %s\n", reason.c_str());
  std::exit(77);
}

void enter_own_network() {
  if (unshare(CLONE_NEWNET) != 0) skip(std::string("network namespace: ") + std::strerror(errno));
  if (std::system("ip link set lo up && ip link add egress0 type veth peer name egress1 && "
                  "ip link set egress0 up && ip link set egress1 up") != 0)
    skip("cannot make a veth pair");
}

UniqueFd make_ring() {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
  return UniqueFd(bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", sizeof(uint32_t), sizeof(loom_slot),
                                 kRingSize, &options));
}

/// By program; only the statistics: struct bpf_prog_info has them since 5.16, the log always.
std::map<std::string, std::array<char, 65536>> verifier_logs;
constexpr uint32_t kLogStatistics = 4;

void log_statistics(bpf_program* program) {
  auto& log = verifier_logs[bpf_program__name(program)];
  bpf_program__set_log_level(program, kLogStatistics);
  bpf_program__set_log_buf(program, log.data(), log.size());
}

[[noreturn]] void fail_to_load(const char* name) {
  std::printf("%s does not load: %s\n", name, std::strerror(errno));
  for (const auto& [program, log] : verifier_logs)
    std::printf("%s: %s\n", program.c_str(), log.data());
  std::exit(1);
}

LoadOptions load_options;

Skeleton open_and_load(uint32_t frags_flag) {
  Skeleton skeleton(loom_xdp::open());
  if (!skeleton) return nullptr;
  skeleton->rodata->loom_config.ring_size = kRingSize;
  skeleton->rodata->loom_config.features =
      load_options.features | (frags_flag ? LOOM_FEATURE_FRAGS : 0);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    bpf_program__set_flags(program, frags_flag);
    log_statistics(program);
  }
  // libbpf 1.1 cannot resize an inner map, only take the shape of another.
  const UniqueFd shape = make_ring();
  bpf_map__set_inner_map_fd(skeleton->maps.loom_rings, shape.get());
  bpf_map__set_max_entries(skeleton->maps.loom_backends, kMaxBackends);
  bpf_map__set_max_entries(skeleton->maps.loom_backend_counters, kMaxBackends);
  bpf_map__set_max_entries(skeleton->maps.loom_backend_info, kMaxBackends);
  for (bpf_map* table :
       {skeleton->maps.loom_flows, skeleton->maps.loom_probation, skeleton->maps.loom_fragments}) {
    const uint32_t limit = load_options.flows_without_eviction;
    bpf_map__set_max_entries(table, limit ? limit : kMaxFlows);
    if (limit) bpf_map__set_type(table, BPF_MAP_TYPE_HASH);
  }
  return loom_xdp::load(skeleton.get()) == 0 ? std::move(skeleton) : nullptr;
}

/// loom_tc over the maps and with the configuration of loom_xdp.
TcSkeleton load_tc(const loom_xdp& xdp) {
  TcSkeleton skeleton(loom_tc::open());
  if (!skeleton) return nullptr;
  std::memcpy(&const_cast<loom_config&>(skeleton->rodata->loom_config), &xdp.rodata->loom_config,
              sizeof(loom_config));
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) log_statistics(program);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    if (bpf_map__is_internal(map) || bpf_map__type(map) == BPF_MAP_TYPE_PROG_ARRAY) continue;
    const bpf_map* shared = bpf_object__find_map_by_name(xdp.obj, bpf_map__name(map));
    if (shared && bpf_map__reuse_fd(map, bpf_map__fd(shared)) != 0) return nullptr;
  }
  return loom_tc::load(skeleton.get()) == 0 ? std::move(skeleton) : nullptr;
}

Skeleton load_or_skip() {
  enter_own_network();
  // What the first attempt prints where the kernel does not know frags (before 5.18) is no news.
  const libbpf_print_fn_t print = libbpf_set_print(nullptr);
  Skeleton skeleton = open_and_load(BPF_F_XDP_HAS_FRAGS);
  libbpf_set_print(print);
  if (!skeleton) skeleton = open_and_load(0);
  if (!skeleton && errno == EPERM) skip("loading BPF programs needs CAP_BPF and CAP_NET_ADMIN");
  if (!skeleton) fail_to_load("loom_xdp");
  return skeleton;
}

void put_bucket(const bpf_map* map, const loom_bucket& bucket) {
  const uint32_t zero = 0;
  const std::vector<loom_bucket> cpus(static_cast<size_t>(libbpf_num_possible_cpus()), bucket);
  ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(map), &zero, cpus.data(), BPF_ANY), 0);
}

template <class Key>
void clear_hash(const bpf_map* map) {
  for (const Key& key : keys_of<Key>(map)) bpf_map_delete_elem(bpf_map__fd(map), &key);
}

/// Indices from `first` on.
template <class Value>
void clear_array(const bpf_map* map, uint32_t first, uint32_t last) {
  for (uint32_t i = first; i <= last; ++i) put(map, i, Value{});
}

/// Sum over the CPUs; the entry is zero afterwards.
template <class Value, class Add>
Value take_counter(const bpf_map* map, uint32_t index, Add add) {
  std::vector<Value> cpus(static_cast<size_t>(libbpf_num_possible_cpus()));
  EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(map), &index, cpus.data()), 0);
  Value sum{};
  for (Value& value : cpus) {
    add(sum, value);
    value = {};
  }
  EXPECT_EQ(bpf_map_update_elem(bpf_map__fd(map), &index, cpus.data(), BPF_ANY), 0);
  return sum;
}

/// Deleting all 4096 would take seconds: the kernel waits for running programs after each.
std::set<uint32_t> services_with_ring;

loom_counter take_counter(const bpf_map* map, uint32_t index) {
  return take_counter<loom_counter>(map, index, [](loom_counter& sum, const loom_counter& one) {
    sum.packets += one.packets;
    sum.rx_bytes += one.rx_bytes;
    sum.tx_bytes += one.tx_bytes;
    sum.flows += one.flows;
  });
}

}  // namespace

uint64_t Counted::packets() const {
  uint64_t sum = 0;
  for (const auto& [verdict, counter] : verdicts) sum += counter.packets;
  for (const auto& [id, counter] : backends) sum += counter.packets;
  return sum;
}

loom_xdp& Datapath::program() {
  static const Skeleton skeleton = load_or_skip();
  return *skeleton;
}

bool Datapath::is_tc() {
  const char* program = std::getenv("LOOM_TEST_PROGRAM");
  return program && std::strcmp(program, "tc") == 0;
}

loom_tc& Datapath::tc_program() {
  static const TcSkeleton skeleton = load_tc(program());
  if (!skeleton) fail_to_load("loom_tc");
  return *skeleton;
}

int Datapath::program_fd() {
  return bpf_program__fd(is_tc() ? tc_program().progs.loom_tc : program().progs.loom_xdp);
}

void Datapath::SetUpTestSuite() {
  program();
}

void Datapath::load_with(const LoadOptions& options) {
  load_options = options;
  program();
}

void Datapath::SetUp() {
  const auto& maps = program().maps;
  clear_hash<loom_addr>(maps.loom_vips);
  clear_hash<loom_listener_key>(maps.loom_listeners);
  clear_hash<loom_flow>(maps.loom_flows);
  clear_hash<loom_flow>(maps.loom_probation);
  clear_hash<loom_fragment_key>(maps.loom_fragments);
  clear_hash<loom_range_key>(maps.loom_port_ranges);
  for (const uint32_t service : services_with_ring)
    bpf_map_delete_elem(bpf_map__fd(maps.loom_rings), &service);
  services_with_ring.clear();
  clear_array<loom_backend>(maps.loom_backends, 1, kMaxBackends - 1);
  clear_array<loom_service>(maps.loom_services, 1, 8);
  clear_array<loom_interface>(maps.loom_interfaces, 0, 15);
  // Per CPU the kernel copies 8 bytes for a value of 4.
  take_counter<uint64_t>(maps.loom_rotors, kService, [](uint64_t&, uint64_t) {});
  put_settings(0);
  put_answers_left(1000);
  put_interface(kIngress, kOurMac);
  put_interface(egress(), kEgressMac);
  put(maps.loom_egress, egress(), egress());
  counted();
}

void Datapath::put_interface(uint32_t ifindex, const MacBytes& mac,
                             const std::vector<MacBytes>& extra, uint8_t flags) {
  loom_interface value{};
  value.ifindex = ifindex;
  value.flags = flags;
  std::memcpy(value.mac, mac.data(), mac.size());
  for (const MacBytes& one : extra)
    std::memcpy(value.extra[value.extra_count++], one.data(), one.size());
  put(program().maps.loom_interfaces, ifindex % LOOM_INTERFACE_SLOTS, value);
}

void Datapath::remove_interface(uint32_t ifindex) {
  put(program().maps.loom_interfaces, ifindex % LOOM_INTERFACE_SLOTS, loom_interface{});
}

void Datapath::put_vip(const std::string& address, uint32_t flags) {
  put(program().maps.loom_vips, addr(address), loom_vip{flags, 0});
}

void Datapath::put_listener(const std::string& vip, uint16_t port, uint8_t proto,
                            loom_listener value) {
  put(program().maps.loom_listeners, loom_listener_key{addr(vip), htons(port), proto, 0}, value);
}

void Datapath::put_service(uint32_t id, loom_forwarding forwarding) {
  loom_service service{};
  service.forwarding = static_cast<uint8_t>(forwarding);
  put_service(id, service);
}

void Datapath::put_service(uint32_t id, const loom_service& service) {
  put(program().maps.loom_services, id, service);
}

void Datapath::put_backend(uint32_t id, const loom_backend& backend) {
  put(program().maps.loom_backends, id, backend);
}

void Datapath::put_ring(uint32_t service, loom_slot slot) {
  put_ring(service, std::vector<loom_slot>(kRingSize, slot));
}

void Datapath::put_ring(uint32_t service, const std::vector<loom_slot>& slots) {
  const UniqueFd ring = make_ring();
  ASSERT_TRUE(ring) << std::strerror(errno);
  for (uint32_t i = 0; i < slots.size(); ++i)
    ASSERT_EQ(bpf_map_update_elem(ring.get(), &i, &slots[i], BPF_ANY), 0);
  put(program().maps.loom_rings, service, ring.get());
  services_with_ring.insert(service);
}

void Datapath::put_settings(uint32_t flags) {
  put(program().maps.loom_settings, uint32_t{0}, loom_settings{flags, 0});
}

void Datapath::clear_egress() {
  clear_hash<uint32_t>(program().maps.loom_egress);
}

void Datapath::put_answers_left(uint32_t answers) {
  const uint64_t never = clock().jiffies + (uint64_t{1} << 32);
  const uint64_t tokens = uint64_t{answers} * program().rodata->loom_config.hz;
  put_bucket(program().maps.loom_buckets, {never, tokens});
}

void Datapath::refill_answers() {
  put_bucket(program().maps.loom_buckets, {0, 0});
}

uint64_t Datapath::answer_rate() {
  return program().rodata->loom_config.answer_rate;
}

void Datapath::serve(const std::string& vip, uint16_t port, uint8_t proto,
                     const loom_backend& backend) {
  put_backend(1, backend);
  put_ring(kService, 1);
  put_service(kService, static_cast<loom_forwarding>(backend.forwarding));
  put_listener(vip, port, proto);
  put_vip(vip);
}

Counted Datapath::counted() {
  Counted out;
  for (uint32_t i = 0; i < LOOM_VERDICT_MAX; ++i)
    if (const loom_counter counter = take_counter(program().maps.loom_verdicts, i); counter.packets)
      out.verdicts[static_cast<loom_verdict>(i)] = counter;
  for (uint32_t i = 0; i < kMaxBackends; ++i)
    if (const loom_counter counter = take_counter(program().maps.loom_backend_counters, i);
        counter.packets)
      out.backends[i] = counter;
  for (uint32_t i = 0; i < LOOM_ERROR_MAX; ++i) {
    const auto count = take_counter<uint64_t>(program().maps.loom_errors, i,
                                              [](uint64_t& sum, uint64_t one) { sum += one; });
    if (count) out.errors[static_cast<loom_error>(i)] = count;
  }
  return out;
}

uint64_t Datapath::timeout(loom_state state) {
  return program().rodata->loom_config.timeout[state];
}

uint32_t Datapath::egress() {
  program();  // The device is in the namespace that loading entered.
  return if_nametoindex("egress0");
}

loom_clock Datapath::clock() {
  const Bytes frame(64);
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
              .data_size_in = static_cast<uint32_t>(frame.size()));
  EXPECT_EQ(bpf_prog_test_run_opts(bpf_program__fd(program().progs.loom_clock), &options), 0);
  EXPECT_EQ(options.retval, uint32_t{XDP_PASS});
  const uint32_t zero = 0;
  loom_clock out{};
  const int fd = bpf_map__fd(program().maps.loom_clock_value);
  EXPECT_EQ(bpf_map_lookup_elem(fd, &zero, &out), 0);
  return out;
}

std::map<std::string, uint32_t> Datapath::verified_instructions() {
  program_fd();
  std::map<std::string, uint32_t> counts;
  for (const auto& [name, log] : verifier_logs) {
    if (is_tc() != name.starts_with("loom_tc")) continue;
    unsigned count = 0;
    const char* line = std::strstr(log.data(), "processed ");
    EXPECT_TRUE(line && std::sscanf(line, "processed %u insns", &count) == 1) << log.data();
    counts[name] = count;
  }
  return counts;
}

void Datapath::remove_later_programs() {
  clear_hash<uint32_t>(is_tc() ? tc_program().maps.loom_tc_later : program().maps.loom_xdp_later);
}

}  // namespace loom::test
