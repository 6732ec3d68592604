// SPDX-License-Identifier: Apache-2.0
// loom config ...: works on files, without the daemon.
#include <algorithm>
#include <cerrno>
#include <iterator>

#include "lb/cli/handlers.hpp"
#include "lb/cli/text.hpp"
#include "lb/config/load.hpp"

namespace loom::cli {
namespace {

constexpr std::string_view kDefaultFile = "/etc/loom/loom.yaml";
/// One more than load_config() accepts, so that it is the one to refuse.
constexpr size_t kMaxInput = (size_t{1} << 20) + 1;

struct Checked {
  std::string file;
  std::string text;
  LoadResult result;

  [[nodiscard]] size_t count(Severity severity) const {
    return static_cast<size_t>(
        std::count_if(result.diagnostics.begin(), result.diagnostics.end(),
                      [&](const Diagnostic& found) { return found.severity == severity; }));
  }
};

Result<Checked> check(const std::string& file, std::istream& in) {
  Checked checked;
  if (file == "-") {
    checked.file = "<stdin>";
    for (std::istreambuf_iterator<char> at(in), end; at != end && checked.text.size() < kMaxInput;
         ++at) {
      checked.text += *at;
    }
    checked.result = load_config(checked.text);
    return checked;
  }
  checked.file = file;
  Result<LoadResult> loaded = load_config_file(file, checked.text);
  if (!loaded) {
    const Error& error = loaded.error();
    return Error(error.code() == EINVAL ? EIO : error.code(), error.message())
        .with_hint(error.hint());
  }
  checked.result = std::move(*loaded);
  return checked;
}

std::string_view name_of(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kNote:
      return "note";
  }
  return "error";
}

Json document_of(const Checked& checked) {
  Json diagnostics = Json::array();
  for (const Diagnostic& found : checked.result.diagnostics) {
    diagnostics.push_back({{"severity", name_of(found.severity)},
                           {"code", found.code},
                           {"line", found.line},
                           {"column", found.column},
                           {"path", found.path},
                           {"message", found.message},
                           {"suggestion", found.suggestion}});
  }
  return {{"schema", "loom.config_check/v1"},
          {"file", checked.file},
          {"valid", checked.result.ok()},
          {"errors", checked.count(Severity::kError)},
          {"warnings", checked.count(Severity::kWarning)},
          {"diagnostics", std::move(diagnostics)}};
}

void print(const Checked& checked, Context& context) {
  for (const Diagnostic& found : checked.result.diagnostics) {
    context.out.diagnostic(format_diagnostic(found, checked.file, checked.text));
  }
  const size_t warnings = checked.count(Severity::kWarning);
  if (!checked.result.ok()) {
    context.out.done(checked.file + ": invalid, " +
                     plural(checked.count(Severity::kError), "error"));
    return;
  }
  size_t backends = 0;
  const std::vector<ServiceSpec>& services = checked.result.config.spec.services;
  for (const ServiceSpec& service : services) backends += service.backends.size();
  context.out.done(checked.file + ": valid, " + plural(services.size(), "service") + ", " +
                   plural(backends, "backend") +
                   (warnings == 0 ? "" : ", " + plural(warnings, "warning")));
}

}  // namespace

Result<ExitCode> run_config_check(const Invocation& invocation, Context& context) {
  const auto& arguments = invocation.arguments();
  const Result<Checked> checked =
      check(arguments.empty() ? std::string(kDefaultFile) : arguments[0], context.in);
  if (!checked) return checked.error();
  if (context.out.json()) {
    context.out.document(document_of(*checked));
  } else {
    print(*checked, context);
  }
  if (!checked->result.ok()) return ExitCode::kConfigInvalid;
  if (invocation.has("strict") && checked->count(Severity::kWarning) > 0) {
    return ExitCode::kConfigWarnings;
  }
  return ExitCode::kOk;
}

}  // namespace loom::cli
