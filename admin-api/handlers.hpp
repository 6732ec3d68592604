// SPDX-License-Identifier: Apache-2.0
// One function per endpoint; routes.cpp says which is whose.
#pragma once

#include "admin-api/routes.hpp"

namespace loom::handlers {

// backends.cpp
HttpResponse list_backends(const ApiContext& api, const Call& call);
HttpResponse add_backend(const ApiContext& api, const Call& call);
HttpResponse show_backend(const ApiContext& api, const Call& call);
HttpResponse patch_backend(const ApiContext& api, const Call& call);
HttpResponse remove_backend(const ApiContext& api, const Call& call);

// services.cpp
HttpResponse list_services(const ApiContext& api, const Call& call);
HttpResponse show_service(const ApiContext& api, const Call& call);

// stats.cpp
HttpResponse show_stats(const ApiContext& api, const Call& call);
HttpResponse show_backend_stats(const ApiContext& api, const Call& call);

// connections.cpp
HttpResponse list_connections(const ApiContext& api, const Call& call);

// daemon.cpp
HttpResponse show_index(const ApiContext& api, const Call& call);
HttpResponse show_health(const ApiContext& api, const Call& call);
HttpResponse show_readiness(const ApiContext& api, const Call& call);
HttpResponse show_version(const ApiContext& api, const Call& call);
HttpResponse show_metrics(const ApiContext& api, const Call& call);

}  // namespace loom::handlers
