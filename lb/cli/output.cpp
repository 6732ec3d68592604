// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/output.hpp"

#include "lb/cli/text.hpp"

namespace loom::cli {
namespace {

/// Line by line, so that a message may have several.
std::string clean(const std::string& text) {
  std::vector<std::string> lines = split(text, '\n');
  for (std::string& line : lines) line = printable(line);
  return join(lines, "\n");
}

}  // namespace

void Output::section(const Table& table) {
  if (table.empty()) return;
  data_ << "\n" << table.to_string(options_.data_colors);
}

void Output::done(const std::string& sentence) {
  if (options_.verbosity != Verbosity::kQuiet) data_ << clean(sentence) << "\n";
}

void Output::document(const Json& value) {
  data_ << (options_.format == Format::kNdjson ? compact_json(value) + "\n" : pretty_json(value));
}

void Output::api_document(const std::string& text, std::string_view items) {
  if (options_.format != Format::kNdjson) {
    data_ << text << (text.empty() || text.back() == '\n' ? "" : "\n");
    return;
  }
  const Json value = parse_json(text).value_or(Json());
  const Json& list = field(value, items);
  if (!list.is_array()) {
    data_ << compact_json(value) << "\n";
    return;
  }
  for (const Json& item : list) data_ << compact_json(item) << "\n";
}

void Output::error(const Error& error) {
  diagnostics_ << styled("loom:", Style::kBad, options_.error_colors) << " " << clean(error.what())
               << "\n";
  if (!error.hint().empty()) diagnostics_ << "      " << clean(error.hint()) << "\n";
}

void Output::warning(const std::string& sentence) {
  if (options_.verbosity == Verbosity::kQuiet) return;
  diagnostics_ << styled("warning:", Style::kWarn, options_.error_colors) << " " << clean(sentence)
               << "\n";
}

void Output::detail(const std::string& line) {
  if (verbose()) diagnostics_ << clean(line) << "\n";
}

}  // namespace loom::cli
