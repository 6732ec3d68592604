// SPDX-License-Identifier: Apache-2.0
// Every command and option of `loom`. Summaries hold no quotes and no colons: they go into shell
// scripts as they are.
#include <array>

#include "lb/cli/handlers.hpp"

namespace loom::cli {
namespace {

const ArgumentSpec kBackend{"ID|ADDR:PORT"};
const OptionSpec kPinPath{"pin-path", 0, Takes::kValue, "PATH",
                          "where the pins are, on a bpffs (default /sys/fs/bpf/loom-decap)"};

std::vector<OptionSpec> connection_filters() {
  return {{"backend", 0, Takes::kValue, "ID|ADDR:PORT", "only connections to this backend"},
          {"client", 0, Takes::kValue, "ADDR", "only connections of this client"}};
}

std::vector<OptionSpec> connection_list_options() {
  std::vector<OptionSpec> options = connection_filters();
  options.push_back(
      {"limit", 0, Takes::kValue, "N", "at most so many, up to 100000 (default 1000)"});
  return options;
}

const std::vector<Command>& table() {
  static const std::vector<Command> kTable = {
      {"status",
       "Show whether the daemon is ready, and what it does",
       {},
       {{"brief", 0, Takes::kNothing, "", "one line"},
        {"wait", 0, Takes::kOptionalValue, "TIME", "until it is ready, at most so long", "60s"}},
       "loom status --wait=30s",
       run_status},
      {"service list", "List services", {}, {}, "loom service list -o wide", run_service_list},
      {"service show",
       "Show a service and its backends",
       {{"NAME"}},
       {},
       "loom service show web",
       run_service_show},
      {"backend list", "List backends", {}, {}, "loom backend list -o wide", run_backend_list},
      {"backend add",
       "Add a backend",
       {{"ADDR:PORT"}},
       {{"weight", 0, Takes::kValue, "N", "share of new connections, 0 to 65535 (default 100)"},
        {"name", 0, Takes::kValue, "NAME", "a name for people"},
        {"service", 's', Takes::kValue, "SERVICE", "needed if there are several services"}},
       "loom backend add 10.0.1.12:8080 --weight 50 -s web",
       run_backend_add},
      {"backend rm",
       "Remove a backend",
       {kBackend},
       {},
       "loom backend rm 10.0.1.12:8080",
       run_backend_rm},
      {"backend weight",
       "Set the share of new connections; with 0 only existing ones stay",
       {kBackend, {"N"}},
       {},
       "loom backend weight 3 50",
       run_backend_weight},
      {"backend drain",
       "Send a backend no new connections; existing ones stay",
       {kBackend},
       {},
       "loom backend drain 3",
       run_backend_drain},
      {"backend enable",
       "Send a backend new connections again",
       {kBackend},
       {},
       "loom backend enable 3",
       run_backend_enable},
      {"backend maint",
       "Treat a backend as down; its connections go to other backends",
       {kBackend},
       {},
       "loom backend maint 3",
       run_backend_maint},
      {"conn list",
       "List tracked connections",
       {},
       connection_list_options(),
       "loom conn list --backend 3 --limit 20",
       run_conn_list},
      {"conn count",
       "Count tracked connections",
       {},
       connection_filters(),
       "loom conn count --client 198.51.100.7",
       run_conn_count},
      {"stats",
       "Show packets, bytes, drops by reason and how full the maps are",
       {},
       {},
       "loom stats --json",
       run_stats},
      {"config check",
       "Check a configuration file; needs no daemon",
       {{"FILE|-", Presence::kOptional, Completes::kFile}},
       {{"strict", 0, Takes::kNothing, "", "exit with 4 if there are warnings"}},
       "loom config check --strict /etc/loom/loom.yaml",
       run_config_check},
      {"decap attach",
       "Make this host the tunnel end of a DSR backend, or change what it accepts",
       {{"IF", Presence::kRequired, Completes::kInterface}},
       {{"from", 0, Takes::kSeveralValues, "PREFIX",
         "the balancers; tunnels of others are dropped"},
        {"vip", 0, Takes::kSeveralValues, "ADDR", "what tunnelled packets may be addressed to"},
        {"encap", 0, Takes::kSeveralValues, "ipip|gue", "which tunnels (default both)"},
        {"port", 0, Takes::kValue, "N", "UDP port of GUE (default 6080)"},
        {"tc", 0, Takes::kNothing, "", "at TC instead of XDP"},
        kPinPath},
       "loom decap attach eth0 --from 10.0.1.1 --vip 203.0.113.10",
       run_decap_attach},
      {"decap detach",
       "Undo loom decap attach",
       {{"IF", Presence::kRequired, Completes::kInterface}},
       {kPinPath},
       "loom decap detach eth0",
       run_decap_detach},
      {"decap status",
       "Show where this host decapsulates, what it accepts and what it counted",
       {},
       {kPinPath},
       "loom decap status",
       run_decap_status},
      {"healthcheck",
       "Exit with 0 if the daemon is ready, else 1; for probes",
       {},
       {},
       "loom healthcheck --timeout 1s -q",
       run_healthcheck},
      {"version",
       "Show the versions of this command and of the daemon",
       {},
       {},
       "loom version",
       run_version},
      {"completion",
       "Print the completion script for a shell",
       {{"bash|zsh|fish"}},
       {},
       "loom completion bash > /usr/share/bash-completion/completions/loom",
       run_completion},
      {"help",
       "Explain a command",
       {{"COMMAND", Presence::kOptional, Completes::kCommand}, {"SUBCOMMAND", Presence::kOptional}},
       {},
       "loom help backend add",
       run_help},
  };
  return kTable;
}

constexpr std::array kGlobalOptions = {
    OptionSpec{"json", 'j', Takes::kNothing, "", "print JSON; short for -o json"},
    OptionSpec{"output", 'o', Takes::kValue, "table|wide|json|ndjson", "how to print the answer"},
    OptionSpec{"server", 0, Takes::kValue, "URL",
               "the daemon (default LOOM_SERVER or http://127.0.0.1:9091)"},
    OptionSpec{"timeout", 0, Takes::kValue, "TIME", "for one request (default 5s)"},
    OptionSpec{"color", 0, Takes::kValue, "auto|always|never",
               "auto is for terminals, unless NO_COLOR is set"},
    OptionSpec{"quiet", 'q', Takes::kNothing, "", "only data and errors"},
    OptionSpec{"verbose", 'v', Takes::kNothing, "", "more detail, and each request on stderr"},
    OptionSpec{"help", 'h', Takes::kNothing, "", "explain the command"},
};

}  // namespace

std::span<const Command> commands() {
  return table();
}

std::span<const OptionSpec> global_options() {
  return kGlobalOptions;
}

}  // namespace loom::cli
