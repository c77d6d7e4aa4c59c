//===- Terminal.h - The gptc command on a terminal -------------*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_TERMINAL_H
#define GPTC_TESTS_SUPPORT_TERMINAL_H

#include "tests/support/Command.h"

#include <pty.h>
#include <unistd.h>

namespace gptc {

/// Runs the gptc command to its end with a terminal as standard input, output
/// and error; `out` is all that it wrote there, what was written over too.
inline CommandResult gptcOnTerminal(std::vector<std::string> arguments) {
  std::vector<char *> argv;
  arguments.insert(arguments.begin(), GPTC_COMMAND);
  for (std::string &argument : arguments)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  CommandResult result;
  int terminal = -1;
  pid_t process = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (process == 0) {
    ::execv(GPTC_COMMAND, argv.data());
    ::_exit(127);
  }
  if (process < 0)
    return result;
  // Once the process is gone, reading is an error.
  char bytes[4096];
  for (ssize_t size; (size = ::read(terminal, bytes, sizeof(bytes))) > 0;)
    result.out.append(bytes, size_t(size));
  ::close(terminal);
  int status = 0;
  if (::waitpid(process, &status, 0) == process && WIFEXITED(status))
    result.code = WEXITSTATUS(status);
  return result;
}

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_TERMINAL_H
