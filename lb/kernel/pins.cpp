// SPDX-License-Identifier: Apache-2.0
#include "lb/kernel/pins.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "lb/kernel/codec.hpp"

namespace loom {
namespace {

namespace fs = std::filesystem;

Result<void> make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Error(errno, "make " + path);
  return {};
}

Result<void> remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return Error(error.value(), "remove " + path);
  return {};
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error))
    names.push_back(entry.path().filename().string());
  return names;
}

bool is_generation(const std::string& name) {
  return name.size() > 1 && name[0] == 'g' &&
         name.find_first_not_of("0123456789", 1) == std::string::npos;
}

unsigned long number_of(const std::string& generation) {
  unsigned long number = 0;
  std::from_chars(generation.data() + 1, generation.data() + generation.size(), number);
  return number;
}

Result<void> check_bpffs(const std::string& path) {
  // The nearest existing directory decides: ours may not exist yet.
  fs::path existing = path;
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path())
    existing = existing.parent_path();
  struct statfs stat {};
  if (statfs(existing.c_str(), &stat) != 0) return Error(errno, "look at " + existing.string());
  if (static_cast<unsigned long>(stat.f_type) != BPF_FS_MAGIC)
    return Error(0, "runtime.pin_path " + path + " is not on a BPF file system")
        .with_hint(
            "mount one: mount -t bpf bpf /sys/fs/bpf (inside `ip netns exec` /sys is "
            "another one: start with nsenter --net=/run/netns/NAME instead)");
  return {};
}

}  // namespace

Result<Pins> Pins::open(const std::string& path) {
  if (Result<void> done = check_bpffs(path); !done) return done.error();
  if (Result<void> done = make_directory(path); !done) return done.error();

  UniqueFd lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) return Error(errno, "open " + path);
  struct stat info {};
  if (fstat(lock.get(), &info) != 0) return Error(errno, "look at " + path);
  if (info.st_uid != geteuid())
    return Error(EPERM, path + " belongs to uid " + std::to_string(info.st_uid))
        .with_hint(
            "whoever owns the pins controls the datapath: remove the directory, or choose "
            "another runtime.pin_path");
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return Error(EBUSY, "another loomd uses runtime.pin_path " + path)
        .with_hint("stop it, or give this one a pin_path of its own");
  for (const char* folder : {"/links", "/filters"})
    if (Result<void> done = make_directory(path + folder); !done) return done.error();
  return Pins(path, std::move(lock));
}

Result<std::string> Pins::current() const {
  std::array<char, 64> target{};
  const ssize_t length = readlink((path_ + "/current").c_str(), target.data(), target.size() - 1);
  if (length < 0) {
    if (errno == ENOENT) return std::string();
    return Error(errno, "read " + path_ + "/current");
  }
  return std::string(target.data(), static_cast<size_t>(length));
}

Result<std::string> Pins::create_generation() {
  const Result<std::string> kept = current();
  if (!kept) return kept.error();
  if (Result<void> done = remove_generations_but(*kept); !done) return done.error();

  const unsigned long next = kept->empty() ? 1 : number_of(*kept) + 1;
  const std::string name = "g" + std::to_string(next);
  for (const char* folder : {"", "/maps", "/rings", "/history", "/progs"})
    if (Result<void> done = make_directory(path_ + "/" + name + folder); !done) return done.error();
  return name;
}

Result<void> Pins::set_current(const std::string& generation) {
  const std::string link = path_ + "/current";
  const std::string fresh = path_ + "/current+";
  unlink(fresh.c_str());
  if (symlink(generation.c_str(), fresh.c_str()) != 0) return Error(errno, "make " + fresh);
  if (rename(fresh.c_str(), link.c_str()) != 0) return Error(errno, "replace " + link);
  return {};
}

std::string Pins::other_generation(const std::string& current) const {
  for (const std::string& name : names_in(path_))
    if (is_generation(name) && name != current) return name;
  return {};
}

Result<void> Pins::rename_link(const std::string& from, const std::string& to) {
  if (rename(link(from).c_str(), link(to).c_str()) != 0)
    return Error(errno, "rename the pin of " + from);
  return {};
}

Result<void> Pins::remove_generations_but(const std::string& kept) {
  for (const std::string& name : names_in(path_)) {
    if (!is_generation(name) || name == kept) continue;
    if (Result<void> done = remove_tree(path_ + "/" + name); !done) return done;
  }
  return {};
}

std::string Pins::map(const std::string& generation, const std::string& name) const {
  return path_ + "/" + generation + "/maps/" + name;
}

std::string Pins::ring(const std::string& generation, const std::string& service) const {
  return path_ + "/" + generation + "/rings/" + pin_name(service);
}

std::string Pins::history(const std::string& generation, const std::string& service) const {
  return path_ + "/" + generation + "/history/" + pin_name(service);
}

std::string Pins::program(const std::string& generation, const std::string& name) const {
  return path_ + "/" + generation + "/progs/" + name;
}

std::vector<std::string> Pins::programs(const std::string& generation) const {
  return names_in(path_ + "/" + generation + "/progs");
}

std::string Pins::link(const std::string& interface) const {
  return path_ + "/links/" + pin_name(interface);
}

std::string Pins::filter(const std::string& interface) const {
  return path_ + "/filters/" + pin_name(interface);
}

namespace {

std::vector<std::string> pinned_names(const std::string& folder) {
  std::vector<std::string> names;
  for (const std::string& pin : names_in(folder))
    if (!pin.ends_with('+')) names.push_back(name_from_pin(pin));
  return names;
}

}  // namespace

std::vector<std::string> Pins::links() const {
  return pinned_names(path_ + "/links");
}

std::vector<std::string> Pins::filters() const {
  return pinned_names(path_ + "/filters");
}

std::vector<std::string> Pins::rings(const std::string& generation) const {
  return pinned_names(path_ + "/" + generation + "/rings");
}

Result<void> Pins::remove_all() {
  for (const char* folder : {"/links", "/filters"})
    if (Result<void> done = remove_tree(path_ + folder); !done) return done;
  if (unlink((path_ + "/current").c_str()) != 0 && errno != ENOENT)
    return Error(errno, "remove " + path_ + "/current");
  if (Result<void> done = remove_generations_but(""); !done) return done;
  if (rmdir(path_.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EBUSY)
    return Error(errno, "remove " + path_);
  return {};
}

Result<void> pin_replacing(int fd, const std::string& path) {
  const std::string fresh = path + "+";
  unlink(fresh.c_str());
  if (bpf_obj_pin(fd, fresh.c_str()) != 0) return Error(errno, "pin " + fresh);
  if (rename(fresh.c_str(), path.c_str()) != 0) return Error(errno, "replace pin " + path);
  return {};
}

Result<UniqueFd> open_pin(const std::string& path) {
  UniqueFd fd(bpf_obj_get(path.c_str()));
  if (!fd) return Error(errno, "open " + path);
  return fd;
}

}  // namespace loom
