// SPDX-License-Identifier: Apache-2.0
// Files next to the tests, and golden files among them.
#pragma once

#include <string>
#include <vector>

#include "lb/config/load.hpp"

namespace loom::test {

[[nodiscard]] std::string read_file(const std::string& path);
/// Full paths of the *.yaml files of a directory, sorted.
[[nodiscard]] std::vector<std::string> yaml_files(const std::string& directory);

/// Every diagnostic as the user sees it, the file being called "loom.yaml".
[[nodiscard]] std::string printed(const LoadResult& result, const std::string& text);

/// "code line:column" of every diagnostic of one severity, in order.
[[nodiscard]] std::vector<std::string> codes(const LoadResult& result, Severity severity);

/// Fails unless the file says what `actual` says; with LOOM_UPDATE_GOLDEN set, makes it say so.
void expect_golden(const std::string& path, const std::string& actual);

}  // namespace loom::test
