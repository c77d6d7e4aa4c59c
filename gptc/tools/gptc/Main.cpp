//===- Main.cpp - The gptc command ----------------------------------------===//

#include "CommandLine.h"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <sstream>
#include <unistd.h>

using namespace gptc;

namespace {

int report(const Error &error) {
  tool::say(fmt::format("gptc: {}\n", error.message()));
  return 1;
}

/// The sentence for options of which one is to be given, of a command where
/// none or several are.
std::string oneOf(const CLI::App &command, const CLI::App &group) {
  std::vector<std::string> all, given;
  for (const CLI::Option *option : group.get_options()) {
    if (option == group.get_help_ptr())
      continue;
    all.push_back(option->get_name());
    if (option->count() > 0)
      given.push_back(option->get_name());
  }
  if (given.empty())
    return fmt::format("{} takes one of {}", command.get_name(),
                       fmt::join(all, ", "));
  return fmt::format("{} exclude each other; give one of them",
                     fmt::join(given, " and "));
}

/// CLI11's message as one sentence.
int reportUsage(const CLI::Error &error, const CLI::App &app) {
  std::string name = "gptc", message = error.what();
  for (const CLI::App *command : app.get_subcommands()) {
    name += " " + command->get_name();
    // CLI11 lists these from the last to the first.
    if (auto extras = command->remaining(); !extras.empty())
      message = fmt::format("not expected here: {}", fmt::join(extras, " "));
    bool count = error.get_name() == "RequiredError" &&
                 message.find("ption") != std::string::npos &&
                 message.find('[') != std::string::npos;
    for (const CLI::App *group : command->get_subcommands(
             [](const CLI::App *part) { return part->get_name().empty(); }))
      if (count)
        message = oneOf(*command, *group);
  }
  tool::say(fmt::format("gptc: {}; see '{} --help'\n", message, name));
  return 1;
}

/// Takes the places of standard streams that are closed, so that no file gets
/// one, and reading and writing them fail as they would.
void reserveStandardStreams() {
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0)
      (void)::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

} // namespace

int main(int argc, char **argv) {
  // Writing to a closed pipe or beyond the limit of a file's size are errors
  // like others.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  reserveStandardStreams();
  CLI::App app{"gptc: compiles GPT models ahead of time and runs them", "gptc"};
  app.set_version_flag("--version", GPTC_VERSION);
  app.require_subcommand(1);
  tool::Action action;
  tool::addModels(app, action);
  tool::addPlan(app, action);
  tool::addCompile(app, action);
  tool::addGenerate(app, action);
  tool::addScore(app, action);
  tool::addRun(app, action);
  tool::addExport(app, action);
  tool::addBench(app, action);
  tool::addCompare(app, action);
  tool::addInspect(app, action);
  tool::addTokenize(app, action);
  tool::addPrepare(app, action);
  tool::addTrain(app, action);
  tool::addFinetune(app, action);
  tool::addPredict(app, action);
  tool::addDevices(app, action);
  tool::checkValues(app);
  // CLI11 would say that a command is missing, and not which one is unknown.
  auto isChosen = [&](const CLI::App *command) {
    return command->check_name(argv[1]);
  };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(isChosen).empty())
    return report(
        Error(ErrorCode::InvalidArgument,
              fmt::format("'{}' is no command; see 'gptc --help'", argv[1])));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) {
    std::ostringstream text;
    app.exit(success, text, text);
    tool::print(text.str());
    Status written = tool::flushOutput();
    return written ? 0 : report(written.error());
  } catch (const CLI::Error &error) {
    return reportUsage(error, app);
  }
  Status status = action();
  if (status)
    status = tool::flushOutput();
  // Who closed the pipe has read enough, as after 'gptc inspect FILE | head'.
  if (!status && tool::outputWasClosed())
    return 0;
  return status ? 0 : report(status.error());
}
