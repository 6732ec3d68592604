// SPDX-License-Identifier: Apache-2.0
#include "admin-api/traffic.hpp"

#include <array>

#include "loom/verdict.h"

namespace loom {
namespace {

struct NamedVerdict {
  size_t verdict;
  std::string_view name;
  std::string_view help;
};

constexpr std::array kVerdicts = {
#define V(name, action, help) NamedVerdict{LOOM_##name, #name, help},
    LOOM_VERDICT_LIST(V)
#undef V
};

struct Prefix {
  std::string_view text;
  Outcome outcome;
};

constexpr std::array kPrefixes = {
    Prefix{"FORWARD_", Outcome::kForward}, Prefix{"REPLY_", Outcome::kReply},
    Prefix{"PASS_", Outcome::kPass},       Prefix{"DROP_", Outcome::kDrop},
    Prefix{"ABORT_", Outcome::kAbort},
};

constexpr const Prefix* prefix_of(std::string_view name) {
  for (const Prefix& prefix : kPrefixes)
    if (name.starts_with(prefix.text)) return &prefix;
  return nullptr;
}

constexpr bool every_verdict_has_an_outcome() {
  for (const NamedVerdict& verdict : kVerdicts)
    if (!prefix_of(verdict.name)) return false;
  return true;
}
static_assert(every_verdict_has_an_outcome(), "a verdict with a new prefix needs an Outcome");

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::vector<VerdictInfo> make_verdicts() {
  std::vector<VerdictInfo> out;
  for (const NamedVerdict& verdict : kVerdicts) {
    const Prefix* prefix = prefix_of(verdict.name);
    out.push_back({.verdict = verdict.verdict,
                   .outcome = prefix->outcome,
                   .reason = lower(verdict.name.substr(prefix->text.size())),
                   .help = verdict.help});
  }
  return out;
}

uint64_t& packets_of(Traffic& traffic, Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return traffic.pass;
    case Outcome::kDrop:
    case Outcome::kAbort:
      return traffic.drop;
    case Outcome::kForward:
    case Outcome::kReply:
      break;
  }
  return traffic.forward;
}

}  // namespace

const std::vector<VerdictInfo>& verdicts() {
  static const std::vector<VerdictInfo> all = make_verdicts();
  return all;
}

const std::vector<ErrorInfo>& datapath_errors() {
  static const std::vector<ErrorInfo> all = {
#define E(name, help) ErrorInfo{LOOM_ERROR_##name, #name},
      LOOM_ERROR_LIST(E)
#undef E
  };
  return all;
}

Count verdict_count(const Counters& counters, size_t verdict) {
  return verdict < counters.verdicts.size() ? counters.verdicts[verdict] : Count{};
}

uint64_t error_count(const Counters& counters, size_t error) {
  return error < counters.errors.size() ? counters.errors[error] : 0;
}

Count backend_count(const Counters& counters, uint32_t datapath_id) {
  const auto found = counters.backends.find(datapath_id);
  return found == counters.backends.end() ? Count{} : found->second;
}

uint64_t active_connections(const FlowSweep& sweep, uint32_t datapath_id) {
  const auto found = sweep.active.find(datapath_id);
  return found == sweep.active.end() ? 0 : found->second;
}

Traffic total_traffic(const Counters& counters) {
  Count forwarded = counters.retired_services;
  for (const auto& [id, count] : counters.backends) forwarded += count;
  for (const auto& [id, count] : counters.retired) forwarded += count;

  Traffic traffic{.forward = forwarded.packets,
                  .rx_bytes = forwarded.rx_bytes,
                  .tx_bytes = forwarded.tx_bytes,
                  .connections = forwarded.flows};
  for (const VerdictInfo& verdict : verdicts()) {
    if (verdict.outcome == Outcome::kForward) continue;  // counted with the backends
    const Count count = verdict_count(counters, verdict.verdict);
    packets_of(traffic, verdict.outcome) += count.packets;
    traffic.rx_bytes += count.rx_bytes;
    traffic.tx_bytes += count.tx_bytes;
  }
  return traffic;
}

Count service_count(const Counters& counters, const ServiceView& service) {
  Count sum;
  for (const BackendView& backend : service.backends)
    if (backend.datapath_id != 0) sum += backend_count(counters, backend.datapath_id);
  for (const uint32_t id : service.datapath_ids)
    if (const auto retired = counters.retired.find(id); retired != counters.retired.end())
      sum += retired->second;
  return sum;
}

std::string_view backend_status(const BackendView& backend) {
  if (backend.state == AdminState::kMaint) return "maint";
  if (backend.health == Health::kDown || !backend.problem.empty()) return "down";
  return backend.state == AdminState::kDrain ? "drain" : "up";
}

}  // namespace loom
