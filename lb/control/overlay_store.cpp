// SPDX-License-Identifier: Apache-2.0
#include "lb/control/overlay_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "lb/base/unique_fd.hpp"

namespace loom {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kSchema = "loom.overlay/v1";
constexpr std::array kStates{AdminState::kActive, AdminState::kDrain, AdminState::kMaint};

Json to_json(const BackendSpec& spec) {
  return {{"weight", spec.weight},
          {"state", to_string(spec.state)},
          {"name", spec.name},
          {"id", spec.api_id}};
}

Json to_json(const OverlayBackend& entry) {
  Json out = Json::object();
  if (entry.removed) out["removed"] = true;
  if (entry.added) out["added"] = to_json(*entry.added);
  if (entry.weight) out["weight"] = *entry.weight;
  if (entry.state) out["state"] = to_string(*entry.state);
  if (entry.name) out["name"] = *entry.name;
  return out;
}

// These throw nlohmann's exceptions and std::invalid_argument; load_overlay() catches.
AdminState state_from(const std::string& text) {
  for (const AdminState state : kStates)
    if (to_string(state) == text) return state;
  throw std::invalid_argument("unknown state \"" + text + "\"");
}

OverlayBackend entry_from(const Json& json, const Endpoint& endpoint) {
  OverlayBackend out;
  out.removed = json.value("removed", false);
  if (json.contains("added")) {
    const Json& added = json.at("added");
    BackendSpec spec;
    spec.endpoint = endpoint;
    spec.weight = added.at("weight").get<uint32_t>();
    spec.state = state_from(added.at("state").get<std::string>());
    spec.name = added.at("name").get<std::string>();
    spec.api_id = added.at("id").get<uint32_t>();
    out.added = spec;
  }
  if (json.contains("weight")) out.weight = json.at("weight").get<uint32_t>();
  if (json.contains("state")) out.state = state_from(json.at("state").get<std::string>());
  if (json.contains("name")) out.name = json.at("name").get<std::string>();
  return out;
}

Overlay overlay_from(const Json& json) {
  if (json.at("schema") != kSchema) throw std::invalid_argument("another schema");
  Overlay out;
  for (const auto& [service, backends] : json.at("services").items())
    for (const auto& [text, entry] : backends.items()) {
      const Result<Endpoint> endpoint = Endpoint::parse(text);
      if (!endpoint) throw std::invalid_argument(endpoint.error().what());
      out.services[service][*endpoint] = entry_from(entry, *endpoint);
    }
  return out;
}

Result<void> write_synced(const std::string& path, const std::string& text) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return Error(errno, "write " + path);
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(file.get(), text.data() + done, text.size() - done);
    if (count < 0) return Error(errno, "write " + path);
    done += static_cast<size_t>(count);
  }
  if (fsync(file.get()) != 0) return Error(errno, "sync " + path);
  return {};
}

}  // namespace

Result<Overlay> load_overlay(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    if (errno == ENOENT) return Overlay{};
    return Error(errno, "read " + path);
  }
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  try {
    return overlay_from(Json::parse(text));
  } catch (const std::exception& error) {
    return Error(0, path + " is not a file of changes made through the API: " + error.what())
        .with_hint("move it away to start with what the configuration file says");
  }
}

Result<void> save_overlay(const std::string& path, const Overlay& overlay) {
  Json services = Json::object();
  for (const auto& [service, backends] : overlay.services)
    for (const auto& [endpoint, entry] : backends)
      services[service][endpoint.to_string()] = to_json(entry);
  const Json out = {{"schema", kSchema}, {"services", std::move(services)}};

  const std::string directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Error(error.value(), "make " + directory);
  const std::string aside = path + ".new";
  if (Result<void> done = write_synced(aside, out.dump(2) + "\n"); !done) return done;
  if (rename(aside.c_str(), path.c_str()) != 0) return Error(errno, "replace " + path);
  const UniqueFd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.get()) != 0) return Error(errno, "sync " + directory);
  return {};
}

}  // namespace loom
