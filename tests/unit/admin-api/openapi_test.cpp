// SPDX-License-Identifier: Apache-2.0
// openapi.yaml and the route table name the same endpoints.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include "admin-api/routes.hpp"

namespace loom {
namespace {

/// "GET /x" for each operation. Reads the file's own layout: paths at two blanks, methods at four.
std::set<std::string> documented() {
  std::set<std::string> out;
  std::ifstream file(LOOM_OPENAPI);
  std::string path;
  bool in_paths = false;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != ' ' && line[0] != '#') in_paths = line == "paths:";
    if (!in_paths || !line.ends_with(':')) continue;
    line.pop_back();
    if (line.starts_with("  /")) path = line.substr(2);
    for (const char* method : {"get", "put", "post", "patch", "delete"}) {
      if (line != std::string("    ") + method) continue;
      std::string upper(method);
      std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
      out.insert(upper + " " + path);
    }
  }
  return out;
}

TEST(OpenApi, DocumentsExactlyTheRoutesThereAre) {
  std::set<std::string> served;
  for (const Route& route : routes())
    served.insert(std::string(route.method) + " " + std::string(route.pattern));
  EXPECT_EQ(documented(), served);
}

}  // namespace
}  // namespace loom
