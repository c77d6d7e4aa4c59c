//===- Session.cpp --------------------------------------------------------===//

#include "gptc/runtime/session/Session.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace gptc {

namespace {

/// Index of a parameter of that name and type, or -1.
int find(const std::vector<std::unique_ptr<artifact::ParameterT>> &list,
         const std::string &name, artifact::ElementType type) {
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i]->name == name && list[i]->type == type && !list[i]->scalar)
      return int(i);
  return -1;
}

} // namespace

Expected<std::unique_ptr<Session>>
Session::create(std::unique_ptr<Runner> runner) {
  std::unique_ptr<Session> session(new Session());
  session->runner_ = std::move(runner);
  const artifact::ManifestT &manifest = session->artifact().manifest();
  session->batch_ = uint32_t(manifest.model->batch);
  session->capacity_ = manifest.model->capacity;
  session->vocabulary_ = manifest.model->vocabulary;
  for (uint32_t i = 0; i < manifest.entries.size(); ++i) {
    const std::string &name = manifest.entries[i]->name;
    if (!session->runner_->has(i) || (name != "decode" && name != "prefill" &&
                                      !name.starts_with("prefill_")))
      continue;
    GPTC_TRY(Entry entry, session->openEntry(i));
    session->entries_.push_back(entry);
  }
  if (session->entries_.empty())
    return failure(ErrorCode::NotFound,
                   "'{}' has neither of the entries prefill and decode, which "
                   "generating needs; compile with --entry prefill,decode",
                   session->artifact().path());
  std::sort(session->entries_.begin(), session->entries_.end(),
            [](const Entry &a, const Entry &b) { return a.rows < b.rows; });
  size_t fewest = session->entries_[0].topIds.size();
  for (const Entry &entry : session->entries_)
    fewest = std::min(fewest, entry.topIds.size());
  session->candidateCount_ = fewest / session->batch_;
  session->used_.resize(session->batch_);
  session->done_.resize(session->batch_);
  session->logits_.resize(session->batch_ * session->vocabulary_);
  return session;
}

Expected<Session::Entry> Session::openEntry(uint32_t index) {
  const artifact::EntryT &description = *artifact().manifest().entries[index];
  int tokens =
      find(description.arguments, "tokens", artifact::ElementType::I32);
  int positions =
      find(description.arguments, "positions", artifact::ElementType::I32);
  int lengths =
      find(description.arguments, "lengths", artifact::ElementType::I32);
  int logits = find(description.results, "logits", artifact::ElementType::F32);
  Entry entry;
  entry.index = index;
  bool right = tokens >= 0 && positions >= 0 && lengths >= 0 && logits >= 0 &&
               batch_ > 0 && vocabulary_ > 0;
  if (right) {
    entry.tokens = runner_->argumentAs<int32_t>(index, size_t(tokens));
    entry.positions = runner_->argumentAs<int32_t>(index, size_t(positions));
    entry.lengths = runner_->argumentAs<int32_t>(index, size_t(lengths));
    entry.logits = runner_->resultAs<float>(index, size_t(logits));
    entry.logitsResult = size_t(logits);
    entry.rows = entry.tokens.size() / batch_;
    right = entry.rows > 0 && entry.tokens.size() == batch_ * entry.rows &&
            entry.positions.size() == batch_ &&
            entry.lengths.size() == batch_ &&
            entry.logits.size() == batch_ * vocabulary_;
  }
  if (!right)
    return failure(ErrorCode::Unsupported,
                   "entry '{}' of '{}' does not take tokens [B, T], positions "
                   "[B] and lengths [B] and give logits [B, V]",
                   description.name, artifact().path());
  findCandidates(entry);
  return entry;
}

/// Looks for candidates among what the program gives beside the logits.
void Session::findCandidates(Entry &entry) {
  Executable *program = runner_->program();
  if (!program)
    return;
  const auto &added = program->describe(entry.index).results;
  size_t first = artifact().manifest().entries[entry.index]->results.size();
  int logits = find(added, "top_logits", artifact::ElementType::F32);
  int ids = find(added, "top_ids", artifact::ElementType::I32);
  if (logits < 0 || ids < 0)
    return;
  std::vector<size_t> results{first + size_t(logits), first + size_t(ids)};
  auto topLogits = program->resultAs<float>(entry.index, results[0]);
  auto topIds = program->resultAs<int32_t>(entry.index, results[1]);
  if (topLogits.size() != topIds.size() || topIds.size() % batch_ != 0)
    return;
  entry.topLogits = topLogits;
  entry.topIds = topIds;
  entry.topResults = std::move(results);
}

