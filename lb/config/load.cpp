// SPDX-License-Identifier: Apache-2.0
#include "lb/config/load.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include "lb/base/unique_fd.hpp"
#include "lb/config/bind.hpp"
#include "lb/config/check.hpp"
#include "lb/config/validate.hpp"
#include "lb/config/yaml.hpp"

namespace loom {
namespace {

/// One byte more than allowed is enough to know that there are too many.
Result<std::string> read_up_to(int fd, size_t limit) {
  std::string text(limit + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error(errno, "read");
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

}  // namespace

bool LoadResult::ok() const {
  return std::none_of(diagnostics.begin(), diagnostics.end(),
                      [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

LoadResult load_config(std::string_view text) {
  LoadResult out;
  Report report;
  if (std::optional<ConfigNode> root = parse_yaml(text, report)) {
    check(*root, report);
    Bound bound = bind(*root, report);
    validate(Reader(&*root, ""), bound, report);
    out.config = std::move(bound.config);
  }
  out.diagnostics = std::move(report).finish();
  return out;
}

Result<LoadResult> load_config_file(const std::string& path, std::string& text) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return Error(errno, "open " + path);
  Result<std::string> content = read_up_to(file.get(), kMaxConfigBytes);
  if (!content) return std::move(content).error().in(path);
  text = *std::move(content);
  return load_config(text);
}

}  // namespace loom
