// SPDX-License-Identifier: Apache-2.0
#include "lb/control/edit.hpp"

#include <algorithm>
#include <cerrno>

namespace loom {
namespace {

bool has_backend(const ServiceSpec* service, const Endpoint& endpoint) {
  return service && std::any_of(service->backends.begin(), service->backends.end(),
                                [&](const BackendSpec& b) { return b.endpoint == endpoint; });
}

Error unknown_backend(uint32_t api_id) {
  return Error(ENOENT, "no backend has id " + std::to_string(api_id))
      .with_hint("GET /ebpf/backends lists them");
}

/// The service a new backend goes to.
Result<const ServiceSpec*> target_service(const Spec& spec, const NewBackend& backend) {
  if (backend.service) {
    const ServiceSpec* service = spec.find(*backend.service);
    if (!service) return Error(ENOENT, "no service is called \"" + *backend.service + "\"");
    return service;
  }
  if (spec.services.size() == 1) return &spec.services.front();
  if (spec.services.empty()) return Error(ENOENT, "no service is configured");
  std::string names;
  for (const ServiceSpec& service : spec.services)
    names += (names.empty() ? "" : ", ") + service.name;
  return Error(EINVAL, "several services exist; name one of " + names + " as \"service\"");
}

Result<void> check_room(const EditContext& context, const Spec& spec) {
  size_t count = 0;
  for (const ServiceSpec& service : spec.services) count += service.backends.size();
  if (count < context.max_backends) return {};
  return Error(EINVAL, "all " + std::to_string(context.max_backends) + " backends are in use")
      .with_hint("raise maps.backends.max_entries and restart loomd");
}

const BackendView* find(const Snapshot& now, const std::string& service, const Endpoint& endpoint) {
  for (const ServiceView& view : now.services)
    for (const BackendView& backend : view.backends)
      if (view.name == service && backend.endpoint == endpoint) return &backend;
  return nullptr;
}

}  // namespace

Result<Edit> edit_add(const EditContext& context, const NewBackend& request) {
  const Spec spec = context.overlay.apply(context.file);
  const Result<const ServiceSpec*> service = target_service(spec, request);
  if (!service) return service.error();
  const ServiceSpec& target = **service;

  BackendSpec backend = request.backend;
  if (Result<void> done = normalize_backend(target, backend); !done) return done.error();
  if (has_backend(&target, backend.endpoint)) {
    const BackendView* there = find(context.now, target.name, backend.endpoint);
    return Error(EEXIST, backend.endpoint.to_string() + " is already backend " +
                             std::to_string(there ? there->id : 0) + " of service " + target.name);
  }
  if (Result<void> done = check_room(context, spec); !done) return done.error();

  Edit edit{context.overlay, target.name, backend.endpoint};
  // Also where the file has a backend that was removed: this is a new one, with an id of its own.
  edit.overlay.services[target.name][backend.endpoint] = {.added = backend};
  return edit;
}

Result<Edit> edit_patch(const EditContext& context, uint32_t api_id, const BackendPatch& patch) {
  const BackendView* backend = context.now.find_backend(api_id);
  if (!backend) return unknown_backend(api_id);
  if (patch.weight && *patch.weight > kMaxWeight)
    return Error(EINVAL, "weight must be 0 to " + std::to_string(kMaxWeight));

  Edit edit{context.overlay, backend->service, backend->endpoint};
  OverlayBackend& entry = edit.overlay.services[backend->service][backend->endpoint];
  if (patch.weight) entry.weight = patch.weight;
  if (patch.state) entry.state = patch.state;
  if (patch.name) entry.name = patch.name;
  return edit;
}

Result<Edit> edit_remove(const EditContext& context, uint32_t api_id) {
  const BackendView* backend = context.now.find_backend(api_id);
  if (!backend) return unknown_backend(api_id);

  Edit edit{context.overlay, backend->service, backend->endpoint};
  auto& entries = edit.overlay.services[backend->service];
  if (has_backend(context.file.find(backend->service), backend->endpoint))
    entries[backend->endpoint] = {.removed = true};
  else
    entries.erase(backend->endpoint);
  if (entries.empty()) edit.overlay.services.erase(backend->service);
  return edit;
}

}  // namespace loom
