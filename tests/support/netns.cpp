// SPDX-License-Identifier: Apache-2.0
#include "support/netns.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace loom::test {
namespace {

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
  std::abort();
}

// The child between fork and exec: only what is safe there.
[[noreturn]] void become(const char* namespace_path, const char* command, int output) {
  if (namespace_path != nullptr) {
    const int fd = open(namespace_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) _exit(126);
  }
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execl("/bin/sh", "sh", "-c", command, nullptr);
  _exit(127);
}

std::string read_all(int fd) {
  std::string out;
  std::array<char, 4096> chunk{};
  while (true) {
    const ssize_t size = read(fd, chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return out;
    out.append(chunk.data(), static_cast<size_t>(size));
  }
}

CommandResult run_command(const char* namespace_path, const std::string& command) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) < 0) give_up("pipe");
  UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) become(namespace_path, command.c_str(), input.get());
  input.reset();

  CommandResult result;
  result.output = read_all(output.get());
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) give_up("waitpid");
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

// The kernel notices a carrier with a delay, and asks no IPv6 neighbour before it has made the
// link-local address.
void wait_until_usable(const Port& port) {
  port.ns.must("for i in $(seq 300); do ip -6 -o addr show dev " + port.device +
               " scope link -tentative | grep -q fe80 && exit 0; sleep 0.01; done;"
               " echo no link-local address; exit 1");
}

}  // namespace

void skip_without_namespaces() {
  const std::string name = "loomt-" + std::to_string(getpid()) + "-try";
  const CommandResult made =
      run_command(nullptr, "ip netns add " + name + " && ip netns del " + name);
  if (made.status == 0) return;
  std::printf("cannot run here: network namespaces need root: %s\n", made.output.c_str());
  std::exit(77);
}

EnteredNamespace::EnteredNamespace(const std::string& path)
    : home_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
  const UniqueFd there(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!home_ || !there || setns(there.get(), CLONE_NEWNET) < 0) give_up("enter " + path);
}

EnteredNamespace::~EnteredNamespace() {
  if (setns(home_.get(), CLONE_NEWNET) < 0) give_up("leave a namespace");
}

Namespace::Namespace(std::string_view label) {
  static int made = 0;
  name_ = "loomt-" + std::to_string(getpid()) + "-" + std::to_string(++made) + "-";
  name_ += label;
  const CommandResult done =
      run_command(nullptr, "ip netns add " + name_ + " && ip -n " + name_ + " link set lo up");
  if (done.status != 0) give_up("make namespace " + name_ + ": " + done.output);
  // A neighbour solicitation leaves from the link-local address, which duplicate address detection
  // would hold back for a second after every "link up".
  must("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0");
}

Namespace::~Namespace() {
  const CommandResult done = run_command(nullptr, "ip netns del " + name_);
  EXPECT_EQ(done.status, 0) << done.output;
}

CommandResult Namespace::run(const std::string& command) const {
  return run_command(path().c_str(), command);
}

void Namespace::must(const std::string& command) const {
  const CommandResult done = run(command);
  EXPECT_EQ(done.status, 0) << name_ << ": " << command << ": " << done.output;
}

uint32_t Port::ifindex() const {
  const EnteredNamespace inside = ns.enter();
  const uint32_t index = if_nametoindex(device.c_str());
  EXPECT_NE(index, 0U) << ns.name() << " has no " << device;
  return index;
}

std::string Port::mac() const {
  // From netlink and not /sys, which shows the namespace it was mounted in.
  const CommandResult done = ns.run("ip -o link show dev " + device +
                                    " | sed -n 's/.*link\\/ether \\([0-9a-f:]*\\).*/\\1/p'");
  EXPECT_EQ(done.output.size(), 18U) << done.output;
  return done.output.substr(0, done.output.find('\n'));
}

void connect(const Port& a, const Port& b) {
  const CommandResult done = run_command(
      nullptr, "ip link add " + a.device + " netns " + a.ns.name() + " type veth peer name " +
                   b.device + " netns " + b.ns.name() + " && ip -n " + a.ns.name() + " link set " +
                   a.device + " up && ip -n " + b.ns.name() + " link set " + b.device + " up");
  EXPECT_EQ(done.status, 0) << done.output;
  wait_until_usable(a);
  wait_until_usable(b);
}

void add_address(const Port& port, const std::string& address) {
  const bool v6 = address.find(':') != std::string::npos;
  port.ns.must("ip addr add " + address + " dev " + port.device + (v6 ? " nodad" : ""));
}

uint32_t load_xdp_pass(const Port& port, uint32_t flags) {
  const std::array<bpf_insn, 2> code{
      {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
       {.code = BPF_JMP | BPF_EXIT}}};
  LIBBPF_OPTS(bpf_prog_load_opts, load);
  load.expected_attach_type = BPF_XDP;
  const UniqueFd program(
      bpf_prog_load(BPF_PROG_TYPE_XDP, "xdp_pass", "GPL", code.data(), code.size(), &load));
  EXPECT_TRUE(program) << "load xdp_pass: " << std::strerror(errno);

  const int ifindex = static_cast<int>(port.ifindex());
  const EnteredNamespace inside = port.ns.enter();
  const int attached = bpf_xdp_attach(ifindex, program.get(), flags, nullptr);
  EXPECT_EQ(attached, 0) << "attach to " << port.device << ": " << std::strerror(-attached);

  bpf_prog_info info{};
  __u32 size = sizeof(info);
  EXPECT_EQ(bpf_obj_get_info_by_fd(program.get(), &info, &size), 0) << std::strerror(errno);
  return info.id;
}

void disable_tx_offload(const Port& port) {
  port.ns.must("ethtool -K " + port.device + " tx off");
}

}  // namespace loom::test
