// SPDX-License-Identifier: Apache-2.0
// loom conn ...
#include "lb/cli/handlers.hpp"
#include "lb/cli/text.hpp"
#include "lb/cli/views.hpp"

namespace loom::cli {
namespace {

constexpr uint32_t kMaxLimit = 100'000;  // The API's.

Result<std::string> target_of(const Invocation& invocation, uint32_t limit) {
  std::string target = "/ebpf/connections?limit=" + std::to_string(limit);
  if (invocation.has("backend")) {
    const std::string backend = invocation.value("backend");
    if (Result<std::string> named = backend_target(backend); !named) return named.error();
    target += "&backend=" + percent_encode(backend);
  }
  if (invocation.has("client")) {
    const Result<IpAddr> client = IpAddr::parse(invocation.value("client"));
    if (!client) return Error(client.error()).in("--client");
    target += "&client=" + percent_encode(client->to_string());
  }
  return target;
}

std::string duration_text(const Json& connection, std::string_view key) {
  return human_duration(
      std::chrono::milliseconds(static_cast<int64_t>(number_field(connection, key))));
}

Table connection_table(const Json& connections, Detail detail) {
  const bool wide = detail == Detail::kWide;
  std::vector<Column> columns = {{"PROTO"},
                                 {"CLIENT"},
                                 {"VIP"},
                                 {"BACKEND"},
                                 {"STATE"},
                                 {"IDLE", Align::kRight},
                                 {"PACKETS", Align::kRight},
                                 {"BYTES", Align::kRight}};
  if (wide)
    columns.insert(columns.end(), {{"AGE", Align::kRight},
                                   {"REPLIES", Align::kRight},
                                   {"REPLY-BYTES", Align::kRight},
                                   {"NAT"}});
  Table table(std::move(columns));
  for (const Json& connection : connections) {
    std::vector<Cell> row = {text_field(connection, "protocol"),
                             text_field(connection, "client"),
                             text_field(connection, "vip"),
                             text_field(connection, "backend"),
                             text_field(connection, "state"),
                             duration_text(connection, "idle_ms"),
                             human_count(number_field(connection, "packets")),
                             human_bytes(number_field(connection, "bytes"))};
    if (wide) {
      row.emplace_back(duration_text(connection, "age_ms"));
      row.emplace_back(human_count(number_field(connection, "reply_packets")));
      row.emplace_back(human_bytes(number_field(connection, "reply_bytes")));
      row.emplace_back(text_field(connection, "nat"));
    }
    table.add(std::move(row));
  }
  return table;
}

}  // namespace

Result<ExitCode> run_conn_list(const Invocation& invocation, Context& context) {
  const Result<uint32_t> limit = parse_number(invocation.value("limit", "1000"), {1, kMaxLimit});
  if (!limit) return Error(limit.error()).in("--limit");
  const Result<std::string> target = target_of(invocation, *limit);
  if (!target) return target.error();
  const Result<Document> answer = context.api.get(*target);
  if (!answer) return answer.error();
  if (context.out.json()) {
    context.out.api_document(answer->text, "connections");
    return ExitCode::kOk;
  }
  const Json& connections = list_field(answer->json, "connections");
  if (!connections.empty()) {
    context.out.table(
        connection_table(connections, context.out.wide() ? Detail::kWide : Detail::kBasic));
  }
  const auto total = static_cast<uint64_t>(number_field(answer->json, "total"));
  if (total > connections.size()) {
    context.out.warning(std::to_string(connections.size()) + " of " + plural(total, "connection") +
                        " shown; more with --limit N");
  } else if (connections.empty()) {
    context.out.warning("no connections");
  }
  return ExitCode::kOk;
}

Result<ExitCode> run_conn_count(const Invocation& invocation, Context& context) {
  const Result<std::string> target = target_of(invocation, 1);
  if (!target) return target.error();
  const Result<Document> answer = context.api.get(*target);
  if (!answer) return answer.error();
  const Json& total = field(answer->json, "total");
  if (context.out.json()) {
    context.out.document({{"schema", "loom.connection_count/v1"}, {"total", total}});
  } else {
    context.out.data(text_of(total) + "\n");
  }
  return ExitCode::kOk;
}

}  // namespace loom::cli
