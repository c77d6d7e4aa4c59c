//===- TextGeneration.cpp -------------------------------------------------===//

#include "gptc/runtime/session/TextGeneration.h"

#include "gptc/runtime/session/FiniteValues.h"
#include "gptc/runtime/text/StopMatcher.h"
#include "gptc/runtime/text/StreamDecoder.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace gptc {

namespace {

using Clock = std::chrono::steady_clock;

/// One sequence on its way.
struct Stream {
  Stream(const SamplingOptions &sampling, uint64_t vocabulary,
         StopMatcher matcher)
      : sampler(sampling, vocabulary), stops(std::move(matcher)) {}

  Sampler sampler;
  StopMatcher stops;
  std::optional<StreamDecoder> decoder;
  std::vector<int32_t> history; ///< Prompt and new tokens.
  Generated result;
  bool running = true;
};

/// Moves mapped weights to memory that is read faster, a part before each
/// step, in a generation that is long enough to gain by it.
class WeightsMover {
public:
  /// `program` may be null: then there is nothing to move.
  explicit WeightsMover(Executable *program)
      : program_(program),
        part_(program ? program->mappedBytes() / parts + 1 : 0) {}

  /// `left`: steps that may follow.
  void beforeStep(uint64_t left) {
    moving_ = moving_ || left >= stepsThatPay;
    if (moving_ && program_)
      program_->moveWeights(part_);
  }

private:
  static constexpr uint64_t parts = 16;
  /// Moving costs as much as reading from huge pages saves in 90 steps, where
  /// it was measured; see the rationale.
  static constexpr uint64_t stepsThatPay = 192;
  Executable *program_;
  uint64_t part_;
  bool moving_ = false;
};

/// How a text without a beginning may begin, for an error.
std::string beginning(const Tokenizer *tokenizer) {
  std::optional<int32_t> end;
  if (tokenizer)
    end = tokenizer->endOfText();
  if (!end)
    return "";
  auto text = tokenizer->textOf(*end);
  return text ? fmt::format("; a new text begins after '{}'", text->last) : "";
}

Status checkPrompts(const Session &session,
                    std::span<const std::vector<int32_t>> prompts,
                    const Tokenizer *tokenizer,
                    const GenerationOptions &options) {
  GPTC_CHECK(validate(options.sampling));
  if (!tokenizer && !options.stop.empty())
    return failure(ErrorCode::InvalidArgument,
                   "stop texts need a tokenizer, which the artifact does not "
                   "carry");
  for (const auto &prompt : prompts) {
    if (prompt.empty())
      return failure(ErrorCode::InvalidArgument,
                     "the prompt is empty, and a model needs at least one "
                     "token to go on from{}",
                     beginning(tokenizer));
    if (prompt.size() > session.capacity())
      return failure(ErrorCode::InvalidArgument,
                     "the prompt has {} tokens, more than the context of {}",
                     prompt.size(), session.capacity());
  }
  return {};
}

/// Whether candidates may do for all sequences that go on.
bool candidatesDo(const Session &session, std::vector<Stream> &streams) {
  size_t count = session.candidateCount();
  return count > 0 &&
         std::all_of(streams.begin(), streams.end(), [&](Stream &stream) {
           auto needed = stream.sampler.candidatesFor(stream.history);
           return !stream.running || (needed && *needed <= count);
         });
}

/// The next token of a sequence, by candidates where they decide, else by all
/// logits, which must be finite.
Expected<int32_t> nextToken(Session &session, uint32_t sequence,
                            Stream &stream) {
  if (auto id =
          stream.sampler.sample(session.candidates(sequence), stream.history))
    return *id;
  GPTC_CHECK(session.bringLogits());
  std::span<const float> logits = session.logits(sequence);
  GPTC_CHECK(checkFinite(logits, "distribution", stream.history.size()));
  return stream.sampler.sample(logits, stream.history);
}

} // namespace

const char *toString(Finish finish) {
  switch (finish) {
  case Finish::MaxTokens:
    return "max_tokens";
  case Finish::EndOfText:
    return "end_of_text";
  case Finish::StopText:
    return "stop_text";
  case Finish::Context:
    return "context";
  }
  return "";
}

Expected<std::shared_ptr<const Tokenizer>>
tokenizerOf(const Artifact &artifact) {
  TokenizerFiles files;
  for (const auto &file : artifact.manifest().files)
    files[file->name] = std::string(artifact.text(*file));
  if (!files.contains("tokenizer.json") && !files.contains("vocab.json"))
    return std::shared_ptr<const Tokenizer>();
  auto tokenizer = Tokenizer::create(files);
  if (!tokenizer)
    return tl::unexpected(tokenizer.error().in(
        fmt::format("the tokenizer of '{}'", artifact.path())));
  return tokenizer;
}

