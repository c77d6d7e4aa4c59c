//===- MatrixProduct.cpp --------------------------------------------------===//

#include "gptc/runtime/program/MatrixProduct.h"

#include <array>
#include <dnnl.hpp>
#include <vector>

// Of the OpenMP runtime that oneDNN links; its header comes with compilers
// alone.
extern "C" {
void omp_set_num_threads(int threads);
int omp_get_max_threads();
}

namespace gptc {

namespace {

/// What one thread hands to the primitive.
struct Operands {
  dnnl::stream stream;
  dnnl::memory source, weights, sums, scratch;
};

constexpr int64_t panelWidth = 64;

/// Has oneDNN plan for one thread: a primitive made under it runs on its
/// caller's thread and starts no others.
class OneThread {
public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread &) = delete;
  OneThread &operator=(const OneThread &) = delete;

private:
  int before_;
};

} // namespace

struct MatrixProduct::State {
  dnnl::engine engine;
  dnnl::primitive primitive;
  std::vector<Operands> operands; ///< One for each thread.
};

MatrixProduct::MatrixProduct(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
MatrixProduct::~MatrixProduct() = default;

Expected<std::unique_ptr<MatrixProduct>>
MatrixProduct::create(uint64_t rows, uint64_t depth, uint64_t sourceStride,
                      unsigned threads) {
  using dnnl::memory;
  OneThread planning;
  try {
    auto m = int64_t(rows), k = int64_t(depth);
    auto state = std::make_unique<State>();
    state->engine = dnnl::engine(dnnl::engine::kind::cpu, 0);
    memory::desc source({m, k}, memory::data_type::bf16,
                        memory::dims{int64_t(sourceStride), 1});
    memory::desc weights({k, panelWidth}, memory::data_type::bf16,
                         memory::format_tag::BA16a64b2a);
    memory::desc sums({m, panelWidth}, memory::data_type::f32,
                      memory::format_tag::ab);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    dnnl::matmul::primitive_desc description(state->engine, source, weights,
                                             sums, attributes);
    state->primitive = dnnl::matmul(description);
    for (unsigned i = 0; i < threads; ++i)
      state->operands.push_back(
          {dnnl::stream(state->engine),
           memory(source, state->engine, DNNL_MEMORY_NONE),
           memory(weights, state->engine, DNNL_MEMORY_NONE),
           memory(sums, state->engine, DNNL_MEMORY_NONE),
           memory(description.scratchpad_desc(), state->engine,
                  DNNL_MEMORY_NONE)});
    std::unique_ptr<MatrixProduct> product(new MatrixProduct(std::move(state)));
    product->implementation_ = description.impl_info_str();
    product->scratchBytes_ = description.scratchpad_desc().get_size();
    return product;
  } catch (const dnnl::error &error) {
    return failure(ErrorCode::Unsupported,
                   "oneDNN has no product of {} x {} bf16 values by a packed "
                   "panel here: {}",
                   rows, depth, error.what());
  }
}

bool MatrixProduct::isReference() const {
  return implementation_.find("ref") != std::string::npos;
}

bool MatrixProduct::usesAmx() const {
  return implementation_.find("amx") != std::string::npos;
}

void MatrixProduct::run(const std::byte *source, const std::byte *weights,
                        std::byte *sums, std::byte *scratch,
                        unsigned thread) const {
  Operands &operands = state_->operands[thread];
  // oneDNN's interface takes what it only reads as writable as well.
  auto handle = [](const std::byte *data) {
    return const_cast<std::byte *>(data);
  };
  dnnl_memory_set_data_handle(operands.source.get(), handle(source));
  dnnl_memory_set_data_handle(operands.weights.get(), handle(weights));
  dnnl_memory_set_data_handle(operands.sums.get(), sums);
  dnnl_memory_set_data_handle(operands.scratch.get(), scratch);
  std::array<dnnl_exec_arg_t, 4> arguments{
      {{DNNL_ARG_SRC, operands.source.get()},
       {DNNL_ARG_WEIGHTS, operands.weights.get()},
       {DNNL_ARG_DST, operands.sums.get()},
       {DNNL_ARG_SCRATCHPAD, operands.scratch.get()}}};
  // It can only fail on arguments that do not belong to the primitive.
  dnnl_primitive_execute(state_->primitive.get(), operands.stream.get(),
                         int(arguments.size()), arguments.data());
}

} // namespace gptc
