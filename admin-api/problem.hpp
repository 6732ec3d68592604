// SPDX-License-Identifier: Apache-2.0
// Errors as the API's clients see them: application/problem+json (RFC 9457).
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "admin-api/http.hpp"
#include "admin-api/json.hpp"
#include "lb/base/result.hpp"

namespace loom {

/// One kind of problem; `slug` is the end of its type URI and never changes.
struct ProblemKind {
  std::string_view slug;
  int status;
  std::string_view title;
};

namespace problems {
constexpr ProblemKind kBadRequest{"bad-request", 400, "The request cannot be understood"};
constexpr ProblemKind kInvalidJson{"invalid-json", 400, "The body is not valid JSON"};
constexpr ProblemKind kInvalidBody{"invalid-body", 400, "The body has errors"};
constexpr ProblemKind kInvalidQuery{"invalid-query", 400, "A query parameter is wrong"};
constexpr ProblemKind kRefusedValue{"refused-value", 400, "The change is not possible"};
constexpr ProblemKind kForbidden{"forbidden", 403, "The request is refused"};
constexpr ProblemKind kNoRoute{"no-such-endpoint", 404, "There is no such endpoint"};
constexpr ProblemKind kNotFound{"not-found", 404, "There is no such object"};
constexpr ProblemKind kMethod{"method-not-allowed", 405, "The method is not allowed here"};
constexpr ProblemKind kDuplicate{"duplicate", 409, "It exists already"};
constexpr ProblemKind kAmbiguous{"ambiguous", 409, "Several objects match"};
constexpr ProblemKind kBusy{"busy", 409, "It is held by somebody else"};
constexpr ProblemKind kLength{"length-required", 411, "Content-Length is required"};
constexpr ProblemKind kPrecondition{"precondition-failed", 412, "The precondition is not met"};
constexpr ProblemKind kTooLarge{"too-large", 413, "The body is too large"};
constexpr ProblemKind kEncoding{"unsupported-encoding", 415, "The body is compressed"};
constexpr ProblemKind kInternal{"internal", 500, "Something failed in the balancer"};
}  // namespace problems

struct FieldError {
  std::string pointer;  ///< RFC 6901 into the body, or "?name" for a query parameter.
  std::string detail;
  std::string suggestion;  ///< May be empty.
};

struct Problem {
  ProblemKind kind;
  std::string detail;
  std::vector<FieldError> errors;
  Json extra;  ///< Further members of the answer; null or an object.
};

/// What a step of a handler gives: its value, or the answer that ends the request.
template <class T>
using OrProblem = std::variant<T, Problem>;

[[nodiscard]] HttpResponse to_response(const Problem& problem);

/// By the error's errno, as result.hpp says; the hint becomes the suggestion.
[[nodiscard]] Problem to_problem(const Error& error);

/// The answer to what the control plane refused or failed at; failures are logged.
[[nodiscard]] HttpResponse error_response(const Error& error);

/// For answers of which only the status is known. 0 or less: internal.
[[nodiscard]] const ProblemKind& kind_of_status(int status);

}  // namespace loom
