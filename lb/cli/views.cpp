// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/views.hpp"

#include <algorithm>

#include "lb/cli/text.hpp"

namespace loom::cli {
namespace {

const Json& find_by_id(const Json& items, const Json& id) {
  static const Json kNull;
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const Json& item) { return field(item, "id") == id; });
  return found == items.end() ? kNull : *found;
}

bool any_problem(const Json& items) {
  return std::any_of(items.begin(), items.end(),
                     [](const Json& item) { return !text_field(item, "problem").empty(); });
}

}  // namespace

std::string endpoint_text(const std::string& address, const std::string& port) {
  if (port.empty() || port == "0") return address;
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + port;
}

std::string backend_address(const Json& backend) {
  return endpoint_text(text_field(backend, "address"), text_field(backend, "port"));
}

Cell status_cell(const Json& backend) {
  const std::string status = text_field(backend, "status");
  if (status == "up") return {status, Style::kGood};
  return {status, status == "down" ? Style::kBad : Style::kWarn};
}

std::string ports_text(const Json& service) {
  std::vector<std::string> parts;
  for (const Json& port : list_field(service, "ports")) {
    parts.push_back(text_field(port, "port") + "/" + text_field(port, "protocol"));
  }
  return join(parts, ",");
}

std::string addresses_text(const Json& service) {
  std::vector<std::string> parts;
  for (const Json& vip : list_field(service, "vips")) parts.push_back(text_of(vip));
  return join(parts, ",");
}

Table backend_table(const Json& backends, Detail detail, const Json& traffic) {
  const bool wide = detail == Detail::kWide;
  const bool problems = any_problem(backends);
  std::vector<Column> columns = {
      {"ID", Align::kRight},     {"SERVICE"}, {"NAME"},   {"ADDRESS"},
      {"WEIGHT", Align::kRight}, {"STATE"},   {"STATUS"}, {"SHARE", Align::kRight}};
  if (wide) {
    columns.insert(columns.end(), {{"HEALTH"},
                                   {"SOURCE"},
                                   {"NEXT-HOP"},
                                   {"CONNECTIONS", Align::kRight},
                                   {"PACKETS", Align::kRight},
                                   {"RX", Align::kRight},
                                   {"TX", Align::kRight}});
  }
  if (problems) columns.push_back({"PROBLEM"});

  Table table(std::move(columns));
  for (const Json& backend : backends) {
    std::vector<Cell> row = {
        text_field(backend, "id"),     text_field(backend, "service"),
        text_field(backend, "name"),   backend_address(backend),
        text_field(backend, "weight"), text_field(backend, "state"),
        status_cell(backend),          human_share(number_field(backend, "slot_ratio"))};
    if (wide) {
      const Json& counted = find_by_id(list_field(traffic, "backends"), field(backend, "id"));
      row.insert(row.end(), {text_field(backend, "health"), text_field(backend, "source"),
                             text_field(backend, "next_hop.destination_mac"),
                             human_count(number_field(counted, "connections_active")),
                             human_count(number_field(counted, "packets")),
                             human_bytes(number_field(counted, "rx_bytes")),
                             human_bytes(number_field(counted, "tx_bytes"))});
    }
    if (problems) row.emplace_back(text_field(backend, "problem"), Style::kBad);
    table.add(std::move(row));
  }
  return table;
}

Table map_table(const Json& maps) {
  constexpr double kNearlyFull = 0.9;
  Table table({{"MAP"},
               {"ENTRIES", Align::kRight},
               {"MAX", Align::kRight},
               {"FULL", Align::kRight},
               {"MEMORY", Align::kRight}});
  for (const Json& map : maps) {
    const double fill = number_field(map, "fill");
    const Json& memory = field(map, "memory_bytes");
    table.add({text_field(map, "name"), text_field(map, "entries"), text_field(map, "max_entries"),
               Cell(human_share(fill), fill >= kNearlyFull ? Style::kWarn : Style::kPlain),
               memory.is_number() ? human_bytes(number_of(memory)) : ""});
  }
  return table;
}

BackendTally tally(const Json& backends, const std::string& service) {
  BackendTally counted;
  for (const Json& backend : backends) {
    if (!service.empty() && text_field(backend, "service") != service) continue;
    ++counted.total;
    ++counted.by_status[text_field(backend, "status")];
  }
  return counted;
}

std::string tally_text(const BackendTally& tally) {
  const auto up = tally.by_status.find("up");
  std::string text = std::to_string(up == tally.by_status.end() ? 0 : up->second) + " of " +
                     std::to_string(tally.total) + " up";
  for (const auto& [status, count] : tally.by_status) {
    if (status != "up") text += ", " + std::to_string(count) + " " + status;
  }
  return text;
}

}  // namespace loom::cli
