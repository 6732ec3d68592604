// SPDX-License-Identifier: Apache-2.0
#include "admin-api/find_backend.hpp"

#include <algorithm>
#include <charconv>

namespace loom {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

const BackendView* find_by_number(const Snapshot& snapshot, std::string_view digits) {
  uint32_t id = 0;
  const auto [end, err] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  return err == std::errc() ? snapshot.find_backend(id) : nullptr;
}

std::vector<const BackendView*> with_endpoint(const Snapshot& snapshot, const Endpoint& endpoint) {
  std::vector<const BackendView*> out;
  for (const BackendView* backend : backends_by_id(snapshot))
    if (backend->endpoint == endpoint) out.push_back(backend);
  return out;
}

Problem ambiguous(const Endpoint& endpoint, const std::vector<const BackendView*>& matches) {
  Problem problem{.kind = problems::kAmbiguous,
                  .detail = endpoint.to_string() + " is a backend of " +
                            std::to_string(matches.size()) + " services; name it by its id"};
  problem.extra["backends"] = Json::array();
  for (const BackendView* match : matches)
    problem.extra["backends"].push_back(
        {{"id", match->id}, {"service", match->service}, {"path", backend_path(match->id)}});
  return problem;
}

}  // namespace

std::string backend_path(uint32_t api_id) {
  return "/ebpf/backends/" + std::to_string(api_id);
}

std::vector<const BackendView*> backends_by_id(const Snapshot& snapshot) {
  std::vector<const BackendView*> out;
  for (const ServiceView& service : snapshot.services)
    for (const BackendView& backend : service.backends) out.push_back(&backend);
  std::sort(out.begin(), out.end(),
            [](const BackendView* a, const BackendView* b) { return a->id < b->id; });
  return out;
}

OrProblem<const BackendView*> find_backend(const Snapshot& snapshot, std::string_view id) {
  if (is_number(id)) {
    if (const BackendView* found = find_by_number(snapshot, id)) return found;
    return Problem{.kind = problems::kNotFound, .detail = "no backend has id " + std::string(id)};
  }
  const Result<Endpoint> endpoint = Endpoint::parse(id);
  if (!endpoint)
    return Problem{.kind = problems::kNotFound,
                   .detail = "a backend is named by its id or by address:port"};

  std::vector<const BackendView*> matches = with_endpoint(snapshot, *endpoint);
  // A backend without a port takes every port: DSR backends are stored so, however they were added.
  if (matches.empty()) matches = with_endpoint(snapshot, {endpoint->address, 0});
  if (matches.empty())
    return Problem{.kind = problems::kNotFound, .detail = "no backend is " + endpoint->to_string()};
  if (matches.size() > 1) return ambiguous(*endpoint, matches);
  return matches[0];
}

}  // namespace loom
