// SPDX-License-Identifier: Apache-2.0
// loom decap ...: works on this host's kernel, without the daemon.
#include <cerrno>

#include "lb/cli/handlers.hpp"
#include "lb/cli/text.hpp"

namespace loom::cli {
namespace {

std::string pin_path(const Invocation& invocation) {
  return invocation.value("pin-path", std::string(kDecapPinPath));
}

template <class T>
Result<std::vector<T>> parse_all(const Invocation& invocation, const std::string& option) {
  std::vector<T> parsed;
  for (const std::string& text : invocation.values(option)) {
    const Result<T> value = T::parse(text);
    if (!value) return Error(value.error()).in("--" + option);
    parsed.push_back(*value);
  }
  if (parsed.empty()) {
    return Error(EINVAL, "--" + option + " is missing")
        .with_hint("example: " + std::string(find_command("decap attach")->example));
  }
  return parsed;
}

Result<DecapOptions> options_of(const Invocation& invocation) {
  DecapOptions options;
  options.interface = invocation.arguments()[0];
  options.pin_path = pin_path(invocation);
  options.tc = invocation.has("tc");

  Result<std::vector<Prefix>> from = parse_all<Prefix>(invocation, "from");
  if (!from) return from.error();
  options.from = std::move(*from);
  Result<std::vector<IpAddr>> vips = parse_all<IpAddr>(invocation, "vip");
  if (!vips) return vips.error();
  options.vips = std::move(*vips);

  if (invocation.has("encap")) options.encaps.clear();
  for (const std::string& encap : invocation.values("encap")) {
    options.encaps.insert(encap == "gue" ? DecapEncap::kGue : DecapEncap::kIpip);
  }
  if (invocation.has("port")) {
    const Result<uint32_t> port = parse_number(invocation.value("port"), {1, 65535});
    if (!port) return Error(port.error()).in("--port");
    if (!options.encaps.contains(DecapEncap::kGue)) {
      return Error(EINVAL, "--port is the port of GUE, which --encap leaves out");
    }
    options.port = static_cast<uint16_t>(*port);
  }
  return options;
}

template <class List>
std::string list_text(const List& items) {
  std::vector<std::string> parts;
  parts.reserve(items.size());
  for (const auto& item : items) parts.push_back(item.to_string());
  return join(parts, ",");
}

std::string encaps_text(const DecapInterface& interface) {
  std::vector<std::string> parts;
  for (const DecapEncap encap : interface.encaps) {
    const std::string port =
        encap == DecapEncap::kGue ? ":" + std::to_string(interface.port) : std::string();
    parts.push_back(std::string(to_string(encap)) + port);
  }
  return join(parts, ",");
}

Json json_of(const DecapInterface& interface) {
  Json json = {{"interface", interface.name},
               {"mode", to_string(interface.mode)},
               {"program_id", interface.program_id},
               {"note", interface.note},
               {"encaps", Json::array()},
               {"gue_port", interface.port},
               {"from", Json::array()},
               {"vips", Json::array()},
               {"verdicts", Json::array()}};
  for (const DecapEncap encap : interface.encaps) json["encaps"].push_back(to_string(encap));
  for (const Prefix& prefix : interface.from) json["from"].push_back(prefix.to_string());
  for (const IpAddr& vip : interface.vips) json["vips"].push_back(vip.to_string());
  for (const DecapCount& count : interface.counters) {
    json["verdicts"].push_back(
        {{"verdict", count.verdict}, {"packets", count.packets}, {"bytes", count.bytes}});
  }
  return json;
}

Table counter_table(const DecapStatus& status, bool zeroes) {
  Table table({{"INTERFACE"}, {"VERDICT"}, {"PACKETS", Align::kRight}, {"BYTES", Align::kRight}});
  for (const DecapInterface& interface : status.interfaces) {
    for (const DecapCount& count : interface.counters) {
      if (count.packets == 0 && !zeroes) continue;
      table.add({interface.name, count.verdict, human_count(static_cast<double>(count.packets)),
                 human_bytes(static_cast<double>(count.bytes))});
    }
  }
  return table;
}

Table interface_table(const DecapStatus& status) {
  Table table({{"INTERFACE"}, {"MODE"}, {"ENCAP"}, {"FROM"}, {"VIPS"}, {"NOTE"}});
  for (const DecapInterface& interface : status.interfaces) {
    const bool detached = interface.mode == DecapMode::kDetached;
    table.add({interface.name,
               Cell(std::string(to_string(interface.mode)), detached ? Style::kBad : Style::kGood),
               encaps_text(interface), list_text(interface.from), list_text(interface.vips),
               interface.note});
  }
  return table;
}

}  // namespace

Result<ExitCode> run_decap_attach(const Invocation& invocation, Context& context) {
  const Result<DecapOptions> options = options_of(invocation);
  if (!options) return options.error();
  const Result<DecapInterface> attached = context.decap.attach(*options);
  if (!attached) return attached.error();
  if (context.out.json()) {
    Json document = {{"schema", "loom.decap_interface/v1"}};
    document.update(json_of(*attached));
    context.out.document(document);
    return ExitCode::kOk;
  }
  context.out.done("decapsulating " + encaps_text(*attached) + " on " + attached->name + " (" +
                   std::string(to_string(attached->mode)) + ") from " + list_text(attached->from) +
                   " for " + list_text(attached->vips));
  if (!attached->note.empty()) context.out.warning(attached->note);
  return ExitCode::kOk;
}

Result<ExitCode> run_decap_detach(const Invocation& invocation, Context& context) {
  const std::string& interface = invocation.arguments()[0];
  const Result<void> detached = context.decap.detach(interface, pin_path(invocation));
  if (!detached) return detached.error();
  if (context.out.json()) {
    context.out.document({{"schema", "loom.decap_detached/v1"}, {"interface", interface}});
  } else {
    context.out.done(interface + " no longer decapsulates");
  }
  return ExitCode::kOk;
}

Result<ExitCode> run_decap_status(const Invocation& invocation, Context& context) {
  const Result<DecapStatus> status = context.decap.status(pin_path(invocation));
  if (!status) return status.error();
  if (context.out.json()) {
    Json interfaces = Json::array();
    for (const DecapInterface& interface : status->interfaces) {
      interfaces.push_back(json_of(interface));
    }
    const Json document = {{"schema", "loom.decap/v1"}, {"interfaces", std::move(interfaces)}};
    context.out.api_document(pretty_json(document), "interfaces");
    return ExitCode::kOk;
  }
  if (status->interfaces.empty()) {
    context.out.warning("this host decapsulates nowhere; try: loom decap attach IF --from ...");
    return ExitCode::kOk;
  }
  context.out.table(interface_table(*status));
  context.out.section(counter_table(*status, context.out.verbose()));
  return ExitCode::kOk;
}

}  // namespace loom::cli
