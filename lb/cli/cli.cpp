// SPDX-License-Identifier: Apache-2.0
// From arguments to exit status: parse, connect, run, say what went wrong.
#include <cerrno>

#include "lb/cli/arguments.hpp"
#include "lb/cli/context.hpp"
#include "lb/cli/help.hpp"
#include "lb/cli/text.hpp"

namespace loom::cli {
namespace {

constexpr const char* kDefaultServer = "http://127.0.0.1:9091";

Result<Format> format_of(const Invocation& invocation) {
  const std::string output = invocation.value("output");
  if (invocation.has("json")) {
    if (!output.empty() && output != "json") {
      return Error(EINVAL, "--json and --output " + output + " contradict each other");
    }
    return Format::kJson;
  }
  if (output == "json") return Format::kJson;
  if (output == "ndjson") return Format::kNdjson;
  return output == "wide" ? Format::kWide : Format::kTable;
}

Colors colors_of(const Invocation& invocation, const Environment& environment, bool terminal) {
  const std::string wanted = invocation.value("color", "auto");
  if (wanted == "always") return Colors::kOn;
  // https://no-color.org: set and not empty.
  const bool off = wanted == "never" || !environment.variable("NO_COLOR").empty();
  return !off && terminal ? Colors::kOn : Colors::kOff;
}

Result<OutputOptions> output_options(const Invocation& invocation, const Environment& environment) {
  const Result<Format> format = format_of(invocation);
  if (!format) return format.error();
  if (invocation.has("quiet") && invocation.has("verbose")) {
    return Error(EINVAL, "--quiet and --verbose contradict each other");
  }
  OutputOptions options;
  options.format = *format;
  if (invocation.has("quiet")) options.verbosity = Verbosity::kQuiet;
  if (invocation.has("verbose")) options.verbosity = Verbosity::kVerbose;
  options.data_colors = colors_of(invocation, environment, environment.out_is_terminal);
  options.error_colors = colors_of(invocation, environment, environment.err_is_terminal);
  return options;
}

Result<ServerUrl> server_of(const Invocation& invocation, const Environment& environment) {
  if (invocation.has("server")) {
    Result<ServerUrl> server = ServerUrl::parse(invocation.value("server"));
    if (!server) return Error(server.error()).in("--server");
    return server;
  }
  const std::string variable = environment.variable("LOOM_SERVER");
  Result<ServerUrl> server = ServerUrl::parse(variable.empty() ? kDefaultServer : variable);
  if (!server) return Error(server.error()).in("LOOM_SERVER");
  return server;
}

Result<std::chrono::milliseconds> timeout_of(const Invocation& invocation) {
  Result<std::chrono::milliseconds> timeout = parse_duration(invocation.value("timeout", "5s"));
  if (!timeout) return Error(timeout.error()).in("--timeout");
  if (timeout->count() == 0) return Error(EINVAL, "--timeout: must be longer than 0");
  return timeout;
}

Result<ExitCode> show_help(const ParsedLine& line, Output& out) {
  if (line.command != nullptr) {
    out.data(help_command(*line.command));
  } else {
    out.data(line.group.empty() ? help_overview() : help_group(line.group));
  }
  return ExitCode::kOk;
}

Result<ExitCode> run(const ParsedLine& line, Output& out, Environment& environment) {
  if (line.invocation.has("help")) return show_help(line, out);
  if (line.command == nullptr) {
    out.diagnostic(line.group.empty() ? help_overview() : help_group(line.group));
    return ExitCode::kUsage;
  }
  const Result<ServerUrl> server = server_of(line.invocation, environment);
  if (!server) return server.error();
  const Result<std::chrono::milliseconds> timeout = timeout_of(line.invocation);
  if (!timeout) return timeout.error();
  Api api(environment.connect(*server, *timeout), *server, out);
  Context context{out, api, environment.decap, environment.clock, environment.in};
  return line.command->run(line.invocation, context);
}

}  // namespace

int run_cli(const std::vector<std::string>& arguments, Environment& environment) {
  Output plain(environment.out, environment.err, {});
  const auto fail = [](Output& out, const Error& error) {
    out.error(error);
    return static_cast<int>(exit_code(error));
  };
  const Result<ParsedLine> line = parse_arguments(arguments);
  if (!line) return fail(plain, line.error());
  const Result<OutputOptions> options = output_options(line->invocation, environment);
  if (!options) return fail(plain, options.error());

  Output out(environment.out, environment.err, *options);
  const Result<ExitCode> done = run(*line, out, environment);
  if (!done) return fail(out, done.error());
  environment.out.flush();
  if (!environment.out) return fail(out, Error(EIO, "cannot write the answer to stdout"));
  return static_cast<int>(*done);
}

}  // namespace loom::cli