void Session::reset() { std::fill(used_.begin(), used_.end(), 0); }

const Session::Entry &Session::entryFor(uint64_t rows) const {
  // Reading the weights costs about as much as computing this many rows.
  constexpr uint64_t overhead = 12;
  const Entry *best = nullptr;
  double least = 0;
  for (const Entry &entry : entries_) {
    uint64_t taken = std::min(rows, entry.rows);
    uint64_t computed =
        std::min(entry.rows, runner_->computedRows(entry.index, taken));
    double cost = double(computed + overhead) / double(taken);
    if (!best || cost < least) {
      best = &entry;
      least = cost;
    }
  }
  return *best;
}

/// Has the next run of an entry bring candidates, or logits.
void Session::want(const Entry &entry, bool candidates) {
  if (candidateCount_ > 0)
    runner_->program()->want(entry.index,
                             candidates ? std::span(entry.topResults)
                                        : std::span(&entry.logitsResult, 1));
}

/// Keeps the logits that the latest run of an entry gave.
void Session::keepLogits(const Entry &entry) {
  for (uint32_t b = 0; b < batch_; ++b)
    if (entry.lengths[b] > 0)
      std::memcpy(logits_.data() + b * vocabulary_,
                  entry.logits.data() + b * vocabulary_,
                  vocabulary_ * sizeof(float));
}

Status Session::bringLogits() {
  if (!chosen_)
    return {};
  const Entry &entry = *std::exchange(chosen_, nullptr);
  GPTC_CHECK(runner_->program()->bring(entry.index, entry.logitsResult));
  keepLogits(entry);
  return {};
}

Candidates Session::candidates(uint32_t sequence) const {
  if (!chosen_)
    return {};
  size_t each = chosen_->topIds.size() / batch_;
  return {chosen_->topLogits.subspan(sequence * each, each),
          chosen_->topIds.subspan(sequence * each, each)};
}

Status Session::feed(std::span<const std::span<const int32_t>> tokens,
                     bool candidatesDo) {
  if (tokens.size() > batch_)
    return failure(ErrorCode::InvalidArgument,
                   "{} sequences are given, but '{}' was compiled for {}",
                   tokens.size(), artifact().path(), batch_);
  uint64_t most = 0;
  for (size_t b = 0; b < tokens.size(); ++b) {
    most = std::max<uint64_t>(most, tokens[b].size());
    if (tokens[b].size() > capacity_ - used_[b])
      return failure(ErrorCode::InvalidArgument,
                     "{} tokens do not fit into the context of {}{}",
                     tokens[b].size(), capacity_,
                     used_[b] == 0
                         ? std::string()
                         : fmt::format(", of which {} are used", used_[b]));
    for (int32_t id : tokens[b])
      if (id < 0 || uint64_t(id) >= vocabulary_)
        return failure(ErrorCode::InvalidArgument,
                       "token {} is outside of the vocabulary of {}", id,
                       vocabulary_);
  }
  // Of sequences that end in different runs only the logits are kept.
  for (std::span<const int32_t> some : tokens)
    candidatesDo = candidatesDo && (some.empty() || some.size() == most);
  bool chooses = candidatesDo && candidateCount_ > 0;
  chosen_ = nullptr;
  std::fill(done_.begin(), done_.end(), 0);
  while (true) {
    uint64_t left = 0;
    for (size_t b = 0; b < tokens.size(); ++b)
      left = std::max(left, tokens[b].size() - done_[b]);
    if (left == 0)
      return {};
    const Entry &entry = entryFor(left);
    want(entry, chooses);
    std::memset(entry.tokens.data(), 0, entry.tokens.size_bytes());
    for (uint32_t b = 0; b < batch_; ++b) {
      uint64_t count = 0;
      if (b < tokens.size()) {
        count = std::min(entry.rows, tokens[b].size() - done_[b]);
        std::copy_n(tokens[b].data() + done_[b], count,
                    entry.tokens.data() + b * entry.rows);
      }
      entry.positions[b] = int32_t(used_[b]);
      entry.lengths[b] = int32_t(count);
    }
    GPTC_CHECK(runner_->runInPlace(entry.index));
    for (size_t b = 0; b < tokens.size(); ++b) {
      done_[b] += uint64_t(entry.lengths[b]);
      used_[b] += uint64_t(entry.lengths[b]);
    }
    if (chooses)
      chosen_ = &entry;
    else
      keepLogits(entry);
  }
}

std::span<const float> Session::logits(uint32_t sequence) const {
  return {logits_.data() + sequence * vocabulary_, vocabulary_};
}

} // namespace gptc
