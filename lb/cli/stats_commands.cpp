// SPDX-License-Identifier: Apache-2.0
// loom stats
#include "lb/cli/handlers.hpp"
#include "lb/cli/text.hpp"
#include "lb/cli/views.hpp"

namespace loom::cli {
namespace {

struct Reasons {
  const char* key;   ///< In the document.
  const char* verb;  ///< What happened to the packets.
};

/// Reasons that never occurred are left out, unless asked for by --verbose.
Table reason_table(const Json& stats, bool zeroes) {
  Table table({{"PACKETS", Align::kRight}, {"WHAT"}, {"REASON"}});
  for (const Reasons& reasons : {Reasons{"drops", "dropped"}, Reasons{"passes", "passed"},
                                 Reasons{"replies", "replied"}, Reasons{"errors", "error"}}) {
    for (const auto& [reason, packets] : field(stats, reasons.key).items()) {
      if (number_of(packets) == 0 && !zeroes) continue;
      table.add({human_count(number_of(packets)), reasons.verb, reason});
    }
  }
  return table;
}

Table program_table(const Json& programs) {
  Table table({{"INTERFACE"}, {"MODE"}, {"PROGRAM", Align::kRight}, {"TAG"}, {"NOTE"}});
  for (const Json& program : programs) {
    table.add({text_field(program, "interface"), text_field(program, "mode"),
               text_field(program, "id"), text_field(program, "tag"), text_field(program, "note")});
  }
  return table;
}

}  // namespace

Result<ExitCode> run_stats(const Invocation&, Context& context) {
  const Result<Document> answer = context.api.get("/ebpf/stats");
  if (!answer) return answer.error();
  if (context.out.json()) {
    context.out.api_document(answer->text);
    return ExitCode::kOk;
  }
  const Json& stats = answer->json;
  const auto count = [&](const char* key) { return human_count(number_field(stats, key)); };
  const auto bytes = [&](const char* key) { return human_bytes(number_field(stats, key)); };
  Fields fields;
  fields.add("Packets", count("packets.forward") + " forwarded, " + count("packets.drop") +
                            " dropped, " + count("packets.pass") + " passed to the stack");
  fields.add("Bytes", bytes("bytes.rx") + " received, " + bytes("bytes.tx") + " sent");
  fields.add("Connections",
             count("connections.active") + " active, " + count("connections.total") + " in total");
  context.out.fields(fields);
  context.out.section(reason_table(stats, context.out.verbose()));
  context.out.section(program_table(list_field(stats, "programs")));
  context.out.section(map_table(list_field(stats, "maps")));
  return ExitCode::kOk;
}

}  // namespace loom::cli
