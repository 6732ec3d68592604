// SPDX-License-Identifier: Apache-2.0
// Each script finds out which command the words so far name (a word counts only if it continues a
// command, so values of options need no parsing), then offers what can follow.
#include "lb/cli/completion.hpp"

#include <algorithm>
#include <set>

#include "lb/cli/command.hpp"
#include "lb/cli/text.hpp"

namespace loom::cli {
namespace {

using Words = std::vector<std::string>;

struct Entry {
  std::string word;
  std::string summary;
};

Words groups() {
  Words names;
  for (const Command& command : commands()) {
    const std::string group(command.group());
    if (std::find(names.begin(), names.end(), group) == names.end()) names.push_back(group);
  }
  return names;
}

bool has_subcommands(const std::string& group) {
  return find_command(group) == nullptr;
}

/// Every place in a command line: "", "backend", "backend add" ...
Words paths() {
  Words all{""};
  for (const std::string& group : groups()) {
    if (has_subcommands(group)) all.push_back(group);
  }
  for (const Command& command : commands()) all.emplace_back(command.name);
  return all;
}

/// The command words that can follow `path`.
std::vector<Entry> next_words(const std::string& path) {
  std::vector<Entry> entries;
  const Command* command = find_command(path);
  const bool takes_command = command != nullptr && !command->arguments.empty() &&
                             command->arguments.front().completes == Completes::kCommand;
  if (path.empty() || takes_command) {
    for (const std::string& group : groups()) {
      const std::vector<const Command*> members = commands_in(group);
      const bool single = !has_subcommands(group);
      Words names;
      for (const Command* member : members) {
        if (!single) names.emplace_back(member->name.substr(group.size() + 1));
      }
      entries.push_back({group, single ? std::string(members[0]->summary) : join(names, ", ")});
    }
    return entries;
  }
  if (command == nullptr) {
    for (const Command* member : commands_in(path)) {
      entries.push_back(
          {std::string(member->name.substr(path.size() + 1)), std::string(member->summary)});
    }
    return entries;
  }
  for (const ArgumentSpec& argument : command->arguments) {
    for (const std::string& choice : choices(argument.name)) entries.push_back({choice, ""});
  }
  return entries;
}

Completes argument_kind(const std::string& path) {
  const Command* command = find_command(path);
  if (command == nullptr || command->arguments.empty()) return Completes::kNothing;
  return command->arguments.front().completes;
}

std::vector<OptionSpec> options_at(const std::string& path) {
  std::vector<OptionSpec> options;
  if (const Command* command = find_command(path)) options = command->options;
  options.insert(options.end(), global_options().begin(), global_options().end());
  return options;
}

/// Options with a fixed set of values, each once.
std::vector<OptionSpec> choice_options() {
  std::vector<OptionSpec> found;
  std::set<std::string_view> seen;
  const auto add = [&](const OptionSpec& option) {
    if (!choices(option.value).empty() && seen.insert(option.name).second) found.push_back(option);
  };
  for (const Command& command : commands()) {
    for (const OptionSpec& option : command.options) add(option);
  }
  for (const OptionSpec& option : global_options()) add(option);
  return found;
}

std::string option_pattern(const OptionSpec& option) {
  const std::string name = "--" + std::string(option.name);
  return option.letter == 0 ? name : std::string("-") + option.letter + "|" + name;
}

/// The cases "PATH WORD" that lead to another path; the same syntax in bash and zsh.
std::string path_cases() {
  std::string out;
  for (const std::string& path : paths()) {
    if (path.empty()) continue;
    const size_t blank = path.find(' ');
    const std::string from = blank == std::string::npos ? "" : path.substr(0, blank);
    const std::string word = blank == std::string::npos ? path : path.substr(blank + 1);
    out.append("      '").append(from).append(" ").append(word);
    out.append("') at='").append(path).append("' ;;\n");
  }
  return out;
}

std::string bash_script() {
  std::string out =
      "# bash completion for loom; made by: loom completion bash\n"
      "_loom() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at='' i words=''\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"$at ${COMP_WORDS[i]}\" in\n" +
      path_cases() +
      "    esac\n"
      "  done\n"
      "  if [[ $cur == '=' ]]; then cur=''; fi\n"
      "  if [[ $prev == '=' ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
      "  case $prev in\n";
  for (const OptionSpec& option : choice_options()) {
    out += "    " + option_pattern(option) + ") COMPREPLY=($(compgen -W '" +
           join(choices(option.value), " ") + "' -- \"$cur\")); return ;;\n";
  }
  out += "  esac\n  case $at in\n";
  for (const std::string& path : paths()) {
    Words words;
    for (const Entry& entry : next_words(path)) words.push_back(entry.word);
    for (const OptionSpec& option : options_at(path))
      words.push_back("--" + std::string(option.name));
    out += "    '" + path + "') words='" + join(words, " ") + "' ;;\n";
  }
  out += "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n  case $at in\n";
  for (const std::string& path : paths()) {
    if (argument_kind(path) == Completes::kFile) {
      out +=
          "    '" + path + "') compopt -o filenames; COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n";
    }
    if (argument_kind(path) == Completes::kInterface) {
      out += "    '" + path +
             "') COMPREPLY+=($(compgen -W \"$(ls /sys/class/net)\" -- \"$cur\")) ;;\n";
    }
  }
  return out + "  esac\n}\ncomplete -F _loom loom\n";
}

std::string zsh_script() {
  std::string out =
      "#compdef loom\n"
      "# zsh completion for loom; made by: loom completion zsh\n"
      "_loom() {\n"
      "  local at='' word\n"
      "  local -a entries\n"
      "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
      "    case \"$at $word\" in\n" +
      path_cases() +
      "    esac\n"
      "  done\n"
      "  case ${words[CURRENT-1]} in\n";
  for (const OptionSpec& option : choice_options()) {
    out += "    " + option_pattern(option) + ") compadd -- " + join(choices(option.value), " ") +
           "; return ;;\n";
  }
  out += "  esac\n  case $at in\n";
  for (const std::string& path : paths()) {
    out += "    '" + path + "')\n      entries=(\n";
    for (const Entry& entry : next_words(path)) {
      out += "        '" + entry.word + ":" + entry.summary + "'\n";
    }
    out += "      )\n      _describe -t commands command entries\n      entries=(\n";
    for (const OptionSpec& option : options_at(path)) {
      out += "        '--" + std::string(option.name) + ":" + std::string(option.help) + "'\n";
    }
    out += "      )\n      _describe -t options option entries -o\n";
    if (argument_kind(path) == Completes::kFile) out += "      _files\n";
    if (argument_kind(path) == Completes::kInterface) {
      out += "      compadd -- /sys/class/net/*(N:t)\n";
    }
    out += "      ;;\n";
  }
  return out +
         "  esac\n}\n"
         // Sourced, it registers itself; autoloaded from fpath, the first call has to complete.
         "if [[ $funcstack[1] == _loom ]]; then _loom \"$@\"; else compdef _loom loom; fi\n";
}

std::string fish_script() {
  std::string out =
      "# fish completion for loom; made by: loom completion fish\n"
      "function __loom_at\n"
      "  set -l at ''\n"
      "  set -l words (commandline -opc)\n"
      "  for word in $words[2..-1]\n"
      "    switch \"$at $word\"\n";
  for (const std::string& path : paths()) {
    if (path.empty()) continue;
    const size_t blank = path.find(' ');
    const std::string from = blank == std::string::npos ? " " + path : path;
    out.append("      case '").append(from).append("'\n        set at '");
    out.append(path).append("'\n");
  }
  out +=
      "    end\n"
      "  end\n"
      "  test \"$at\" = \"$argv[1]\"\n"
      "end\n"
      "complete -c loom -f\n";
  const auto add = [&](const std::string& path, const std::string& rest) {
    out += "complete -c loom -n '__loom_at \"" + path + "\"' " + rest + "\n";
  };
  for (const std::string& path : paths()) {
    for (const Entry& entry : next_words(path)) {
      add(path, "-a '" + entry.word + "' -d '" + entry.summary + "'");
    }
    if (argument_kind(path) == Completes::kFile) add(path, "-F");
    if (argument_kind(path) == Completes::kInterface) add(path, "-a '(ls /sys/class/net)'");
    for (const OptionSpec& option : options_at(path)) {
      const bool takes_value =
          option.takes == Takes::kValue || option.takes == Takes::kSeveralValues;
      std::string rest = "-l " + std::string(option.name);
      if (option.letter != 0) rest += std::string(" -s ") + option.letter;
      if (takes_value) rest += " -x";
      const Words values = choices(option.value);
      if (!values.empty()) rest += " -a '" + join(values, " ") + "'";
      add(path, rest + " -d '" + std::string(option.help) + "'");
    }
  }
  return out;
}

}  // namespace

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  return fish_script();
}

}  // namespace loom::cli
