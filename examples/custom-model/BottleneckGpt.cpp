// A model of one's own: GPT-2's blocks with another activation (the square of
// relu) and a bottleneck (a feed-forward layer that narrows instead of
// widening). The definition is a shared library; `gptc compile` loads it,
// calls gptc_register_definitions, and then `build` once for each entry point
// that it compiles.

#include "gptc/frontend/Definition.h"
#include "gptc/frontend/Operators.h"

#include <cmath>

using namespace gptc;

namespace {

// The model in numbers: batch B, sequence T, width C, heads H, vocabulary V.
constexpr int64_t layers = 2, width = 64, heads = 4, headSize = width / heads,
                  bottleneck = width / 4, context = 128, vocabulary = 512;

/// Builds one entry point. A graph is written by calling operators: nothing
/// is computed here, every call adds an operation. A shape that does not fit
/// is reported with the line of the call, and building goes on.
struct BottleneckGpt {
  Graph &graph;
  const EntryRequest &request;
  Tensor positions, lengths; // [B] each; only prefill and decode have them.

  /// A parameter is declared where it is used. Its name is that of the tensor
  /// in a checkpoint; without one the initializer makes its values.
  Tensor weight(const std::string &name, const Shape &shape) {
    return graph.parameter(name, {DataType::F32, shape},
                           Initializer::normal(0, 0.02));
  }

  Tensor project(const std::string &name, const Tensor &x, int64_t from,
                 int64_t to) {
    Tensor bias = graph.parameter(name + ".bias", {DataType::F32, {to}},
                                  Initializer::zeros());
    return linear(x, weight(name + ".weight", {from, to}), bias);
  }

  Tensor norm(const std::string &name, const Tensor &x) {
    TensorType type{DataType::F32, {width}};
    return layerNorm(
        x, graph.parameter(name + ".weight", type, Initializer::ones()),
        graph.parameter(name + ".bias", type, Initializer::zeros()), 1e-5);
  }

  /// x is [B, T, C]. With a cache, T new rows see all rows before them.
  Tensor attend(const std::string &name, const Tensor &x) {
    Scope scope(graph, "attn"); // Errors, dumps and profiles name it.
    int64_t batch = request.batch, rows = request.rows;
    auto qkv =
        split(project(name + ".c_attn", x, width, 3 * width), 3); // [B, T, C]
    for (Tensor &part : qkv) // [B, H, T, D]
      part = transpose(reshape(part, {batch, rows, heads, headSize}),
                       {0, 2, 1, 3});
    AttentionOptions options;
    options.scale = 1 / std::sqrt(double(headSize));
    options.dropout = request.dropout; // 0 but where a step trains with it.
    if (options.dropout != 0)
      options.seed = dropoutSeed(graph);
    if (positions.valid()) {
      // State lives in variables: read the cache, append the new rows at each
      // sequence's position, and assign what the next call shall find.
      TensorType type{DataType::F32,
                      {batch, heads, request.capacity, headSize}};
      for (int i : {1, 2}) {
        std::string cache = name + (i == 1 ? ".key_cache" : ".value_cache");
        qkv[i] =
            cacheAppend(graph.cache(cache, type), qkv[i], positions, lengths);
        graph.assign(cache, qkv[i]);
      }
      options.positions = positions;
      options.lengths = lengths;
    }
    Tensor mixed = attention(qkv[0], qkv[1], qkv[2], options);
    mixed = reshape(transpose(mixed, {0, 2, 1, 3}), {batch, rows, width});
    return request.drop(project(name + ".c_proj", mixed, width, width));
  }

  /// Where GPT-2 widens to 4 C and applies gelu, this narrows to C / 4 and
  /// squares what relu leaves. Operators that are missing are composed.
  Tensor feedForward(const std::string &name, const Tensor &x) {
    Scope scope(graph, "mlp");
    Tensor narrow = relu(project(name + ".c_fc", x, width, bottleneck));
    return request.drop(
        project(name + ".c_proj", narrow * narrow, bottleneck, width));
  }

  void build() {
    using Kind = EntryRequest::Kind;
    bool cached = request.kind == Kind::Prefill || request.kind == Kind::Decode;
    TensorType ids{DataType::I32, {request.batch, request.rows}};
    TensorType perSequence{DataType::I32, {request.batch}};

    graph.beginEntry(request.name);
    Tensor tokens = graph.argument("tokens", ids), targets;
    if (cached) {
      positions = graph.argument("positions", perSequence);
      lengths = graph.argument("lengths", perSequence);
    }
    if (request.kind == Kind::Score || request.kind == Kind::Loss)
      targets = graph.argument("targets", ids);

    Tensor places = iota(graph, {request.batch, request.rows}, 1);
    if (cached)
      places = places + reshape(positions, {request.batch, 1});
    Tensor table = weight("wte.weight", {vocabulary, width});
    // Rows of the table; a task's own tokens have rows of another one.
    Tensor x = request.embed(table, tokens) +
               gather(weight("wpe.weight", {context, width}), places);
    x = request.drop(x); // [B, T, C]
    for (int64_t i = 0; i < layers; ++i) {
      std::string layer = "h." + std::to_string(i);
      Scope scope(graph, layer);
      x = x + attend(layer + ".attn", norm(layer + ".ln_1", x));
      x = x + feedForward(layer + ".mlp", norm(layer + ".ln_2", x));
    }
    if (cached) // Only the last valid row of each sequence is asked for.
      x = selectRow(x, lengths - full(lengths, 1));
    x = norm("ln_f", x);
    if (request.kind == Kind::States) { // A task has a head of its own.
      request.useStates(graph, x, table);
      graph.endEntry();
      return;
    }
    // The head is the embedding again, transposed: [..., C] to [..., V].
    Tensor logits = matmul(x, table, false, true);
    if (request.kind == Kind::Score)
      graph.result("log_likelihood", logLikelihood(logits, targets));
    else if (request.kind == Kind::Loss)
      request.useLoss(graph, crossEntropy(logits, targets));
    else
      graph.result("logits", logits);
    graph.endEntry();
  }
};

} // namespace

extern "C" void gptc_register_definitions(DefinitionRegistry &registry) {
  Definition definition;
  definition.name = "bottleneck-gpt";
  definition.info = {.family = "bottleneck-gpt",
                     .layers = layers,
                     .width = width,
                     .heads = heads,
                     .headSize = headSize,
                     .context = context,
                     .vocabulary = vocabulary};
  definition.build = [](Graph &graph, const EntryRequest &request) {
    BottleneckGpt{graph, request, {}, {}}.build();
  };
  registry.add(definition);
}
