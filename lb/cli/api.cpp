// SPDX-License-Identifier: Apache-2.0
#include "lb/cli/api.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "lb/cli/text.hpp"
#include "lb/net/endpoint.hpp"

namespace loom::cli {
namespace {

int errno_of(int status) {
  switch (status) {
    case 400:
    case 413:
    case 414:
    case 415:
    case 422:
      return EINVAL;
    case 401:
    case 403:
      return EACCES;
    case 404:
      return ENOENT;
    case 409:
    case 412:
      return EEXIST;
    default:
      return EIO;
  }
}

/// What lists the names one could have meant.
std::string lister(std::string_view target) {
  const bool backends =
      target.starts_with("/ebpf/backends") || target.starts_with("/ebpf/connections");
  if (backends) return "try: loom backend list";
  if (target.starts_with("/ebpf/services")) return "try: loom service list";
  return "";
}

std::string sentence(const Json& item) {
  const std::string pointer = text_field(item, "pointer");
  const std::string detail = text_field(item, "detail");
  const std::string name = pointer.starts_with("/") ? pointer.substr(1) : pointer;
  return name.empty() ? detail : name + ": " + detail;
}

/// RFC 9457 as lines: the detail, then one line per error; the first suggestion becomes the hint.
Error problem(const Document& answer, const HttpRequest& request) {
  std::string what = text_field(answer.json, "detail");
  if (what.empty()) what = text_field(answer.json, "title");
  if (what.empty()) what = "loomd answered with status " + std::to_string(answer.status);
  std::string hint;
  for (const Json& item : list_field(answer.json, "errors")) {
    if (text_field(item, "detail") != what) what += "\n  " + sentence(item);
    if (hint.empty()) hint = text_field(item, "suggestion");
  }
  // An address that several services have.
  for (const Json& match : list_field(answer.json, "backends")) {
    what +=
        "\n  backend " + text_field(match, "id") + " of service " + text_field(match, "service");
  }
  const bool names_something = answer.status == 404 || answer.status == 409;
  if (hint.empty() && names_something) hint = lister(request.target);
  if (hint.empty() && answer.status == 403) {
    hint = "try: --server http://127.0.0.1:9091, on the machine loomd runs on";
  }
  return Error(errno_of(answer.status), what).with_hint(hint);
}

}  // namespace

Result<Document> Api::call(const HttpRequest& request) {
  Result<Document> answer = exchange(request);
  if (answer && answer->status >= 400) return problem(*answer, request);
  return answer;
}

Result<Document> Api::readiness() {
  Result<Document> answer = exchange({"GET", "/readyz", ""});
  if (answer && answer->status >= 400 && answer->status != 503) {
    return problem(*answer, {"GET", "/readyz", ""});
  }
  return answer;
}

Result<Document> Api::exchange(const HttpRequest& request) {
  const auto begin = std::chrono::steady_clock::now();
  Result<HttpResponse> response = client_->send(request);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  const std::string line = request.method + " " + url() + request.target;
  if (!response) {
    out_.detail(line + ": " + response.error().what());
    Error error = std::move(response.error());
    if (request.method != "GET") {
      error = Error(error.code(), error.what() + "; whether the change was made is not known");
    }
    return std::move(error).with_hint(
        "try: systemctl start loomd, or loomd -c /etc/loom/loom.yaml; "
        "--server URL if it listens elsewhere");
  }
  out_.detail(line + ": " + std::to_string(response->status) + ", " + human_duration(took));

  std::optional<Json> json = parse_json(response->body);
  if (!json || !json->is_object()) {
    return Error(EHOSTUNREACH, "what answers at " + url() + " is not loomd")
        .with_hint("try: --server URL, or the environment variable LOOM_SERVER");
  }
  return Document{response->status, std::move(response->body), std::move(*json)};
}

Result<std::string> backend_target(const std::string& id) {
  const bool number =
      !id.empty() && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!number && !Endpoint::parse(id)) {
    return Error(EINVAL, "\"" + printable(id) + "\" is neither a backend's id nor its ADDR:PORT")
        .with_hint("try: loom backend list");
  }
  return "/ebpf/backends/" + percent_encode(id);
}

}  // namespace loom::cli
