//===- SampleTraining.h - A little text to train on ------------*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_SAMPLETRAINING_H
#define GPTC_TESTS_SUPPORT_SAMPLETRAINING_H

#include "gptc/runtime/data/Prepare.h"
#include "tests/support/TemporaryFolder.h"

#include <gtest/gtest.h>

namespace gptc {

/// Writes 40 verses and prepares them with a checkpoint's tokenizer in the
/// folder's `data`, a fifth of them for validation; returns its path.
inline std::string prepareSample(const TemporaryFolder &folder,
                                 const std::string &checkpoint) {
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += fmt::format(
        "ROMEO:\nBut soft, what light through yonder window breaks? {}\n", i);
  auto files = readTokenizerFiles(checkpoint);
  EXPECT_TRUE(files) << files.error().message();
  auto tokenizer = Tokenizer::create(*files);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message();
  PrepareOptions prepare;
  prepare.inputs = {folder.write("text.txt", text)};
  prepare.output = folder / "data";
  prepare.separator = "ROMEO:";
  prepare.validation = 0.2;
  auto summary = prepareData(prepare, *tokenizer, {});
  EXPECT_TRUE(summary) << summary.error().message();
  EXPECT_GT(summary->documents[1], 0U);
  return prepare.output;
}

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_SAMPLETRAINING_H
