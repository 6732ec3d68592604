// SPDX-License-Identifier: Apache-2.0
// Where a command's words go: data to stdout, everything about the data to stderr.
#pragma once

#include <ostream>
#include <string>

#include "lb/base/result.hpp"
#include "lb/cli/json.hpp"
#include "lb/cli/table.hpp"

namespace loom::cli {

enum class Format { kTable, kWide, kJson, kNdjson };
enum class Verbosity { kQuiet, kNormal, kVerbose };

struct OutputOptions {
  Format format = Format::kTable;
  Verbosity verbosity = Verbosity::kNormal;
  Colors data_colors = Colors::kOff;
  Colors error_colors = Colors::kOff;
};

class Output {
 public:
  Output(std::ostream& data, std::ostream& diagnostics, OutputOptions options)
      : data_(data), diagnostics_(diagnostics), options_(options) {}

  [[nodiscard]] bool json() const {
    return options_.format == Format::kJson || options_.format == Format::kNdjson;
  }
  [[nodiscard]] bool wide() const { return options_.format == Format::kWide; }
  [[nodiscard]] bool verbose() const { return options_.verbosity == Verbosity::kVerbose; }

  /// The answer of a command, in any format.
  void data(const std::string& text) { data_ << text; }
  void table(const Table& table) { data_ << table.to_string(options_.data_colors); }
  /// A further table, after a blank line; nothing where it has no rows.
  void section(const Table& table);
  void fields(const Fields& fields) { data_ << fields.to_string(options_.data_colors); }
  /// "What was done" in words; silent under --quiet.
  void done(const std::string& sentence);
  /// A document of ours. ndjson: one line.
  void document(const Json& value);
  /// A document of the API's: byte for byte as json; as ndjson one line for each item of the array
  /// `items`, or for the whole where there is none.
  void api_document(const std::string& text, std::string_view items = "");

  void error(const Error& error);
  void warning(const std::string& sentence);  ///< Silent under --quiet.
  void detail(const std::string& line);       ///< Only under --verbose.
  void diagnostic(const std::string& text) { diagnostics_ << text; }

 private:
  std::ostream& data_;
  std::ostream& diagnostics_;
  OutputOptions options_;
};

}  // namespace loom::cli
