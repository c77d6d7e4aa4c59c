//===- CompiledModels.h - Artifacts for tests without a compiler -*- C++
//-*-===//
//
// Tests of the runtime compile what they need with the command `gptc`: that of
// their own build or, in builds without the compiler (sanitizers), that of
// $GPTC_RELEASE_DIR/bin.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_TESTS_SUPPORT_COMPILEDMODELS_H
#define GPTC_TESTS_SUPPORT_COMPILEDMODELS_H

#include "gptc/runtime/program/Program.h"
#include "tests/support/TemporaryFolder.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <map>

namespace gptc {

/// Path of a `gptc` that compiles; empty if there is none.
inline std::string compilingCommand() {
#ifdef GPTC_COMMAND
  return GPTC_COMMAND;
#else
  const char *folder = std::getenv("GPTC_RELEASE_DIR");
  return folder ? std::string(folder) + "/bin/gptc" : "";
#endif
}

/// Why a test that compiles is skipped; empty if it is not.
inline std::string reasonToSkip() {
  return compilingCommand().empty()
             ? "this build has no compiler: set GPTC_RELEASE_DIR to the build "
               "folder of one that has"
             : "";
}

/// Path of a checkpoint of tests/golden/models.
inline std::string goldenModel(const std::string &name) {
  return GPTC_SOURCE_DIR "/tests/golden/models/" + name;
}

/// The artifact of `gptc compile MODEL OPTIONS`, compiled once a process; null
/// after a failure of the test.
inline std::shared_ptr<const Artifact>
compiledModel(const std::string &model, const std::string &options) {
  static const TemporaryFolder folder;
  static std::map<std::string, std::shared_ptr<const Artifact>> known;
  auto [place, fresh] = known.try_emplace(model + " " + options);
  if (!fresh)
    return place->second;
  std::string path = folder / std::to_string(known.size()) + ".gptc";
  std::string log = path + ".log";
  std::string command = "'" + compilingCommand() + "' compile '" + model +
                        "' -o '" + path + "' " + options + " >'" + log +
                        "' 2>&1";
  if (std::system(command.c_str()) != 0) {
    std::ostringstream text;
    text << std::ifstream(log).rdbuf();
    ADD_FAILURE() << command << "\n" << text.str();
    return nullptr;
  }
  auto artifact = Artifact::open(path);
  if (!artifact) {
    ADD_FAILURE() << artifact.error().message();
    return nullptr;
  }
  return place->second = *artifact;
}

/// A compiled model, loaded; null after a failure of the test.
inline std::unique_ptr<Program> loadedModel(const std::string &model,
                                            const std::string &options,
                                            unsigned threads) {
  auto artifact = compiledModel(model, options);
  if (!artifact)
    return nullptr;
  auto program = Program::load(artifact, {threads, "", ""});
  if (!program) {
    ADD_FAILURE() << program.error().message();
    return nullptr;
  }
  return std::move(*program);
}

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_COMPILEDMODELS_H
