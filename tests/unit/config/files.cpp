// SPDX-License-Identifier: Apache-2.0
#include "files.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace loom::test {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> yaml_files(const std::string& directory) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == ".yaml") out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

std::string printed(const LoadResult& result, const std::string& text) {
  std::string out;
  for (const Diagnostic& diagnostic : result.diagnostics)
    out += format_diagnostic(diagnostic, "loom.yaml", text);
  return out;
}

std::vector<std::string> codes(const LoadResult& result, Severity severity) {
  std::vector<std::string> out;
  for (const Diagnostic& diagnostic : result.diagnostics)
    if (diagnostic.severity == severity)
      out.push_back(diagnostic.code + " " + std::to_string(diagnostic.line) + ":" +
                    std::to_string(diagnostic.column));
  return out;
}

void expect_golden(const std::string& path, const std::string& actual) {
  if (std::getenv("LOOM_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  EXPECT_EQ(read_file(path), actual) << "LOOM_UPDATE_GOLDEN=1 writes what is the case to " << path;
}

}  // namespace loom::test
