// SPDX-License-Identifier: Apache-2.0
// Table: aligned columns for people. Nothing is ever cut off.
#pragma once

#include <string>
#include <vector>

namespace loom::cli {

enum class Align { kLeft, kRight };
enum class Style { kPlain, kGood, kWarn, kBad, kBold };
enum class Colors { kOff, kOn };

[[nodiscard]] std::string styled(const std::string& text, Style style, Colors colors);

struct Cell {
  Cell(std::string cell_text, Style cell_style = Style::kPlain)
      : text(std::move(cell_text)), style(cell_style) {}
  Cell(const char* cell_text) : text(cell_text) {}

  std::string text;
  Style style = Style::kPlain;
};

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as there are columns. An empty cell prints as "-", so that a line always has the
  /// same number of words for awk.
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  /// Lines with a final newline, without trailing blanks; columns are two blanks apart.
  [[nodiscard]] std::string to_string(Colors colors) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

/// "key:   value" lines with the values aligned.
class Fields {
 public:
  void add(std::string name, Cell value) { fields_.push_back({std::move(name), std::move(value)}); }
  [[nodiscard]] std::string to_string(Colors colors) const;

 private:
  struct Field {
    std::string name;
    Cell value;
  };
  std::vector<Field> fields_;
};

}  // namespace loom::cli
