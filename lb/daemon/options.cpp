// SPDX-License-Identifier: Apache-2.0
#include "lb/daemon/options.hpp"

#include <boost/program_options.hpp>

#include <array>
#include <cerrno>
#include <sstream>

namespace loom {
namespace {

namespace po = boost::program_options;

po::options_description description() {
  po::options_description out("Options");
  out.add_options()                                                                     //
      ("config,c", po::value<std::string>()->value_name("FILE"), "configuration file")  //
      ("check", "validate the configuration, print what is wrong, and leave")           //
      ("log-level", po::value<std::string>()->value_name("LEVEL"),
       "debug, info, warning or error; overrides the file")  //
      ("log-format", po::value<std::string>()->value_name("FORMAT"),
       "auto, text or json; overrides the file")  //
      ("version", "print the version and leave")  //
      ("help,h", "print this text and leave");
  return out;
}

Result<void> check_choice(const po::variables_map& values, const char* name,
                          std::initializer_list<std::string_view> choices) {
  if (values.count(name) == 0) return {};
  const std::string& value = values[name].as<std::string>();
  std::string listed;
  for (const std::string_view choice : choices) {
    if (value == choice) return {};
    listed += (listed.empty() ? "" : ", ") + std::string(choice);
  }
  return Error(EINVAL,
               std::string("--") + name + " must be one of " + listed + ", not \"" + value + "\"");
}

}  // namespace

Result<DaemonOptions> parse_options(int argc, const char* const* argv) {
  po::variables_map values;
  try {
    // Guessing off: "--conf" must not silently mean "--config".
    po::store(
        po::command_line_parser(argc, argv)
            .options(description())
            .positional(po::positional_options_description())
            .style(po::command_line_style::default_style & ~po::command_line_style::allow_guessing)
            .run(),
        values);
  } catch (const po::error& error) {
    return Error(EINVAL, error.what());
  }
  DaemonOptions out;
  out.help = values.count("help") != 0;
  out.version = values.count("version") != 0;
  out.check = values.count("check") != 0;
  if (out.help || out.version) return out;
  if (values.count("config") == 0) return Error(EINVAL, "-c FILE is missing");
  out.config_file = values["config"].as<std::string>();
  if (Result<void> done = check_choice(values, "log-level", {"debug", "info", "warning", "error"});
      !done)
    return done.error();
  if (Result<void> done = check_choice(values, "log-format", {"auto", "text", "json"}); !done)
    return done.error();
  if (values.count("log-level") != 0) out.log_level = values["log-level"].as<std::string>();
  if (values.count("log-format") != 0) out.log_format = values["log-format"].as<std::string>();
  return out;
}

std::string usage() {
  std::ostringstream out;
  out << "loomd -c FILE [--check] [--log-level LEVEL] [--log-format FORMAT]\n\n"
         "The Loom daemon: a layer-4 load balancer in XDP, run from one YAML file.\n\n"
      << description()
      << "\nExample: loomd -c /etc/loom/loom.yaml\n"
         "Exit status: 0 ok, 1 failed, 2 usage, 3 configuration invalid, 8 permission.\n";
  return out.str();
}

}  // namespace loom