Expected<std::vector<Generated>>
generate(Session &session, const Tokenizer *tokenizer,
         std::span<const std::vector<int32_t>> prompts,
         const GenerationOptions &options, const OnGenerated &onGenerated,
         GenerationTimes *times) {
  GPTC_CHECK(checkPrompts(session, prompts, tokenizer, options));
  const artifact::ModelT &model = *session.artifact().manifest().model;
  auto endOfText = int32_t(model.end_of_text);
  if (tokenizer)
    endOfText = tokenizer->endOfText().value_or(endOfText);

  std::vector<Stream> streams;
  std::vector<std::span<const int32_t>> next;
  for (size_t i = 0; i < prompts.size(); ++i) {
    SamplingOptions sampling = options.sampling;
    sampling.seed += i;
    GPTC_TRY(StopMatcher stops, StopMatcher::create(options.stop));
    Stream &stream =
        streams.emplace_back(sampling, session.vocabulary(), std::move(stops));
    if (tokenizer)
      stream.decoder.emplace(*tokenizer);
    stream.history.reserve(prompts[i].size() + options.maxTokens);
    stream.history = prompts[i];
    next.emplace_back(prompts[i]);
  }

  auto emit = [&](uint32_t i, int32_t id, const std::string &text) {
    streams[i].result.text += text;
    if (onGenerated)
      onGenerated(i, id, text);
  };
  auto end = [&](uint32_t i, Finish finish) {
    Stream &stream = streams[i];
    stream.running = false;
    stream.result.finish = finish;
    std::string rest;
    if (stream.decoder)
      rest = stream.stops.push(stream.decoder->finish());
    emit(i, -1, rest + stream.stops.finish());
  };
  auto limitOf = [&](const Stream &stream) -> std::optional<Finish> {
    if (stream.result.ids.size() >= options.maxTokens)
      return Finish::MaxTokens;
    if (stream.history.size() >= session.capacity())
      return Finish::Context;
    return std::nullopt;
  };

  session.reset();
  Clock::time_point begin = Clock::now();
  GPTC_CHECK(session.feed(next, candidatesDo(session, streams)));
  Clock::time_point prefilled = Clock::now();
  // A prompt that fills the context gets one token more: its last position has
  // given logits, and the token after it needs no place in the cache.
  for (uint32_t i = 0; i < streams.size() && options.maxTokens == 0; ++i)
    end(i, Finish::MaxTokens);
  uint64_t tokens = 0;
  WeightsMover mover(session.runner().program());
  while (true) {
    bool any = false;
    uint64_t left = 0;
    for (uint32_t i = 0; i < streams.size(); ++i) {
      Stream &stream = streams[i];
      next[i] = {};
      if (!stream.running)
        continue;
      GPTC_TRY(int32_t id, nextToken(session, i, stream));
      if (id == endOfText && !options.ignoreEnd) {
        end(i, Finish::EndOfText);
        continue;
      }
      stream.history.push_back(id);
      stream.result.ids.push_back(id);
      ++tokens;
      std::string text;
      if (stream.decoder) {
        GPTC_TRY(std::string certain, stream.decoder->push(id));
        text = stream.stops.push(certain);
      }
      emit(i, id, text);
      if (stream.stops.stopped()) {
        end(i, Finish::StopText);
        continue;
      }
      if (auto limit = limitOf(stream)) {
        end(i, *limit);
        continue;
      }
      next[i] = std::span(stream.history).last(1);
      any = true;
      left =
          std::max(left, std::min(options.maxTokens - stream.result.ids.size(),
                                  session.capacity() - stream.history.size()));
    }
    if (!any)
      break;
    mover.beforeStep(left);
    GPTC_CHECK(session.feed(next, candidatesDo(session, streams)));
  }
  if (times) {
    using Seconds = std::chrono::duration<double>;
    times->promptSeconds = Seconds(prefilled - begin).count();
    times->decodeSeconds = Seconds(Clock::now() - prefilled).count();
    for (const auto &prompt : prompts)
      times->promptTokens += prompt.size();
    times->tokens = tokens;
  }
  std::vector<Generated> results;
  for (Stream &stream : streams)
    results.push_back(std::move(stream.result));
  return results;
}

} // namespace gptc
