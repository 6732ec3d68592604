// SPDX-License-Identifier: Apache-2.0
// loom service ...
#include "lb/cli/handlers.hpp"
#include "lb/cli/text.hpp"
#include "lb/cli/views.hpp"

namespace loom::cli {

Result<ExitCode> run_service_list(const Invocation&, Context& context) {
  const Result<Document> answer = context.api.get("/ebpf/services");
  if (!answer) return answer.error();
  if (context.out.json()) {
    context.out.api_document(answer->text, "services");
    return ExitCode::kOk;
  }
  const Json& services = list_field(answer->json, "services");
  if (services.empty()) {
    context.out.warning("there are no services; they are declared in the configuration file");
    return ExitCode::kOk;
  }
  const Result<Document> members = context.api.get("/ebpf/backends");
  if (!members) return members.error();
  const Json& backends = list_field(members->json, "backends");

  std::vector<Column> columns = {{"NAME"}, {"VIPS"}, {"PORTS"}, {"FORWARDING"}, {"BACKENDS"}};
  if (context.out.wide()) columns.insert(columns.end(), {{"ALGORITHM"}, {"AFFINITY"}});
  columns.push_back({"PROBLEM"});
  Table table(std::move(columns));
  for (const Json& service : services) {
    const std::string name = text_field(service, "name");
    std::vector<Cell> row = {name, addresses_text(service), ports_text(service),
                             text_field(service, "forwarding"), tally_text(tally(backends, name))};
    if (context.out.wide()) {
      row.emplace_back(text_field(service, "algorithm"));
      row.emplace_back(text_field(service, "affinity"));
    }
    row.emplace_back(text_field(service, "problem"), Style::kBad);
    table.add(std::move(row));
  }
  context.out.table(table);
  return ExitCode::kOk;
}

Result<ExitCode> run_service_show(const Invocation& invocation, Context& context) {
  const std::string target = "/ebpf/services/" + percent_encode(invocation.arguments()[0]);
  const Result<Document> answer = context.api.get(target);
  if (!answer) return answer.error();
  if (context.out.json()) {
    context.out.api_document(answer->text);
    return ExitCode::kOk;
  }
  const Json& service = answer->json;
  const Json& backends = list_field(service, "backends");
  Fields fields;
  fields.add("Service", Cell(text_field(service, "name"), Style::kBold));
  fields.add("VIPs", addresses_text(service));
  fields.add("Ports", ports_text(service));
  fields.add("Forwarding", text_field(service, "forwarding"));
  fields.add("Algorithm", text_field(service, "algorithm"));
  fields.add("Affinity", text_field(service, "affinity"));
  fields.add("ICMP echo", text_field(service, "icmp_echo"));
  fields.add("No backend", text_field(service, "on_no_backend"));
  if (number_field(service, "source_addresses") > 0)
    fields.add("Sources", text_field(service, "source_addresses"));
  fields.add("Backends", tally_text(tally(backends, "")));
  const std::string problem = text_field(service, "problem");
  if (!problem.empty()) fields.add("Problem", Cell(problem, Style::kBad));
  context.out.fields(fields);
  if (backends.empty()) return ExitCode::kOk;

  Json traffic;
  if (context.out.wide()) {
    Result<Document> stats = context.api.get("/ebpf/backends/stats");
    if (!stats) return stats.error();
    traffic = std::move(stats->json);
  }
  context.out.section(
      backend_table(backends, context.out.wide() ? Detail::kWide : Detail::kBasic, traffic));
  return ExitCode::kOk;
}

}  // namespace loom::cli
