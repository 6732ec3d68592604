// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/tc_program.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "lb/kernel/bpf_log.hpp"
#include "lb/kernel/program.hpp"
#include "loom_tc.skel.h"

namespace loom {
namespace {

struct Destroy {
  void operator()(loom_tc* skeleton) const { loom_tc::destroy(skeleton); }
};

}  // namespace

std::string_view tc_program_code() {
  size_t size = 0;
  const auto* code = static_cast<const char*>(loom_tc::elf_bytes(&size));
  return {code, size};
}

Result<TcProgram> load_tc_program(const MapSet& maps, const loom_config& config) {
  const std::unique_ptr<loom_tc, Destroy> skeleton(loom_tc::open());
  if (!skeleton) return load_error(errno, take_libbpf_log());
  std::memcpy(&const_cast<loom_config&>(skeleton->rodata->loom_config), &config, sizeof(config));
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    const auto shared = maps.find(bpf_map__name(map));
    if (shared != maps.end() && bpf_map__reuse_fd(map, shared->second.get()) != 0)
      return Error(errno, std::string("share ") + bpf_map__name(map));
  }
  if (loom_tc::load(skeleton.get()) != 0) return load_error(errno, take_libbpf_log());
  TcProgram out;
  out.program.reset(fcntl(bpf_program__fd(skeleton->progs.loom_tc), F_DUPFD_CLOEXEC, 0));
  out.later_programs.reset(fcntl(bpf_map__fd(skeleton->maps.loom_tc_later), F_DUPFD_CLOEXEC, 0));
  if (!out.program || !out.later_programs) return Error(errno, "keep loom_tc");
  return out;
}

}  // namespace loom
