// Mistakes that a definition may have. `gptc compile` reports all of them at
// once; expected.txt is what it prints.

#include "gptc/frontend/Definition.h"
#include "gptc/frontend/Operators.h"

#include <stdexcept>

using namespace gptc;

namespace {

constexpr int64_t width = 64, heads = 4, vocabulary = 512;

Tensor weight(Graph &graph, const std::string &name, const Shape &shape) {
  return graph.parameter(name, {DataType::F32, shape},
                         Initializer::normal(0, 0.02));
}

void buildWrong(Graph &graph, const EntryRequest &request) {
  int64_t batch = request.batch, rows = request.rows;
  graph.beginEntry(request.name);
  Tensor tokens = graph.argument("tokens", {DataType::I32, {batch, rows}});
  Tensor table = weight(graph, "wte.weight", {vocabulary, width});
  Tensor x = gather(table, tokens);
  for (int64_t i = 0; i < 2; ++i) {
    Scope layer(graph, "h." + std::to_string(i));
    std::string name = "h." + std::to_string(i);
    {
      Scope scope(graph, "attn");
      // Rows and columns of the weight are exchanged.
      matmul(x, weight(graph, name + ".attn.c_attn.weight", {192, width}));
      // Heads that do not make up the width.
      reshape(x, {batch, rows, heads + 1, width / heads});
      // A head of the query is narrower than one of the keys.
      Tensor query = reshape(x, {batch, heads, rows, 16});
      Tensor key = reshape(x, {batch, heads / 2, rows, 32});
      attention(query, key, key, {});
    }
    Scope scope(graph, "mlp");
    // A bias of another width, and what follows from it.
    Tensor shifted = x + weight(graph, name + ".mlp.bias", {width + 1});
    x = x + gelu(shifted, GeluForm::Tanh);
    // The token ids in place of the embedded tokens.
    x = layerNorm(tokens, weight(graph, name + ".ln_2.weight", {width}),
                  weight(graph, name + ".ln_2.bias", {width}), 1e-5);
  }
  graph.result("logits", matmul(x, table));
  graph.endEntry();
}

Definition define(const std::string &name) {
  Definition definition;
  definition.name = name;
  definition.info = {.family = name,
                     .layers = 2,
                     .width = width,
                     .heads = heads,
                     .headSize = width / heads,
                     .context = 128,
                     .vocabulary = vocabulary};
  return definition;
}

} // namespace

extern "C" void gptc_register_definitions(DefinitionRegistry &registry) {
  Definition wrong = define("wrong-gpt");
  wrong.build = buildWrong;
  registry.add(wrong);
  Definition throwing = define("throwing");
  throwing.build = [](Graph &, const EntryRequest &) {
    throw std::runtime_error("no layers");
  };
  registry.add(throwing);
}
