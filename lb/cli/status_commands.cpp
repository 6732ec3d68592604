// SPDX-License-Identifier: Apache-2.0
// loom status, loom healthcheck: is it well?
#include <algorithm>
#include <cerrno>

#include "lb/cli/handlers.hpp"
#include "lb/cli/text.hpp"
#include "lb/cli/views.hpp"

namespace loom::cli {
namespace {

struct Documents {
  Document ready, version, stats, services, backends;

  [[nodiscard]] bool is_ready() const { return ready.status == 200; }
};

Result<Documents> fetch(Api& api) {
  Result<Document> ready = api.readiness();
  if (!ready) return ready.error();
  Documents documents{.ready = std::move(*ready)};
  struct Part {
    const char* target;
    Document* document;
  };
  for (const Part& part :
       {Part{"/version", &documents.version}, Part{"/ebpf/stats", &documents.stats},
        Part{"/ebpf/services", &documents.services}, Part{"/ebpf/backends", &documents.backends}}) {
    Result<Document> answer = api.get(part.target);
    if (!answer) return answer.error();
    *part.document = std::move(*answer);
  }
  return documents;
}

std::vector<std::string> reasons(const Document& ready) {
  std::vector<std::string> texts;
  for (const Json& reason : list_field(ready.json, "reasons")) texts.push_back(text_of(reason));
  return texts;
}

/// EHOSTUNREACH counts as not ready yet: the daemon may be starting.
Result<void> wait_until_ready(std::chrono::milliseconds limit, Context& context) {
  constexpr std::chrono::milliseconds kPause{250};
  const auto deadline = context.clock.now() + limit;
  while (true) {
    const Result<Document> ready = context.api.readiness();
    if (ready && ready->status == 200) return {};
    if (!ready && ready.error().code() != EHOSTUNREACH) return ready.error();
    const std::string why = ready ? join(reasons(*ready), "; ") : ready.error().what();
    if (context.clock.now() + kPause > deadline) {
      return Error(ETIME, "not ready within " + human_duration(limit) + ": " + why);
    }
    context.clock.sleep(kPause);
  }
}

std::string interfaces_text(const Json& stats) {
  std::vector<std::string> parts;
  for (const Json& interface : list_field(stats, "interfaces")) {
    const std::string name = text_field(interface, "name");
    std::string how = is_true(field(interface, "attached")) ? "attached" : "not attached";
    for (const Json& program : list_field(stats, "programs")) {
      if (text_field(program, "interface") == name) how = text_field(program, "mode");
    }
    parts.push_back(std::string(name).append(" (").append(how).append(")"));
  }
  return join(parts, ", ");
}

std::string packets_text(const Json& stats) {
  return human_count(number_field(stats, "packets.forward")) + " forwarded, " +
         human_count(number_field(stats, "packets.drop")) + " dropped, " +
         human_count(number_field(stats, "packets.pass")) + " passed to the stack";
}

Cell readiness_cell(const Documents& documents) {
  if (documents.is_ready()) return {"ready", Style::kGood};
  return {"not ready: " + join(reasons(documents.ready), "; "), Style::kBad};
}

/// Everything that has a problem, one line each; not the reasons of readiness again.
std::vector<std::string> problems(const Documents& documents) {
  std::vector<std::string> lines;
  const auto add = [&](const std::string& name, const Json& item) {
    const std::string problem = text_field(item, "problem");
    if (!problem.empty()) lines.push_back(name + ": " + problem);
  };
  for (const Json& interface : list_field(documents.stats.json, "interfaces")) {
    add("interface " + text_field(interface, "name"), interface);
  }
  for (const Json& service : list_field(documents.services.json, "services")) {
    add("service " + text_field(service, "name"), service);
  }
  for (const Json& backend : list_field(documents.backends.json, "backends")) {
    add("backend " + text_field(backend, "id") + " (" + text_field(backend, "service") + " " +
            backend_address(backend) + ")",
        backend);
  }
  const std::string last = text_field(documents.ready.json, "last_error");
  if (!last.empty()) lines.push_back("last change: " + last);
  return lines;
}

void print_brief(const Documents& documents, Output& out) {
  const Json& services = list_field(documents.services.json, "services");
  const Json& backends = list_field(documents.backends.json, "backends");
  const Json& active = field(documents.stats.json, "connections.active");
  out.data(printable(readiness_cell(documents).text) + "; " + plural(services.size(), "service") +
           "; backends " + tally_text(tally(backends, "")) + "; " +
           plural(static_cast<uint64_t>(number_of(active)), "connection") + "\n");
}

void print(const Documents& documents, Context& context) {
  Output& out = context.out;
  const Json& stats = documents.stats.json;
  const Json& services = list_field(documents.services.json, "services");
  const Json& backends = list_field(documents.backends.json, "backends");
  Fields fields;
  fields.add("Status", readiness_cell(documents));
  fields.add("Daemon", "loomd " + text_field(documents.version.json, "version") + " at " +
                           context.api.url() + ", kernel " +
                           text_field(documents.version.json, "kernel"));
  fields.add("Generation", text_field(documents.ready.json, "generation"));
  fields.add("Interfaces", interfaces_text(stats));
  fields.add("Services", std::to_string(services.size()));
  fields.add("Backends", tally_text(tally(backends, "")));
  fields.add("Connections", human_count(number_field(stats, "connections.active")) + " active, " +
                                human_count(number_field(stats, "connections.total")) +
                                " in total");
  fields.add("Packets", packets_text(stats));
  for (const std::string& line : problems(documents)) {
    fields.add("Problem", Cell(line, Style::kBad));
  }
  out.fields(fields);
  if (!out.verbose()) return;
  out.section(backend_table(backends, Detail::kBasic, Json()));
  out.section(map_table(list_field(stats, "maps")));
}

Json status_document(const Documents& documents, const Api& api) {
  return {{"schema", "loom.status/v1"},
          {"server", api.url()},
          {"ready", documents.is_ready()},
          {"readyz", documents.ready.json},
          {"version", documents.version.json},
          {"stats", documents.stats.json},
          {"services", list_field(documents.services.json, "services")},
          {"backends", list_field(documents.backends.json, "backends")}};
}

}  // namespace

Result<ExitCode> run_status(const Invocation& invocation, Context& context) {
  if (invocation.has("wait")) {
    const Result<std::chrono::milliseconds> limit = parse_duration(invocation.value("wait"));
    if (!limit) return Error(limit.error()).in("--wait");
    if (Result<void> done = wait_until_ready(*limit, context); !done) return done.error();
  }
  const Result<Documents> documents = fetch(context.api);
  if (!documents) return documents.error();
  if (context.out.json()) {
    context.out.document(status_document(*documents, context.api));
  } else if (invocation.has("brief")) {
    print_brief(*documents, context.out);
  } else {
    print(*documents, context);
  }
  return documents->is_ready() ? ExitCode::kOk : ExitCode::kFailed;
}

Result<ExitCode> run_healthcheck(const Invocation&, Context& context) {
  const Result<Document> ready = context.api.readiness();
  if (!ready) {
    // Probes (Docker's HEALTHCHECK) reserve every status but 0 and 1.
    context.out.error(ready.error());
    return ExitCode::kFailed;
  }
  if (context.out.json()) {
    context.out.api_document(ready->text);
  } else if (ready->status == 200) {
    context.out.done("ready");
  } else {
    context.out.done("not ready: " + join(reasons(*ready), "; "));
  }
  return ready->status == 200 ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace loom::cli
