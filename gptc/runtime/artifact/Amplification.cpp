//===- Amplification.cpp - Manifests that unpack to more than they are ----===//

#include "gptc/runtime/artifact/Validate.h"

using namespace gptc;
namespace fb = flatbuffers;

namespace {
/// Counts the bytes of everything that unpacking makes. An honest manifest
/// unpacks to about three times its size; offsets that point to one part many
/// times make it exceed.
class Meter {
public:
  explicit Meter(uint64_t limit) : limit_(limit) {}

  bool within() const { return used_ <= limit_; }
  /// The verifier looks at where a vector's length lies, not at its elements.
  bool aligned() const { return aligned_; }

  template <typename T> void add(const fb::Vector<T> *vector) {
    if (!vector)
      return;
    used_ += 4 + vector->size() * sizeof(T);
    aligned_ &= reinterpret_cast<uintptr_t>(vector->Data()) % sizeof(T) == 0;
  }
  void add(const fb::String *string) {
    if (string)
      used_ += 4 + string->size();
  }
  template <typename T, typename F>
  void each(const fb::Vector<fb::Offset<T>> *vector, F visit) {
    if (!vector)
      return;
    used_ += 4 + uint64_t(vector->size()) *
                     (sizeof(typename T::NativeTableType) + sizeof(void *));
    for (const T *element : *vector) {
      if (!within())
        return;
      visit(*element);
    }
  }
  void addStrings(const fb::Vector<fb::Offset<fb::String>> *vector) {
    if (!vector)
      return;
    used_ += 4 + 4 * uint64_t(vector->size());
    for (const fb::String *element : *vector)
      add(element);
  }

private:
  uint64_t limit_, used_ = 0;
  bool aligned_ = true;
};

void addParameters(Meter &meter,
                   const fb::Vector<fb::Offset<artifact::Parameter>> *list) {
  meter.each(list, [&](const artifact::Parameter &parameter) {
    meter.add(parameter.name());
    meter.add(parameter.shape());
  });
}

void addProgram(Meter &meter, const artifact::Program &program) {
  addParameters(meter, program.results());
  meter.each(program.buffers(), [](const artifact::Buffer &) {});
  meter.each(program.dispatches(), [&](const artifact::Dispatch &dispatch) {
    meter.add(dispatch.buffers());
    meter.add(dispatch.scope());
    meter.each(dispatch.scalars(), [](const artifact::Scalar &) {});
  });
}

void addTarget(Meter &meter, const artifact::Target &target) {
  meter.add(target.name());
  meter.each(target.storages(), [](const artifact::Storage &) {});
  meter.each(target.kernels(),
             [&](const artifact::Kernel &kernel) { meter.add(kernel.name()); });
  meter.each(target.programs(), [&](const artifact::Program &program) {
    addProgram(meter, program);
  });
  meter.each(target.variants(), [&](const artifact::Variant &variant) {
    meter.add(variant.name());
    meter.addStrings(variant.features());
    meter.each(variant.implementations(),
               [&](const artifact::Implementation &implementation) {
                 meter.add(implementation.symbol());
               });
  });
}
} // namespace

Status gptc::checkAmplification(const artifact::Manifest &manifest,
                                uint64_t manifestBytes) {
  Meter meter(8 * manifestBytes);
  meter.each(manifest.entries(), [&](const artifact::Entry &entry) {
    meter.add(entry.name());
    addParameters(meter, entry.arguments());
    addParameters(meter, entry.results());
  });
  meter.each(manifest.variables(), [&](const artifact::Variable &variable) {
    meter.add(variable.name());
    meter.add(variable.shape());
    meter.each(variable.pieces(), [&](const artifact::Piece &piece) {
      meter.add(piece.tensor());
    });
  });
  meter.each(manifest.files(),
             [&](const artifact::File &file) { meter.add(file.name()); });
  meter.each(manifest.targets(),
             [&](const artifact::Target &target) { addTarget(meter, target); });
  if (!meter.aligned())
    return failure(ErrorCode::Corrupt, "its manifest has a misaligned list");
  if (!meter.within())
    return failure(ErrorCode::Corrupt, "its manifest refers to the same parts "
                                       "again and again");
  return {};
}
