// SPDX-License-Identifier: Apache-2.0
#include "admin-api/problem.hpp"

#include <array>
#include <cerrno>

#include "lb/base/log.hpp"

namespace loom {
namespace {

constexpr std::array kKinds = {
    &problems::kBadRequest, &problems::kForbidden, &problems::kNoRoute,  &problems::kMethod,
    &problems::kLength,     &problems::kTooLarge,  &problems::kEncoding,
};

const ProblemKind& kind_of_errno(int code) {
  switch (code) {
    case EINVAL:
      return problems::kRefusedValue;
    case ENOENT:
      return problems::kNotFound;
    case EEXIST:
      return problems::kDuplicate;
    case EACCES:
    case EPERM:
      return problems::kForbidden;
    case EBUSY:
      return problems::kBusy;
    default:
      return problems::kInternal;
  }
}

}  // namespace

HttpResponse to_response(const Problem& problem) {
  Json body = {
      {"type", "urn:loom:problem:" + std::string(problem.kind.slug)},
      {"title", problem.kind.title},
      {"status", problem.kind.status},
      {"detail", problem.detail},
  };
  if (problem.extra.is_object())
    for (const auto& [key, value] : problem.extra.items()) body[key] = value;
  body["errors"] = Json::array();
  for (const FieldError& error : problem.errors) {
    Json entry = {{"pointer", error.pointer}, {"detail", error.detail}};
    if (!error.suggestion.empty()) entry["suggestion"] = error.suggestion;
    body["errors"].push_back(std::move(entry));
  }
  return {.status = problem.kind.status,
          .content_type = "application/problem+json",
          .headers = {},
          .body = to_text(body)};
}

Problem to_problem(const Error& error) {
  const ProblemKind& kind = kind_of_errno(error.code());
  // The errno's own words help only where the kind does not say the same already.
  const bool internal = kind.status == problems::kInternal.status;
  Problem problem{.kind = kind, .detail = internal ? error.message() : error.what()};
  if (!error.hint().empty())
    problem.errors.push_back({.pointer = "", .detail = problem.detail, .suggestion = error.hint()});
  return problem;
}

HttpResponse error_response(const Error& error) {
  const Problem problem = to_problem(error);
  if (problem.kind.status >= problems::kInternal.status) log_error("admin: " + error.message());
  return to_response(problem);
}

const ProblemKind& kind_of_status(int status) {
  for (const ProblemKind* kind : kKinds)
    if (kind->status == status) return *kind;
  return status >= 400 && status < 500 ? problems::kBadRequest : problems::kInternal;
}

}  // namespace loom
