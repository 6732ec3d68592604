// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/bpf_log.hpp"

#include <bpf/libbpf.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <utility>

namespace loom {
namespace {

constexpr size_t kKept = 4096;

std::string& buffer() {
  thread_local std::string text;
  return text;
}

__attribute__((format(printf, 2, 0))) int collect(libbpf_print_level level, const char* format,
                                                  va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  std::array<char, 2048> line{};
  const int length = vsnprintf(line.data(), line.size(), format, arguments);
  std::string& text = buffer();
  text += line.data();
  if (text.size() > kKept) text.erase(0, text.size() - kKept);
  return length;
}

}  // namespace

void capture_libbpf_log() {
  libbpf_set_print(collect);
}

std::string take_libbpf_log() {
  return std::exchange(buffer(), {});
}

}  // namespace loom
