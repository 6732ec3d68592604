// SPDX-License-Identifier: Apache-2.0
#include "oracle_fixture.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <sstream>

#include "oracle_bytes.hpp"

namespace loom::test {
namespace {

constexpr uint32_t kFlowSlots = 4096;
constexpr uint32_t kManyAnswers = 1000;
constexpr uint32_t kFewAnswers = 8;

std::string hex(const Bytes& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string in_words(const loom_flow& flow) {
  return hex(bytes_of(flow));
}

template <class Key, class Value>
void write(int fd, const Key& key, const Value& value) {
  ASSERT_EQ(bpf_map_update_elem(fd, &key, &value, BPF_ANY), 0) << std::strerror(errno);
}

/// Counters are per CPU, and so are turns and the table's free entries.
void stay_on_this_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(0, sizeof(set), &set);
}

/// Takes the id the datapath chose, and changes the header's checksum with it.
void accept_id(Bytes& want, const Bytes& got, size_t at) {
  if (got.size() < at + 20 || want.size() < at + 20) return;
  adjust(want, at + 10, get16(want, at + 4), get16(got, at + 4));
  put16(want, at + 4, get16(got, at + 4));
}

bool counters_equal(const loom_counter& a, const loom_counter& b) {
  return a.packets == b.packets && a.rx_bytes == b.rx_bytes && a.tx_bytes == b.tx_bytes &&
         a.flows == b.flows;
}

std::string in_words(const loom_counter& c) {
  std::ostringstream out;
  out << c.packets << " packets, " << c.rx_bytes << " in, " << c.tx_bytes << " out, " << c.flows
      << " flows";
  return out.str();
}

/// Times are the datapath's own clock's, which went on by at most `elapsed`. Where it has to look
/// for a SYN of the same name is its own business.
bool entries_equal(loom_flow_entry got, loom_flow_entry want, uint64_t elapsed) {
  got.flags &= static_cast<uint8_t>(~LOOM_FLOW_F_CONTESTED);
  if (got.seen - want.seen > elapsed || got.created - want.created > elapsed) return false;
  got.seen = want.seen;
  got.created = want.created;
  return bytes_of(got) == bytes_of(want);
}

std::string in_words(const loom_flow_entry& e) {
  std::ostringstream out;
  out << "backend " << e.backend << " generation " << e.generation << " state " << int{e.state}
      << " flags " << int{e.flags} << " packets " << e.packets << " bytes " << e.bytes << " seen "
      << e.seen << " created " << e.created << " syn " << ntohl(e.syn_seq) << " peer "
      << e.peer_ifindex << " other " << in_words(e.other);
  return out.str();
}

}  // namespace

// ---- the world

void OracleTest::SetUp() {
  Datapath::SetUp();
  stay_on_this_cpu();
  world_ = oracle_world(egress());
  world_.config = config();
  oracle_.cpu = static_cast<uint32_t>(sched_getcpu());
  original_backends_ = world_.backends;
  install();
  restart();
}

void OracleTest::TearDown() {
  for (const auto& [id, service] : world_.services)
    write(map_fd("loom_services"), id, loom_service{});
}

void OracleTest::put_world_backend(uint32_t id) {
  write(map_fd("loom_backends"), id, world_.backends[id]);
}

void OracleTest::install() {
  for (const auto& [vip, value] : world_.vips) write(map_fd("loom_vips"), vip, value);
  for (const auto& [key, value] : world_.listeners) write(map_fd("loom_listeners"), key, value);
  for (const auto& [id, value] : world_.services) write(map_fd("loom_services"), id, value);
  for (const auto& [ifindex, value] : world_.interfaces)
    write(map_fd("loom_interfaces"), ifindex % LOOM_INTERFACE_SLOTS, value);
  for (const auto& [service, ring] : world_.rings) put_ring(service, ring);
  install_ranges();
  for (uint32_t i = 0; i < world_.sources.size(); ++i)
    write(map_fd("loom_sources"), i, world_.sources[i]);
  for (uint32_t id = 1; id < world_.backends.size(); ++id) put_world_backend(id);
}

void OracleTest::install_ranges() {
  for (const PortPrefix& range : world_.ranges) {
    loom_range_key key{};
    key.prefixlen = LOOM_RANGE_PREFIX + range.bits;
    key.vip = range.vip;
    key.proto = range.proto;
    key.port = htons(range.port);
    write(map_fd("loom_port_ranges"), key, range.listener);
  }
}

/// Everything as at the beginning, no flows, no counts.
void OracleTest::restart() {
  for (uint32_t id = 1; id < world_.backends.size(); ++id) {
    if (BytesEqual{}(world_.backends[id], original_backends_[id])) continue;
    world_.backends[id] = original_backends_[id];
    put_world_backend(id);
  }
  for (const auto& [service, taken] : oracle_.turns) {
    const std::vector<uint64_t> none(static_cast<size_t>(libbpf_num_possible_cpus()));
    bpf_map_update_elem(map_fd("loom_rotors"), &service, none.data(), BPF_ANY);
  }
  oracle_.turns.clear();
  if (world_.settings) set_settings(0);
  forget();
  set_answers(kManyAnswers);
  oracle_.now = clock().jiffies;
  want_ = {};
}

void OracleTest::set_answers(uint32_t left) {
  oracle_.answers_left = left;
  put_answers_left(left);
}

void OracleTest::set_settings(uint32_t flags) {
  world_.settings = flags;
  put_settings(flags);
}

/// Off most of the time.
void OracleTest::toggle_setting(uint32_t flag, uint32_t pick) {
  set_settings(pick % 4 ? world_.settings & ~flag : world_.settings | flag);
}

FlowMemory& OracleTest::memory(Table table) {
  return table == Table::kConfirmed ? oracle_.confirmed : oracle_.waiting;
}

int OracleTest::table_fd(Table table) const {
  return map_fd(table == Table::kConfirmed ? "loom_flows" : "loom_probation");
}

void OracleTest::forget() {
  for (const Table table : {Table::kConfirmed, Table::kWaiting}) {
    for (const auto& [key, entry] : memory(table)) bpf_map_delete_elem(table_fd(table), &key);
    memory(table).clear();
  }
  forget_parts();
}

void OracleTest::forget_parts() {
  for (const auto& [key, fragment] : oracle_.fragments)
    bpf_map_delete_elem(map_fd("loom_fragments"), &key);
  oracle_.fragments.clear();
}

void OracleTest::change_flow(const Step& step) {
  const size_t flows = oracle_.confirmed.size() + oracle_.waiting.size();
  if (flows == 0) return;
  size_t pick = step.pick % flows;
  const Table table = pick < oracle_.confirmed.size() ? Table::kConfirmed : Table::kWaiting;
  if (table == Table::kWaiting) pick -= oracle_.confirmed.size();
  const auto found = std::next(memory(table).begin(), static_cast<long>(pick));
  const loom_flow key = found->first;
  if (step.event == Event::kEvict) {
    bpf_map_delete_elem(table_fd(table), &key);
    memory(table).erase(found);
    return;
  }
  // Well on either side of the limit: the clock goes on while the batch runs.
  loom_flow_entry& entry = found->second;
  const uint64_t limit = world_.config.timeout[entry.state];
  if (entry.seen + limit < oracle_.now) return;  // What is dead stays so.
  entry.seen = oracle_.now - (step.event == Event::kAge ? limit / 2 : limit * 3 / 2);
  loom_flow_entry real{};
  if (bpf_map_lookup_elem(table_fd(table), &key, &real) != 0) return;  // It will be found.
  real.seen = entry.seen;
  bpf_map_update_elem(table_fd(table), &key, &real, BPF_EXIST);
}

void OracleTest::apply(const Step& step) {
  const uint32_t id = 1 + step.pick % static_cast<uint32_t>(world_.backends.size() - 1);
  switch (step.event) {
    case Event::kNone:
      return;
    case Event::kForget:
      return forget();
    case Event::kEvict:
    case Event::kAge:
    case Event::kExpire:
      return change_flow(step);
    case Event::kBackendDown:
      world_.backends[id].flags ^= LOOM_BACKEND_F_DOWN;
      return put_world_backend(id);
    case Event::kBackendNew:
      world_.backends[id].generation += 1000;
      return put_world_backend(id);
    case Event::kAnswers:
      return set_answers(oracle_.answers_left > kFewAnswers ? step.pick % kFewAnswers
                                                            : kManyAnswers);
    case Event::kHandover:
      return toggle_setting(LOOM_SETTING_HANDOVER, step.pick);
    case Event::kLimit:
      return toggle_setting(LOOM_SETTING_CONNECTION_LIMIT, step.pick);
  }
}

void OracleTest::put_both(Table table, const loom_flow& key, const loom_flow_entry& entry) {
  write(table_fd(table), key, entry);
  memory(table)[key] = entry;
}

// ---- side by side

void OracleTest::expect(const Step& step, const Expected& want) {
  const bool forwarded = want.verdict == LOOM_FORWARD_TX || want.verdict == LOOM_FORWARD_REDIRECT;
  loom_counter& counter = forwarded ? want_.backends[want.backend] : want_.verdicts[want.verdict];
  const int action = action_of(want.verdict);
  counter.packets++;
  counter.rx_bytes += step.frame.size();
  if (action == XDP_TX || action == XDP_REDIRECT) counter.tx_bytes += want.packet.size();
  if (forwarded) counter.flows += want.new_flow;
  if (want.error) want_.errors[*want.error]++;
}

std::string OracleTest::run_both(const Step& step) {
  apply(step);
  Expected want = oracle_.handle(step.frame, step.ingress);
  inputs_++;
  verdicts_.at(static_cast<size_t>(want.verdict))++;
  expect(step, want);

  xdp_md context{};
  context.data_end = static_cast<uint32_t>(step.frame.size());
  context.ingress_ifindex = step.ingress;
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = step.frame.data(), .data_out = out_.data(),
              .data_size_in = static_cast<uint32_t>(step.frame.size()),
              .data_size_out = static_cast<uint32_t>(out_.size()));
  if (step.ingress != kIngress) {
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
  }
  if (bpf_prog_test_run_opts(program_fd(), &options) != 0)
    return std::string("the test run failed: ") + std::strerror(errno);

