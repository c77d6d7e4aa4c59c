//===- Transformer.cpp ----------------------------------------------------===//

#include "gptc/models/Transformer.h"

#include "gptc/frontend/Operators.h"

#include <cmath>
#include <fmt/format.h>

namespace gptc {

namespace {

constexpr double initialDeviation = 0.02;

class Builder {
public:
  Builder(Graph &graph, const ModelConfig &config, const EntryRequest &request)
      : graph(graph), config(config), request(request) {}

  void build();

private:
  using Kind = EntryRequest::Kind;
  Graph &graph;
  const ModelConfig &config;
  const EntryRequest &request;
  Tensor positions, lengths;

  int64_t projected() const { return config.heads * config.headSize; }
  bool isNeo() const { return config.family == Family::GptNeo; }
  /// The residual projections start smaller, by the number of residual sums.
  double residualDeviation() const {
    return config.postNorm()
               ? initialDeviation
               : initialDeviation / std::sqrt(2.0 * double(config.layers));
  }

  Tensor embed(const Tensor &tokens);
  Tensor norm(const std::string &name, const Tensor &x);
  Tensor project(const std::string &name, const Tensor &x, int64_t to,
                 double deviation, bool bias = true);
  Tensor attend(const std::string &layer, int64_t index, const Tensor &x);
  Tensor feedForward(const std::string &layer, const Tensor &x);
  Tensor activate(const Tensor &x);
  Tensor headTable();
  std::string tokenTable() const {
    return config.family == Family::Gpt1 ? "tokens_embed.weight" : "wte.weight";
  }
};

Tensor Builder::embed(const Tensor &tokens) {
  Scope scope(graph, "embedding");
  bool first = config.family == Family::Gpt1;
  Tensor words = graph.parameter(
      tokenTable(), {DataType::F32, {config.vocabulary, config.width}},
      Initializer::normal(0, initialDeviation));
  Tensor places = graph.parameter(
      first ? "positions_embed.weight" : "wpe.weight",
      {DataType::F32, {config.context, config.width}},
      Initializer::normal(0, first ? initialDeviation : initialDeviation / 2));
  Tensor indices = iota(graph, {request.batch, request.rows}, 1);
  if (positions.valid())
    indices = indices + reshape(positions, {request.batch, 1});
  return request.drop(request.embed(words, tokens) + gather(places, indices));
}

Tensor Builder::norm(const std::string &name, const Tensor &x) {
  Scope scope(graph, name.substr(name.rfind('.') + 1));
  TensorType type{DataType::F32, {config.width}};
  return layerNorm(x,
                   graph.parameter(name + ".weight", type, Initializer::ones()),
                   graph.parameter(name + ".bias", type, Initializer::zeros()),
                   config.epsilon);
}

Tensor Builder::project(const std::string &name, const Tensor &x, int64_t to,
                        double deviation, bool bias) {
  Scope scope(graph, name.substr(name.rfind('.') + 1));
  int64_t from = x.valid() ? x.shape().back() : 1;
  Tensor weight = graph.parameter(name + ".weight", {DataType::F32, {from, to}},
                                  Initializer::normal(0, deviation),
                                  {{name + ".weight", isNeo()}});
  Tensor shift;
  if (bias)
    shift = graph.parameter(name + ".bias", {DataType::F32, {to}},
                            Initializer::zeros());
  return linear(x, weight, shift);
}

Tensor Builder::attend(const std::string &layer, int64_t index,
                       const Tensor &x) {
  Scope scope(graph, "attn");
  int64_t batch = request.batch, rows = request.rows;
  std::string name = layer + (isNeo() ? ".attn.attention" : ".attn");
  Tensor joined;
  if (isNeo()) {
    // Three matrices without biases, joined so that one product makes all.
    Tensor weight =
        graph.parameter(name + ".qkv_proj.weight",
                        {DataType::F32, {config.width, 3 * projected()}},
                        Initializer::normal(0, initialDeviation),
                        {{name + ".q_proj.weight", true},
                         {name + ".k_proj.weight", true},
                         {name + ".v_proj.weight", true}});
    joined = matmul(x, weight);
  } else {
    joined = project(name + ".c_attn", x, 3 * projected(), initialDeviation);
  }
  std::vector<Tensor> parts = split(joined, 3);
  for (Tensor &part : parts)
    part =
        transpose(reshape(part, {batch, rows, config.heads, config.headSize}),
                  {0, 2, 1, 3});
  AttentionOptions options;
  double divisor = config.scaleScores ? std::sqrt(double(config.headSize)) : 1;
  if (config.scaleByInverseLayer)
    divisor *= double(index + 1);
  options.scale = 1 / divisor;
  if (int64_t window =
          config.windows.empty() ? 0 : config.windows[size_t(index)])
    options.window = window;
  if (positions.valid()) {
    TensorType type{DataType::F32,
                    {batch, config.heads, request.capacity, config.headSize}};
    const char *names[] = {"", ".key_cache", ".value_cache"};
    for (int i : {1, 2}) {
      Tensor grown = cacheAppend(graph.cache(name + names[i], type), parts[i],
                                 positions, lengths);
      graph.assign(name + names[i], grown);
      parts[i] = grown;
    }
    options.positions = positions;
    options.lengths = lengths;
  }
  options.dropout = request.dropout;
  if (options.dropout != 0)
    options.seed = dropoutSeed(graph);
  Tensor mixed = attention(parts[0], parts[1], parts[2], options);
  mixed = reshape(transpose(mixed, {0, 2, 1, 3}), {batch, rows, projected()});
  return request.drop(project(isNeo() ? name + ".out_proj" : name + ".c_proj",
                              mixed, config.width, residualDeviation()));
}

Tensor Builder::activate(const Tensor &x) {
  switch (config.activation) {
  case Activation::GeluErf:
    return gelu(x, GeluForm::Erf);
  case Activation::GeluTanh:
    return gelu(x, GeluForm::Tanh);
  case Activation::QuickGelu:
    return gelu(x, GeluForm::Sigmoid);
  case Activation::Silu:
    return silu(x);
  case Activation::Relu:
    return relu(x);
  case Activation::Tanh:
    return tanh(x);
  }
  return x;
}

Tensor Builder::feedForward(const std::string &layer, const Tensor &x) {
  Scope scope(graph, "mlp");
  Tensor inner =
      project(layer + ".mlp.c_fc", x, config.inner, initialDeviation);
  return request.drop(project(layer + ".mlp.c_proj", activate(inner),
                              config.width, residualDeviation()));
}

Tensor Builder::headTable() {
  TensorType type{DataType::F32, {config.vocabulary, config.width}};
  std::string name = config.tieHead ? tokenTable() : "lm_head.weight";
  return graph.parameter(name, type, Initializer::normal(0, initialDeviation));
}

void Builder::build() {
  bool cached = request.kind == Kind::Prefill || request.kind == Kind::Decode;
  graph.beginEntry(request.name);
  TensorType ids{DataType::I32, {request.batch, request.rows}};
  TensorType perSequence{DataType::I32, {request.batch}};
  Tensor tokens = graph.argument("tokens", ids), targets;
  if (cached) {
    positions = graph.argument("positions", perSequence);
    lengths = graph.argument("lengths", perSequence);
  }
  if (request.kind == Kind::Score || request.kind == Kind::Loss)
    targets = graph.argument("targets", ids);

  Tensor x = embed(tokens);
  for (int64_t i = 0; i < config.layers; ++i) {
    std::string layer = "h." + std::to_string(i);
    Scope scope(graph, layer);
    if (config.postNorm()) {
      x = norm(layer + ".ln_1", x + attend(layer, i, x));
      x = norm(layer + ".ln_2", x + feedForward(layer, x));
    } else {
      x = x + attend(layer, i, norm(layer + ".ln_1", x));
      x = x + feedForward(layer, norm(layer + ".ln_2", x));
    }
  }
  if (cached) // Logits of each sequence's last valid row alone.
    x = selectRow(x, lengths - full(lengths, 1));
  if (!config.postNorm())
    x = norm("ln_f", x);
  if (request.kind == Kind::States) {
    request.useStates(graph, x, headTable());
    graph.endEntry();
    return;
  }
  Tensor result;
  {
    Scope scope(graph, "head");
    Tensor table = headTable();
    result =
        request.kind == Kind::Score  ? linearLogLikelihood(x, table, targets)
        : request.kind == Kind::Loss ? linearCrossEntropy(x, table, targets)
                                     : matmul(x, table, false, true);
  }
  if (request.kind == Kind::Loss)
    request.useLoss(graph, result);
  else
    graph.result(request.kind == Kind::Score ? "log_likelihood" : "logits",
                 result);
  graph.endEntry();
}

} // namespace

void buildTransformer(Graph &graph, const ModelConfig &config,
                      const EntryRequest &request) {
  Builder(graph, config, request).build();
}

/// The large tensors of an entry point, with what they are.
static std::vector<std::pair<const char *, Shape>>
largeTensors(const ModelConfig &config, const EntryRequest &request) {
  using Kind = EntryRequest::Kind;
  int64_t batch = request.batch, rows = request.rows;
  int64_t projected = config.heads * config.headSize;
  std::vector<std::pair<const char *, Shape>> tensors{
      {"a layer's queries, keys and values", {batch, rows, 3 * projected}},
      {"what is inside of a layer's MLP", {batch, rows, config.inner}},
      {"a layer's states", {batch, rows, config.width}}};
  switch (request.kind) {
  case Kind::Prefill:
  case Kind::Decode:
    tensors.push_back(
        {"the cache of a layer's keys",
         {batch, config.heads, request.capacity, config.headSize}});
    tensors.push_back({"the logits", {batch, config.vocabulary}});
    break;
  case Kind::Logits:
    tensors.push_back({"the logits", {batch, rows, config.vocabulary}});
    break;
  case Kind::Score:
  case Kind::Loss: // Blocks of an eighth of all rows at least.
    tensors.push_back(
        {"a block of logits",
         {std::max<int64_t>(batch * rows / 8, 1), config.vocabulary}});
    break;
  case Kind::States:
    break;
  }
  return tensors;
}

std::string whyTooLarge(const ModelConfig &config,
                        const EntryRequest &request) {
  std::pair<const char *, TensorType> largest;
  for (auto &[what, shape] : largeTensors(config, request))
    if (TensorType type{DataType::F32, shape};
        type.elements() > largest.second.elements())
      largest = {what, type};
  auto &[what, type] = largest;
  if (type.elements() > mostElements)
    return fmt::format("{} would be {} of {} elements, and a tensor has at "
                       "most {}",
                       what, type.toString(), type.elements(), mostElements);
  using Kind = EntryRequest::Kind;
  bool cached = request.kind == Kind::Prefill || request.kind == Kind::Decode;
  TensorType scores{DataType::F32,
                    {request.batch, config.heads, request.rows,
                     cached ? request.capacity : request.rows}};
  if (scores.elements() > mostScores)
    return fmt::format("a layer's attention would have {} scores, and has at "
                       "most {}",
                       toString(scores.shape), mostScores);
  return "";
}

Definition definitionOf(const ModelConfig &config) {
  Definition definition;
  definition.name = config.name;
  const char *families[] = {"gpt1", "gpt2", "gpt3", "gpt_neo"};
  definition.info = {families[int(config.family)], uint64_t(config.layers),
                     uint64_t(config.width),       uint64_t(config.heads),
                     uint64_t(config.headSize),    uint64_t(config.context),
                     uint64_t(config.vocabulary),  config.endOfText};
  definition.build = [config](Graph &graph, const EntryRequest &request) {
    buildTransformer(graph, config, request);
  };
  return definition;
}

} // namespace gptc
