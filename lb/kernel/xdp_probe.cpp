// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/xdp_probe.hpp"

#include <bpf/libbpf.h>
#include <net/if.h>
#include <xdp/libxdp.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

namespace loom {
namespace {

struct CloseMultiprog {
  void operator()(xdp_multiprog* programs) const { xdp_multiprog__close(programs); }
};

/// libxdp prints what it cannot do; here that is an expected answer.
class QuietLibxdp {
 public:
  QuietLibxdp() : before_(libxdp_set_print(nullptr)) {}
  ~QuietLibxdp() { libxdp_set_print(before_); }
  QuietLibxdp(const QuietLibxdp&) = delete;
  QuietLibxdp& operator=(const QuietLibxdp&) = delete;

 private:
  libxdp_print_fn_t before_;
};

/// Empty: libxdp could not look into the program.
std::optional<bool> ask_libxdp(uint32_t ifindex, uint32_t prog_id) {
  const QuietLibxdp quiet;
  xdp_multiprog* raw = xdp_multiprog__get_from_ifindex(static_cast<int>(ifindex));
  if (libxdp_get_error(raw) != 0) return std::nullopt;
  const std::unique_ptr<xdp_multiprog, CloseMultiprog> programs(raw);
  if (xdp_multiprog__is_legacy(programs.get())) return false;
  const xdp_program* dispatcher = xdp_multiprog__main_prog(programs.get());
  return dispatcher != nullptr && xdp_program__id(dispatcher) == prog_id;
}

std::filesystem::path dispatcher_pin(uint32_t ifindex, uint32_t prog_id) {
  const char* bpffs = std::getenv(XDP_BPFFS_ENVVAR);
  return std::filesystem::path(bpffs != nullptr ? bpffs : "/sys/fs/bpf") / "xdp" /
         ("dispatch-" + std::to_string(ifindex) + "-" + std::to_string(prog_id));
}

}  // namespace

std::string_view to_string(AttachMode mode) {
  constexpr std::array<std::string_view, 3> kNames{"native", "generic", "offload"};
  return kNames[static_cast<size_t>(mode)];
}

Result<std::optional<XdpAttachment>> xdp_attached(uint32_t ifindex) {
  LIBBPF_OPTS(bpf_xdp_query_opts, found);
  const std::string what = "ask interface " + std::to_string(ifindex) + " for its XDP program";
  // libbpf searches all links, and finding none is no error to it.
  std::array<char, IF_NAMESIZE> name{};
  if (if_indextoname(ifindex, name.data()) == nullptr) return Error(ENODEV, what);
  if (const int error = bpf_xdp_query(static_cast<int>(ifindex), 0, &found); error < 0)
    return Error(-error, what);

  std::optional<XdpAttachment> out;
  if (found.hw_prog_id != 0)
    out = XdpAttachment{found.hw_prog_id, AttachMode::kOffload};
  else if (found.drv_prog_id != 0)
    out = XdpAttachment{found.drv_prog_id, AttachMode::kNative};
  else if (found.skb_prog_id != 0)
    out = XdpAttachment{found.skb_prog_id, AttachMode::kGeneric};
  if (out) out->dispatcher = dispatcher_present(ifindex, out->prog_id);
  return out;
}

bool dispatcher_present(uint32_t ifindex, uint32_t prog_id) {
  if (const std::optional<bool> known = ask_libxdp(ifindex, prog_id)) return *known;
  std::error_code ignored;
  return std::filesystem::exists(dispatcher_pin(ifindex, prog_id), ignored);
}

std::string describe_attachment(std::string_view interface, const XdpAttachment& attachment) {
  return std::string(interface) +
         (attachment.dispatcher ? " carries the libxdp dispatcher " : " carries XDP program ") +
         std::to_string(attachment.prog_id) + " (" + std::string(to_string(attachment.mode)) +
         " mode)";
}

}  // namespace loom
