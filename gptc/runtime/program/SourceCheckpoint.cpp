//===- SourceCheckpoint.cpp -----------------------------------------------===//

#include "gptc/runtime/program/SourceCheckpoint.h"

namespace gptc {

Expected<Checkpoint> openSource(const Artifact &artifact,
                                const std::string &folder) {
  const artifact::SourceT &source = *artifact.manifest().source;
  auto opened = Checkpoint::open(folder.empty() ? source.checkpoint : folder);
  std::string what = fmt::format("the weights of '{}'", artifact.path());
  if (!opened && folder.empty() && opened.error().code() == ErrorCode::NotFound)
    return failure(ErrorCode::NotFound,
                   "{}: {}; say with --checkpoint DIR where they are now", what,
                   opened.error().message());
  if (!opened)
    return tl::unexpected(opened.error().in(what));
  if (folder.empty() && opened->digest() != source.digest)
    return failure(ErrorCode::Corrupt,
                   "the checkpoint '{}' is not what '{}' was compiled from; "
                   "compile it again, or take the weights as they are by "
                   "--checkpoint DIR",
                   source.checkpoint, artifact.path());
  return opened;
}

Expected<bool> hasOtherWeights(const Artifact &artifact,
                               const std::string &folder) {
  const artifact::SourceT &source = *artifact.manifest().source;
  if (source.checkpoint.empty())
    return false;
  GPTC_TRY(Checkpoint checkpoint, Checkpoint::open(folder));
  return checkpoint.digest() != source.digest;
}

tl::unexpected<Error> takesNone(const Artifact &artifact,
                                const std::string &folder) {
  return failure(ErrorCode::InvalidArgument,
                 "'{}' carries its weights, and takes none from '{}'; compile "
                 "it without --embed-weights",
                 artifact.path(), folder);
}

} // namespace gptc
