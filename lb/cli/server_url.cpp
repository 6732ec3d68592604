// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <regex>

#include "lb/cli/http_client.hpp"
#include "lb/cli/text.hpp"

namespace loom::cli {

Result<ServerUrl> ServerUrl::parse(const std::string& url) {
  constexpr size_t kMaxUrl = 300;  // std::regex recurses once per character.
  // Host: an IPv6 address in brackets, or a name or IPv4 address.
  static const std::regex kPattern(
      R"(http://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?/?)");
  std::smatch match;
  if (url.size() > kMaxUrl || !std::regex_match(url, match, kPattern)) {
    return Error(EINVAL, "\"" + printable(url) + "\" is not the URL of a daemon")
        .with_hint("write it like http://127.0.0.1:9091");
  }
  ServerUrl server;
  server.host = match[1].matched ? match[1].str() : match[2].str();
  server.port = 80;
  if (match[3].matched) {
    const Result<uint32_t> port = parse_number(match[3].str(), {1, 65535});
    if (!port) return Error(EINVAL, "port of " + printable(url) + ": " + port.error().what());
    server.port = static_cast<int>(*port);
  }
  return server;
}

std::string ServerUrl::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace loom::cli
