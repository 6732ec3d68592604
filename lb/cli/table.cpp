// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/table.hpp"

#include <algorithm>

#include "lb/cli/text.hpp"

namespace loom::cli {
namespace {

/// Code points; names and addresses are ASCII, messages may not be.
size_t width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string shown(const Cell& cell) {
  return cell.text.empty() ? "-" : printable(cell.text);
}

std::string padded(const std::string& text, size_t target, const std::string& painted) {
  return painted + std::string(target - std::min(target, width(text)), ' ');
}

}  // namespace

std::string styled(const std::string& text, Style style, Colors colors) {
  if (colors == Colors::kOff || style == Style::kPlain) return text;
  const char* code = style == Style::kGood   ? "32"
                     : style == Style::kWarn ? "33"
                     : style == Style::kBad  ? "31"
                                             : "1";
  return std::string("\x1b[") + code + "m" + text + "\x1b[0m";
}

std::string Table::to_string(Colors colors) const {
  std::vector<std::vector<Cell>> lines;
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.emplace_back(column.title, Style::kBold);
  lines.push_back(std::move(titles));
  lines.insert(lines.end(), rows_.begin(), rows_.end());

  std::vector<size_t> widths(columns_.size(), 0);
  for (const auto& line : lines) {
    for (size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], width(shown(line.at(i))));
    }
  }

  std::string out;
  for (const auto& line : lines) {
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string text = shown(line.at(i));
      const std::string painted = styled(text, line.at(i).style, colors);
      const bool last = i + 1 == widths.size();
      if (columns_[i].align == Align::kRight) {
        out += std::string(widths[i] - width(text), ' ') + painted;
      } else {
        out += last ? painted : padded(text, widths[i], painted);
      }
      out += last ? "\n" : "  ";
    }
  }
  return out;
}

std::string Fields::to_string(Colors colors) const {
  size_t widest = 0;
  for (const Field& field : fields_) widest = std::max(widest, width(field.name));
  std::string out;
  for (const Field& field : fields_) {
    const std::string name = field.name + ":";
    out += padded(name, widest + 3, name) + styled(shown(field.value), field.value.style, colors) +
           "\n";
  }
  return out;
}

}  // namespace loom::cli