  const int action = static_cast<int>(options.retval);
  const auto same = [&] {
    return want.packet.size() == options.data_size_out &&
           std::equal(want.packet.begin(), want.packet.end(), out_.begin());
  };
  if (action == action_of(want.verdict) && same()) return "";
  const Bytes got(out_.begin(), out_.begin() + options.data_size_out);
  if (want.free_id) accept_id(want.packet, got, *want.free_id);
  if (action == action_of(want.verdict) && same()) return "";
  return "frame   " + hex(step.frame) + "\nwant    " + hex(want.packet) + "  " +
         name_of(want.verdict) + "\ngot     " + hex(got) + "  action " + std::to_string(action);
}

std::string OracleTest::counters_differ() {
  Counted got = counted();
  std::string out;
  for (auto& [verdict, counter] : got.verdicts) counter.flows = 0;  // Of backends only.
  const auto compare = [&out](auto& have, auto& want, const auto& name) {
    for (const auto& [key, counter] : want) have.try_emplace(key);
    for (const auto& [key, counter] : have)
      if (!counters_equal(counter, want[key]))
        out += name(key) + ": got " + in_words(counter) + ", want " + in_words(want[key]) + "\n";
  };
  compare(got.verdicts, want_.verdicts, [](loom_verdict v) { return std::string(name_of(v)); });
  compare(got.backends, want_.backends,
          [](uint32_t id) { return "backend " + std::to_string(id); });
  if (got.errors != want_.errors) out += "errors differ\n";
  return out;
}

