// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/program.hpp"

#include <bpf/bpf.h>

#include <cerrno>

namespace loom {

Result<void> describe(Program& program) {
  bpf_prog_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(program.fd.get(), &info, &length) != 0)
    return Error(errno, "look at the program");
  program.id = info.id;
  program.tag.clear();
  constexpr char kDigits[] = "0123456789abcdef";
  for (const uint8_t byte : info.tag) {
    program.tag += kDigits[byte >> 4];
    program.tag += kDigits[byte & 15];
  }
  return {};
}

Error load_error(int code, std::string log) {
  Error error(code, log.empty() ? "load the datapath" : "load the datapath: " + std::move(log));
  if (code == EPERM || code == EACCES)
    return std::move(error).with_hint(
        "loomd needs root, or CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW and CAP_PERFMON");
  return error;
}

}  // namespace loom
