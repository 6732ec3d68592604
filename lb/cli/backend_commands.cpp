// SPDX-License-Identifier: Apache-2.0
// loom backend ...
#include <cerrno>

#include "lb/cli/handlers.hpp"
#include "lb/cli/text.hpp"
#include "lb/cli/views.hpp"
#include "lb/model/service.hpp"
#include "lb/net/endpoint.hpp"

namespace loom::cli {
namespace {

/// "backend 3 (web 10.0.0.1:80)"
std::string name_of(const Json& backend) {
  return "backend " + text_field(backend, "id") + " (" + text_field(backend, "service") + " " +
         backend_address(backend) + ")";
}

void report(Context& context, const Document& answer, const std::string& sentence) {
  if (context.out.json()) {
    context.out.api_document(answer.text);
  } else {
    context.out.done(sentence);
  }
}

Result<ExitCode> patch(const Invocation& invocation, Context& context, const Json& change) {
  const Result<std::string> target = backend_target(invocation.arguments()[0]);
  if (!target) return target.error();
  const Result<Document> answer = context.api.call({"PATCH", *target, compact_json(change)});
  if (!answer) return answer.error();
  const Json& backend = answer->json;
  report(context, *answer,
         name_of(backend) + ": weight " + text_field(backend, "weight") + ", state " +
             text_field(backend, "state") + ", " +
             human_share(number_field(backend, "slot_ratio")) + " of new connections");
  return ExitCode::kOk;
}

Result<Json> new_backend(const Invocation& invocation) {
  const std::string& text = invocation.arguments()[0];
  const Result<Endpoint> endpoint = Endpoint::parse(text);
  if (!endpoint) {
    return Error(EINVAL, endpoint.error().what())
        .with_hint("write it like 10.0.1.12:8080 or [2001:db8::12]:8080");
  }
  Json body = {{"address", endpoint->address.to_string()}};
  if (endpoint->port != 0) body["port"] = endpoint->port;
  if (invocation.has("weight")) {
    const Result<uint32_t> weight = parse_number(invocation.value("weight"), {0, kMaxWeight});
    if (!weight) return Error(weight.error()).in("--weight");
    body["weight"] = *weight;
  }
  if (invocation.has("service")) body["service"] = invocation.value("service");
  if (invocation.has("name")) body["name"] = invocation.value("name");
  return body;
}

}  // namespace

Result<ExitCode> run_backend_list(const Invocation&, Context& context) {
  const Result<Document> answer = context.api.get("/ebpf/backends");
  if (!answer) return answer.error();
  if (context.out.json()) {
    context.out.api_document(answer->text, "backends");
    return ExitCode::kOk;
  }
  const Json& backends = list_field(answer->json, "backends");
  if (backends.empty()) {
    context.out.warning("there are no backends; try: loom backend add ADDR:PORT");
    return ExitCode::kOk;
  }
  Json traffic;
  if (context.out.wide()) {
    Result<Document> stats = context.api.get("/ebpf/backends/stats");
    if (!stats) return stats.error();
    traffic = std::move(stats->json);
  }
  context.out.table(
      backend_table(backends, context.out.wide() ? Detail::kWide : Detail::kBasic, traffic));
  return ExitCode::kOk;
}

Result<ExitCode> run_backend_add(const Invocation& invocation, Context& context) {
  const Result<Json> body = new_backend(invocation);
  if (!body) return body.error();
  const Result<Document> answer = context.api.call({"POST", "/ebpf/backends", compact_json(*body)});
  if (!answer) return answer.error();
  report(context, *answer,
         name_of(answer->json) + " added, weight " + text_field(answer->json, "weight"));
  const std::string problem = text_field(answer->json, "problem");
  if (!problem.empty()) context.out.warning("nothing is sent to it yet: " + problem);
  return ExitCode::kOk;
}

Result<ExitCode> run_backend_rm(const Invocation& invocation, Context& context) {
  const Result<std::string> target = backend_target(invocation.arguments()[0]);
  if (!target) return target.error();
  const Result<Document> answer = context.api.call({"DELETE", *target, ""});
  if (!answer) return answer.error();
  report(context, *answer, name_of(field(answer->json, "removed")) + " removed");
  return ExitCode::kOk;
}

Result<ExitCode> run_backend_weight(const Invocation& invocation, Context& context) {
  const Result<uint32_t> weight = parse_number(invocation.arguments()[1], {0, kMaxWeight});
  if (!weight) return Error(weight.error()).in("weight");
  return patch(invocation, context, {{"weight", *weight}});
}

Result<ExitCode> run_backend_drain(const Invocation& invocation, Context& context) {
  return patch(invocation, context, {{"state", "drain"}});
}

Result<ExitCode> run_backend_enable(const Invocation& invocation, Context& context) {
  return patch(invocation, context, {{"state", "active"}});
}

Result<ExitCode> run_backend_maint(const Invocation& invocation, Context& context) {
  return patch(invocation, context, {{"state", "maint"}});
}

}  // namespace loom::cli