/// Leaves the table empty.
std::string OracleTest::flows_differ(Table table) {
  static std::vector<loom_flow> keys(kFlowSlots);
  static std::vector<loom_flow_entry> entries(kFlowSlots);
  uint32_t count = kFlowSlots;
  uint32_t position = 0;
  const int err = bpf_map_lookup_and_delete_batch(table_fd(table), nullptr, &position, keys.data(),
                                                  entries.data(), &count, nullptr);
  if (err != 0 && errno != ENOENT) return std::string("flow table: ") + std::strerror(errno);

  FlowMemory& wanted = memory(table);
  const std::string what = table == Table::kConfirmed ? "confirmed " : "waiting ";
  const uint64_t elapsed = clock().jiffies - oracle_.now;
  std::string out;
  for (uint32_t i = 0; i < count; ++i) {
    const auto want = wanted.find(keys[i]);
    if (want == wanted.end()) {
      out += what + in_words(keys[i]) + " not wanted: " + in_words(entries[i]) + "\n";
      continue;
    }
    if (!entries_equal(entries[i], want->second, elapsed))
      out += what + in_words(keys[i]) + "\n  got  " + in_words(entries[i]) + "\n  want " +
             in_words(want->second) + "\n";
    wanted.erase(want);
  }
  for (const auto& [key, entry] : wanted)
    out += what + in_words(key) + " is missing: " + in_words(entry) + "\n";
  wanted.clear();
  return out;
}

std::string OracleTest::settle() {
  const std::string out =
      counters_differ() + flows_differ(Table::kConfirmed) + flows_differ(Table::kWaiting);
  restart();
  return out;
}

std::string OracleTest::difference(const std::vector<Step>& steps) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string found = run_both(steps[i]);
    if (found.empty()) continue;
    settle();
    return "step " + std::to_string(i) + "\n" + found;
  }
  return settle();
}

/// The shortest beginning that shows it: its last step is to blame.
std::string OracleTest::explained(const std::vector<Step>& steps) {
  const std::string whole = difference(steps);
  if (whole.empty()) return "";
  size_t good = 0;
  size_t bad = steps.size();
  while (bad - good > 1) {
    const size_t middle = (good + bad) / 2;
    const std::vector<Step> beginning(steps.begin(), steps.begin() + static_cast<long>(middle));
    (difference(beginning).empty() ? good : bad) = middle;
  }
  const std::vector<Step> beginning(steps.begin(), steps.begin() + static_cast<long>(bad));
  const std::string alone = difference({steps[bad - 1]});
  return difference(beginning) + "\nafter " + std::to_string(bad - 1) +
         " others: " + hex(steps[bad - 1].frame) + (alone.empty() ? "" : "\nand alone:\n" + alone);
}

}  // namespace loom::test
