// SPDX-License-Identifier: Apache-2.0
// loomd: puts the parts together. What they do is in their own folders.
#include <linux/capability.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>

#include "admin-api/listener.hpp"
#include "admin-api/server.hpp"
#include "lb/base/log.hpp"
#include "lb/config/load.hpp"
#include "lb/control/controller.hpp"
#include "lb/daemon/log_sink.hpp"
#include "lb/daemon/options.hpp"
#include "lb/daemon/settings.hpp"
#include "lb/kernel/bpf_dataplane.hpp"
#include "lb/kernel/netlink_monitor.hpp"
#include "lb/kernel/path_mtu_monitor.hpp"

namespace loom {
namespace {

using namespace std::chrono_literals;

constexpr int kFailed = 1, kUsage = 2, kConfigInvalid = 3, kPermission = 8;
constexpr auto kWatchdogLimit = 10s;

void print_error(const Error& error) {
  std::cerr << "loomd: " << error.message() << "\n";
  if (!error.hint().empty()) std::cerr << "  " << error.hint() << "\n";
}

int fail(const Error& error) {
  print_error(error);
  return error.code() == EPERM || error.code() == EACCES ? kPermission : kFailed;
}

BuildInfo build_info() {
  utsname host{};
  uname(&host);
  return {LOOM_VERSION, LOOM_REVISION, "g++ " __VERSION__, host.release};
}

/// Reports the file's diagnostics; unset when it cannot be used.
std::optional<Config> load(const std::string& file, int& status) {
  std::string text;
  const Result<LoadResult> loaded = load_config_file(file, text);
  if (!loaded) {
    status = fail(loaded.error());
    return {};
  }
  for (const Diagnostic& diagnostic : loaded->diagnostics)
    std::cerr << format_diagnostic(diagnostic, file, text) << "\n";
  if (loaded->ok()) return loaded->config;
  status = kConfigInvalid;
  return {};
}

/// Root without the capabilities is as helpless as anybody: ask for what is used.
Result<void> check_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return Error(errno, "read our capabilities");
  const auto has = [&](int cap) { return (data[cap / 32].effective >> (cap % 32) & 1) != 0; };
  std::string missing;
  const std::pair<int, const char*> needed[] = {
      {CAP_BPF, "CAP_BPF"}, {CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {CAP_PERFMON, "CAP_PERFMON"}};
  for (const auto& [cap, name] : needed)
    if (!has(cap)) missing += (missing.empty() ? "" : ", ") + std::string(name);
  if (missing.empty()) return {};
  return Error(EPERM, "loading eBPF programs needs " + missing)
      .with_hint(
          "run as root, or as a service with CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW and "
          "CAP_PERFMON");
}

/// The socket of LISTEN_FDS (systemd's protocol), else a new one.
Result<UniqueFd> admin_listener(const Endpoint& listen) {
  const int passed = sd_listen_fds(1);
  if (passed > 1)
    return Error(EINVAL, std::to_string(passed) + " sockets were passed in; loomd takes one");
  if (passed == 1) return adopt_listener(UniqueFd(SD_LISTEN_FDS_START));
  return open_listener(listen);
}

void keep_watchdog_quiet(const Controller& controller) {
  if (std::chrono::steady_clock::now() - controller.last_turn() < kWatchdogLimit)
    sd_notify(0, "WATCHDOG=1");
}

void wait_for_end(const Controller& controller, const sigset_t& signals) {
  for (;;) {
    const timespec second{1, 0};
    const int signal = sigtimedwait(&signals, nullptr, &second);
    if (signal == SIGTERM || signal == SIGINT) return;
    if (signal == SIGHUP)
      log_warning(
          "reload by SIGHUP is not built yet: restart loomd to apply the file; traffic "
          "goes on meanwhile");
    keep_watchdog_quiet(controller);
  }
}

Result<void> first_problem(const Controller& controller) {
  const std::vector<std::string> reasons = controller.snapshot()->not_ready();
  if (reasons.empty()) return {};
  return Error(0, reasons.front());
}

int run(const Config& config, const std::string& file, const sigset_t& signals) {
  Result<UniqueFd> listener = admin_listener(config.admin.listen);
  if (!listener) return fail(listener.error());
  const Result<DataplaneOptions> settings = dataplane_options(config);
  if (!settings) return fail(settings.error());
  Result<std::unique_ptr<BpfDataplane>> dataplane = BpfDataplane::open(*settings);
  if (!dataplane) return fail(dataplane.error());
  Result<std::unique_ptr<NetlinkMonitor>> links = NetlinkMonitor::open();
  if (!links) return fail(links.error());

  const Datapath::Origin origin = (*dataplane)->origin();
  const bool fresh = origin == Datapath::Origin::kFresh;
  const bool adopted = !fresh && origin != Datapath::Origin::kReplaced;
  log_info(std::string("datapath ") + std::string(to_string(origin)));
  Result<std::unique_ptr<Controller>> controller =
      Controller::start(controller_options(config, file, adopted), **dataplane, **links);
  const Result<void> ready = controller ? first_problem(**controller) : controller.error();
  if (!ready) {
    if (controller) controller->reset();
    // What was not there before we came is not left behind half made.
    if (fresh)
      if (const Result<void> undone = (*dataplane)->detach_all(); !undone)
        print_error(undone.error());
    return fail(ready.error());
  }

  Result<std::unique_ptr<PathMtuMonitor>> path_mtus = PathMtuMonitor::start(
      [&controller](const TooBig& message) { (*controller)->too_big(message); });
  if (!path_mtus) return fail(path_mtus.error());
  Result<std::unique_ptr<AdminServer>> server = AdminServer::start(
      **controller, {.listen = {}, .listen_fd = listener->release(), .build = build_info()});
  if (!server) return fail(server.error());
  log_info("ready; admin API on http://" + (*server)->bound().to_string());
  sd_notify(0, "READY=1");

  wait_for_end(**controller, signals);
  sd_notify(0, "STOPPING=1");
  (*server)->stop();
  path_mtus->reset();
  controller->reset();
  if (config.runtime.on_exit == OnExit::kDetach) {
    if (const Result<void> done = (*dataplane)->detach_all(); !done) return fail(done.error());
    log_info("detached");
  } else {
    log_info("stopping; the datapath goes on (runtime.on_exit: keep)");
  }
  return 0;
}

int main_of(int argc, const char* const* argv) {
  const Result<DaemonOptions> options = parse_options(argc, argv);
  if (!options) {
    std::cerr << "loomd: " << options.error().what() << "\n  try: loomd --help\n";
    return kUsage;
  }
  if (options->help) {
    std::cout << usage();
    return 0;
  }
  if (options->version) {
    const BuildInfo build = build_info();
    std::cout << "loomd " << build.version
              << (build.revision.empty() ? "" : " (" + build.revision + ")") << "\n";
    return 0;
  }

  int status = 0;
  const std::optional<Config> config = load(options->config_file, status);
  if (!config) return status;
  if (options->check) {
    std::cout << options->config_file << ": valid\n";
    return 0;
  }
  start_log(options->log_level.value_or(config->log.level),
            options->log_format.value_or(config->log.format));
  if (!config->enabled) {
    log_warning("ebpf.enabled or ebpf.xdp.enabled is false: nothing to do");
    return 0;
  }
  if (config->spec.interfaces.empty()) {
    std::cerr << "loomd: " << options->config_file
              << " names no interface\n  add: ebpf: { interface: eth0 }\n";
    return kConfigInvalid;
  }
  if (const Result<void> allowed = check_capabilities(); !allowed) return fail(allowed.error());

  // Before any thread starts, so that all of them leave these signals to wait_for_end().
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return run(*config, options->config_file, signals);
}

}  // namespace
}  // namespace loom

int main(int argc, char** argv) {
  return loom::main_of(argc, argv);
}
