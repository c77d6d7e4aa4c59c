//===- Error.cpp ----------------------------------------------------------===//

#include "gptc/runtime/base/Error.h"

#include <cerrno>
#include <system_error>

namespace gptc {

const char *toString(ErrorCode code) {
  switch (code) {
  case ErrorCode::InvalidArgument:
    return "invalid argument";
  case ErrorCode::NotFound:
    return "not found";
  case ErrorCode::Corrupt:
    return "corrupt";
  case ErrorCode::Unsupported:
    return "unsupported";
  case ErrorCode::OutOfMemory:
    return "out of memory";
  case ErrorCode::DeviceLost:
    return "device lost";
  case ErrorCode::Io:
    return "input/output";
  case ErrorCode::Internal:
    return "internal";
  }
  return "unknown";
}

Error systemError(int errnoValue, const std::string &action,
                  const std::string &path) {
  return Error(errnoValue == ENOENT ? ErrorCode::NotFound : ErrorCode::Io,
               fmt::format("cannot {} '{}': {}", action, path,
                           std::generic_category().message(errnoValue)));
}

} // namespace gptc
