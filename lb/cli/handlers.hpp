// SPDX-License-Identifier: Apache-2.0
// One function per command; command_table.cpp says which belongs to which.
#pragma once

#include "lb/base/result.hpp"
#include "lb/cli/command.hpp"
#include "lb/cli/context.hpp"

namespace loom::cli {

Result<ExitCode> run_status(const Invocation& invocation, Context& context);
Result<ExitCode> run_healthcheck(const Invocation& invocation, Context& context);
Result<ExitCode> run_stats(const Invocation& invocation, Context& context);

Result<ExitCode> run_service_list(const Invocation& invocation, Context& context);
Result<ExitCode> run_service_show(const Invocation& invocation, Context& context);

Result<ExitCode> run_backend_list(const Invocation& invocation, Context& context);
Result<ExitCode> run_backend_add(const Invocation& invocation, Context& context);
Result<ExitCode> run_backend_rm(const Invocation& invocation, Context& context);
Result<ExitCode> run_backend_weight(const Invocation& invocation, Context& context);
Result<ExitCode> run_backend_drain(const Invocation& invocation, Context& context);
Result<ExitCode> run_backend_enable(const Invocation& invocation, Context& context);
Result<ExitCode> run_backend_maint(const Invocation& invocation, Context& context);

Result<ExitCode> run_conn_list(const Invocation& invocation, Context& context);
Result<ExitCode> run_conn_count(const Invocation& invocation, Context& context);

Result<ExitCode> run_config_check(const Invocation& invocation, Context& context);

Result<ExitCode> run_decap_attach(const Invocation& invocation, Context& context);
Result<ExitCode> run_decap_detach(const Invocation& invocation, Context& context);
Result<ExitCode> run_decap_status(const Invocation& invocation, Context& context);

Result<ExitCode> run_version(const Invocation& invocation, Context& context);
Result<ExitCode> run_help(const Invocation& invocation, Context& context);
Result<ExitCode> run_completion(const Invocation& invocation, Context& context);

}  // namespace loom::cli
