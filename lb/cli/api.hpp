// SPDX-License-Identifier: Apache-2.0
// Api: the daemon's answers as documents, its refusals as Errors that read as sentences.
#pragma once

#include <memory>
#include <string>

#include "lb/base/result.hpp"
#include "lb/cli/http_client.hpp"
#include "lb/cli/json.hpp"
#include "lb/cli/output.hpp"

namespace loom::cli {

struct Document {
  int status = 0;
  std::string text;  ///< As received.
  Json json;
};

class Api {
 public:
  Api(std::unique_ptr<HttpClient> client, ServerUrl server, Output& out)
      : client_(std::move(client)), server_(std::move(server)), out_(out) {}

  /// Errors: EHOSTUNREACH; for statuses from 400 on EINVAL, ENOENT, EEXIST, EACCES or EIO.
  Result<Document> get(const std::string& target) { return call({"GET", target, ""}); }
  Result<Document> call(const HttpRequest& request);
  /// The same, but 503 is an answer too: what is missing for being ready.
  Result<Document> readiness();

  [[nodiscard]] std::string url() const { return server_.to_string(); }

 private:
  Result<Document> exchange(const HttpRequest& request);

  std::unique_ptr<HttpClient> client_;
  ServerUrl server_;
  Output& out_;
};

/// "/ebpf/backends/ID" for what users type: an id, ADDR:PORT or [V6]:PORT. Error: EINVAL.
[[nodiscard]] Result<std::string> backend_target(const std::string& id);

}  // namespace loom::cli
