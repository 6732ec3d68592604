// SPDX-License-Identifier: Apache-2.0
// Commands about the command: version, help, completion.
#include <cerrno>

#include "lb/cli/completion.hpp"
#include "lb/cli/handlers.hpp"
#include "lb/cli/help.hpp"
#include "lb/cli/text.hpp"

namespace loom::cli {

Result<ExitCode> run_version(const Invocation&, Context& context) {
  Result<Document> daemon = context.api.get("/version");
  if (context.out.json()) {
    context.out.document({{"schema", "loom.versions/v1"},
                          {"loom", LOOM_VERSION},
                          {"loomd", daemon ? daemon->json : Json()}});
    return ExitCode::kOk;
  }
  context.out.data(std::string("loom ") + LOOM_VERSION + "\n");
  if (!daemon) {
    context.out.warning("version of loomd unknown: " + daemon.error().what());
    return ExitCode::kOk;
  }
  const std::string version = text_field(daemon->json, "version");
  context.out.data("loomd " + printable(version) + " at " + context.api.url() + "\n");
  if (version != LOOM_VERSION) {
    context.out.warning("this command and the daemon have different versions");
  }
  return ExitCode::kOk;
}

Result<ExitCode> run_help(const Invocation& invocation, Context& context) {
  const auto& words = invocation.arguments();
  if (words.empty()) {
    context.out.data(help_overview());
    return ExitCode::kOk;
  }
  const std::string name = join(words, " ");
  if (const Command* command = find_command(name)) {
    context.out.data(help_command(*command));
    return ExitCode::kOk;
  }
  if (words.size() == 1 && !commands_in(name).empty()) {
    context.out.data(help_group(name));
    return ExitCode::kOk;
  }
  return Error(EINVAL, "there is no command \"" + printable(name) + "\"")
      .with_hint("try: loom help");
}

Result<ExitCode> run_completion(const Invocation& invocation, Context& context) {
  context.out.data(completion_script(invocation.arguments()[0]));
  return ExitCode::kOk;
}

}  // namespace loom::cli
