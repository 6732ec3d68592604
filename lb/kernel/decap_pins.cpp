// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/decap_pins.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "lb/kernel/codec.hpp"

namespace loom {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBpffs = "/sys/fs/bpf";

bool same_file(const char* one, const char* other) {
  struct stat a {};
  struct stat b {};
  return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool is_mount_point(const fs::path& path) {
  struct stat here {};
  struct stat above {};
  return stat(path.c_str(), &here) == 0 && stat(path.parent_path().c_str(), &above) == 0 &&
         here.st_dev != above.st_dev;
}

Result<bool> on_bpffs(const std::string& path) {
  // The nearest existing directory decides: ours may not exist yet.
  fs::path existing = path;
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path())
    existing = existing.parent_path();
  struct statfs found {};
  if (statfs(existing.c_str(), &found) != 0)
    return failed(errno, "cannot look at " + existing.string());
  return static_cast<unsigned long>(found.f_type) == BPF_FS_MAGIC;
}

bool may_mount(const std::string& path) {
  return path.starts_with(std::string(kBpffs) + "/") && !is_mount_point(kBpffs) &&
         same_file("/proc/self/ns/mnt", "/proc/1/ns/mnt");
}

Result<void> require_bpffs(const std::string& path) {
  Result<bool> found = on_bpffs(path);
  if (!found) return found.error();
  if (*found) return {};
  if (may_mount(path)) {
    if (mount("bpf", kBpffs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0) return {};
    return failed(errno, std::string("cannot mount a BPF file system on ") + kBpffs);
  }
  return Error(EINVAL, "The pin path " + path + " is not on a BPF file system")
      .with_hint(
          "mount one: mount -t bpf bpf /sys/fs/bpf (under `ip netns exec` /sys is another one: use "
          "nsenter --net=/run/netns/NAME instead, or a --pin-path on a bpffs mounted elsewhere)");
}

}  // namespace

DecapPins::DecapPins(const std::string& pin_path, const std::string& interface)
    : directory_(pin_path + "/" + pin_name(interface)) {}

Result<bool> DecapPins::make() const {
  if (mkdir(directory_.c_str(), 0700) == 0) return true;
  if (errno == EEXIST) return false;
  return failed(errno, "cannot make " + directory_);
}

Result<void> DecapPins::remove() const {
  std::error_code error;
  fs::remove_all(directory_, error);
  if (error) return failed(error.value(), "cannot remove " + directory_);
  // Fails while other interfaces have pins.
  rmdir(fs::path(directory_).parent_path().c_str());
  return {};
}

std::string DecapPins::tc(const TcFilter& filter) const {
  return of("tc-" + std::to_string(filter.priority) + "-" + std::to_string(filter.handle));
}

std::optional<TcFilter> DecapPins::tc_filter() const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory_, ignored)) {
    const std::string name = entry.path().filename().string();
    TcFilter filter;
    if (std::sscanf(name.c_str(), "tc-%u-%u", &filter.priority, &filter.handle) == 2 &&
        tc(filter) == entry.path().string())
      return filter;
  }
  return std::nullopt;
}

Result<UniqueFd> open_decap_pins(const std::string& pin_path) {
  if (Result<void> done = require_bpffs(pin_path); !done) return done.error();
  if (mkdir(pin_path.c_str(), 0700) != 0 && errno != EEXIST)
    return failed(errno, "cannot make " + pin_path);
  UniqueFd lock(::open(pin_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) return failed(errno, "cannot open " + pin_path);
  // A bpffs mounted without mode= is writable by everybody.
  struct stat info {};
  if (fstat(lock.get(), &info) != 0) return failed(errno, "cannot look at " + pin_path);
  if (info.st_uid != geteuid())
    return Error(EPERM, pin_path + " belongs to uid " + std::to_string(info.st_uid))
        .with_hint(
            "whoever owns the pins decides what is accepted: remove it, or name another "
            "--pin-path");
  if (flock(lock.get(), LOCK_EX) != 0) return failed(errno, "cannot lock " + pin_path);
  // Whoever held the lock may have removed the directory as the last of its pins went.
  if (fstat(lock.get(), &info) == 0 && info.st_nlink == 0) return open_decap_pins(pin_path);
  return lock;
}

Result<std::vector<std::string>> decap_interfaces(const std::string& pin_path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(pin_path, error))
    names.push_back(name_from_pin(entry.path().filename().string()));
  if (error && error != std::errc::no_such_file_or_directory)
    return failed(error.value(), "cannot read " + pin_path);
  std::sort(names.begin(), names.end());
  return names;
}

Error failed(int code, const std::string& what) {
  Error error(code, Error(code, what).message());
  if (code != EPERM && code != EACCES) return error;
  return std::move(error).with_hint(
      "run it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; mounting a BPF file system "
      "needs CAP_SYS_ADMIN");
}

}  // namespace loom
