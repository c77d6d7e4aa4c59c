//===- Command.h - The gptc command as a process ---------------*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_COMMAND_H
#define GPTC_TESTS_SUPPORT_COMMAND_H

#include "tests/support/TemporaryFolder.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <vector>

namespace gptc {

/// What a process left: its exit code (-1 if a signal ended it) and texts.
struct CommandResult {
  int code = -1;
  std::string out;
  std::string err;
};

/// Runs a command to its end. `input` is its standard input; its standard
/// output goes to `outputTo` where that is given.
inline CommandResult runCommand(const std::string &command,
                                std::vector<std::string> arguments,
                                const std::string &input = "",
                                const std::string &outputTo = "") {
  TemporaryFolder folder;
  folder.write("in", input);
  std::vector<char *> argv;
  arguments.insert(arguments.begin(), command);
  for (std::string &argument : arguments)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::string out = outputTo.empty() ? folder / "out" : outputTo;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, (folder / "in").c_str(),
                                     O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(),
                                     O_WRONLY | O_CREAT, 0600);
  ::posix_spawn_file_actions_addopen(&actions, 2, (folder / "err").c_str(),
                                     O_WRONLY | O_CREAT, 0600);
  pid_t process = -1;
  int failed = ::posix_spawn(&process, command.c_str(), &actions, nullptr,
                             argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  CommandResult result;
  int status = 0;
  if (failed != 0 || ::waitpid(process, &status, 0) != process)
    return result;
  if (WIFEXITED(status))
    result.code = WEXITSTATUS(status);
  if (outputTo.empty())
    result.out = folder.read("out");
  result.err = folder.read("err");
  return result;
}

/// The same with the gptc command.
inline CommandResult gptcCommand(std::vector<std::string> arguments,
                                 const std::string &input = "",
                                 const std::string &outputTo = "") {
  return runCommand(GPTC_COMMAND, std::move(arguments), input, outputTo);
}

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_COMMAND_H
