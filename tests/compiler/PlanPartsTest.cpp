//===- PlanPartsTest.cpp - Shares of memory and work ----------------------===//

#include "gptc/compiler/PlanParts.h"
#include "gptc/compiler/Driver.h"

#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace gptc {
namespace {

/// One layer of width 35 with 7 heads, 51 between, vocabulary 101, context 23.
const std::string tiny = GPTC_SOURCE_DIR "/tests/golden/models/gpt2-gelu";
constexpr uint64_t width = 35, inner = 51, vocabulary = 101, context = 23;

PlanSummary plan(const std::string &model, std::vector<std::string> entries,
                 const std::string &type = "f32") {
  CompileRequest request;
  request.model = model;
  request.entries = std::move(entries);
  request.dtype = type;
  auto plan = planModel(request);
  if (!plan) {
    ADD_FAILURE() << plan.error().message();
    return {};
  }
  return *plan;
}

const MemoryPart *memoryOf(const PlanSummary &plan, const std::string &name) {
  for (const MemoryPart &part : plan.parts)
    if (part.name == name)
      return &part;
  return nullptr;
}

uint64_t bytesOf(const PlanSummary &plan, const std::string &name) {
  const MemoryPart *part = memoryOf(plan, name);
  return part ? part->bytes : 0;
}

uint64_t bytesOf(const PlanSummary &plan, const std::string &name,
                 const std::string &inner) {
  if (const MemoryPart *part = memoryOf(plan, name))
    for (const MemoryPart::Inner &one : part->parts)
      if (one.name == inner)
        return one.bytes;
  return 0;
}

const WorkPart *workOf(const PlanEntry &entry, const std::string &name,
                       Pass pass) {
  for (const WorkPart &part : entry.parts)
    if (part.name == name && part.pass == pass)
      return &part;
  return nullptr;
}

uint64_t flopsOf(const PlanEntry &entry, const std::string &name, Pass pass) {
  const WorkPart *part = workOf(entry, name, pass);
  return part ? part->flops : 0;
}

TEST(PlanParts, AreScopesWithoutNumbers) {
  auto isVariable = [](llvm::StringRef name) {
    return name == "h.0.ln_1.bias" || name == "scale1";
  };
  const std::pair<const char *, const char *> parts[] = {
      {"h.3/attn/c_attn", "attn/c_attn"},
      {"h.11/ln_2", "ln"},
      {"h.3", "h"},
      {"block7/mlp", "mlp"},
      {"block7", "block"},
      {"attn/c_attn", "attn/c_attn"},
      {"attn/conv2/3", "attn/conv/3"},
      {"ln_f", "ln_f"},
      {"optimizer/h.0.ln_1.bias", "optimizer"},
      {"optimizer/h.0.ln_2.bias", "optimizer/h.0.ln_2.bias"},
      {"scale1/c_fc", "other"},
      {"", "other"}};
  for (auto [scope, part] : parts)
    EXPECT_EQ(partOf(scope, isVariable), part) << scope;
}

struct Case {
  std::string model;
  std::string type;
  std::vector<std::string> entries;
};

class PlanPartsOf : public testing::TestWithParam<Case> {};

/// Nothing is counted twice or not at all.
TEST_P(PlanPartsOf, SumUpToTheWhole) {
  PlanSummary found =
      plan(GetParam().model, GetParam().entries, GetParam().type);
  ASSERT_FALSE(found.entries.empty());
  uint64_t arena = 0;
  for (const PlanEntry &entry : found.entries) {
    uint64_t flops = 0, bytes = 0, traffic = 0;
    std::set<std::pair<std::string, Pass>> names;
    for (const WorkPart &part : entry.parts) {
      flops += part.flops;
      bytes += part.bytes;
      traffic += part.traffic;
      EXPECT_TRUE(names.emplace(part.name, part.pass).second) << part.name;
    }
    EXPECT_EQ(flops, entry.flops) << entry.name;
    EXPECT_EQ(bytes, entry.bytes) << entry.name;
    EXPECT_EQ(traffic, entry.traffic) << entry.name;
    EXPECT_GT(entry.flops, 0U) << entry.name;
    EXPECT_GE(entry.traffic, entry.bytes) << entry.name;
  }
  uint64_t sum = 0;
  for (const MemoryPart &part : found.parts) {
    uint64_t inner = 0;
    for (const MemoryPart::Inner &one : part.parts)
      inner += one.bytes;
    if (part.name != "gaps")
      EXPECT_EQ(inner, part.bytes) << part.name;
    EXPECT_GT(part.bytes, 0U) << part.name;
    EXPECT_LE(part.bytes, found.peakBytes()) << part.name;
    sum += part.bytes;
    for (const char *kind : {"weight_copies", "activations", "logits",
                             "gradients", "scratch", "gaps"})
      arena += part.name == kind ? part.bytes : 0;
  }
  EXPECT_EQ(sum, found.peakBytes());
  EXPECT_EQ(arena, found.arenaBytes);
  EXPECT_EQ(bytesOf(found, "weights"), found.weightsBytes);
  EXPECT_EQ(bytesOf(found, "exp_avg") + bytesOf(found, "exp_avg_sq") +
                bytesOf(found, "optimizer"),
            found.optimizerBytes);
  EXPECT_EQ(bytesOf(found, "cache") + bytesOf(found, "gradient_sum"),
            found.cacheBytes);
  // The plan reaches its bound: gaps are those of alignment, which only tell
  // where buffers are small.
  EXPECT_LT(bytesOf(found, "gaps"),
            found.arenaBytes / (GetParam().model == tiny ? 5 : 100));
}

INSTANTIATE_TEST_SUITE_P(
    Entries, PlanPartsOf,
    testing::Values(Case{tiny, "f32", {"train_step"}},
                    Case{tiny, "bf16", {"train_step"}},
                    Case{tiny, "f32", {"train_step", "accumulate_gradients"}},
                    Case{tiny, "f32", {"loss_and_gradients", "score"}},
                    Case{tiny, "bf16", {"prefill", "decode"}},
                    Case{"gpt1", "f32", {"prefill", "decode"}},
                    Case{"gpt2-124m", "f32", {"train_step"}},
                    Case{"gpt2-124m", "bf16", {"train_step"}}));

/// Products by hand: two operations for each element of the weight and row
/// forward and four backward, and one for each element of what a bias is added
/// to, both ways.
TEST(PlanParts, HaveTheWorkOfTheirProducts) {
  PlanSummary found = plan(tiny, {"train_step"});
  ASSERT_EQ(found.entries.size(), 1U);
  const PlanEntry &step = found.entries[0];
  const std::tuple<const char *, uint64_t, uint64_t> products[] = {
      {"attn/c_attn", width, 3 * width},
      {"attn/c_proj", width, width},
      {"mlp/c_fc", width, inner},
      {"mlp/c_proj", inner, width}};
  for (auto [name, from, to] : products) {
    uint64_t product = 2 * context * from * to, bias = context * to;
    EXPECT_EQ(flopsOf(step, name, Pass::Forward), product + bias) << name;
    // Where a residual meets it, two gradients are summed.
    EXPECT_GE(flopsOf(step, name, Pass::Backward), 2 * product + bias) << name;
    EXPECT_LE(flopsOf(step, name, Pass::Backward),
              2 * product + bias + context * width)
        << name;
    EXPECT_EQ(workOf(step, name, Pass::Forward)->bytes, 4 * (from + 1) * to)
        << name;
    EXPECT_EQ(workOf(step, name, Pass::Update), nullptr) << name;
  }
  uint64_t head = 2 * context * width * vocabulary;
  EXPECT_GE(flopsOf(step, "head", Pass::Forward), head);
  EXPECT_LT(flopsOf(step, "head", Pass::Forward), head * 11 / 10);
  EXPECT_GE(flopsOf(step, "head", Pass::Backward), 2 * head);
  EXPECT_LT(flopsOf(step, "head", Pass::Backward), 2 * head * 11 / 10);
  // Each moment and each parameter is read and written, and gradients are read
  // twice, once of them for their norm.
  const WorkPart *update = workOf(step, "optimizer", Pass::Update);
  ASSERT_NE(update, nullptr);
  uint64_t all = 4 * found.parameters;
  EXPECT_GE(update->traffic, 8 * all);
  EXPECT_LT(update->traffic, 10 * all);
  // Both moments; parameters are named where they are used.
  EXPECT_EQ(update->bytes,
            2 * all + 2 * 4 /* sums of powers */ + 4 /* the norm, a result */);
  for (const WorkPart &part : step.parts)
    EXPECT_NE(part.name, "other");
}

TEST(PlanParts, HaveTheMemoryOfTheirWeights) {
  PlanSummary found = plan(tiny, {"train_step"});
  EXPECT_EQ(found.peakEntry, "train_step");
  const std::pair<const char *, uint64_t> parts[] = {
      {"embedding", (vocabulary + context) * width},
      {"attn/c_attn", (width + 1) * 3 * width},
      {"attn/c_proj", (width + 1) * width},
      {"mlp/c_fc", (width + 1) * inner},
      {"mlp/c_proj", (inner + 1) * width},
      {"ln", 4 * width},
      {"ln_f", 2 * width}};
  for (const char *kind : {"weights", "exp_avg", "exp_avg_sq"}) {
    ASSERT_NE(memoryOf(found, kind), nullptr) << kind;
    EXPECT_EQ(memoryOf(found, kind)->parts.size(), std::size(parts)) << kind;
    for (auto [name, elements] : parts)
      EXPECT_EQ(bytesOf(found, kind, name), 4 * elements) << kind << name;
  }
  EXPECT_EQ(bytesOf(found, "optimizer"), 8U); // Adam's sums of powers.
}

/// Without a loss all is forward, and nothing is kept.
TEST(PlanParts, OfInferenceAreForward) {
  PlanSummary found = plan(tiny, {"prefill", "decode"});
  for (const PlanEntry &entry : found.entries)
    for (const WorkPart &part : entry.parts)
      EXPECT_EQ(part.pass, Pass::Forward) << part.name;
  EXPECT_EQ(bytesOf(found, "activations"), 0U);
  EXPECT_EQ(bytesOf(found, "gradients"), 0U);
  // Keys and values.
  EXPECT_EQ(bytesOf(found, "cache", "attn"), 2 * 4 * context * width);
  // Of positions one row is looked up; the head reads all tokens.
  const PlanEntry &decode = found.entries.back();
  ASSERT_EQ(decode.name, "decode");
  EXPECT_EQ(workOf(decode, "embedding", Pass::Forward)->bytes,
            4 * (vocabulary * width + width) + 2 * 4 /* token, position */);
  EXPECT_EQ(plan("gpt1", {"prefill", "decode"}).peakEntry, "prefill_512");
}

TEST(PlanParts, TellSumsOfGradients) {
  PlanSummary found = plan(tiny, {"train_step", "accumulate_gradients"});
  EXPECT_EQ(bytesOf(found, "gradient_sum"), 4 * found.parameters);
  EXPECT_EQ(bytesOf(found, "gradient_sum", "mlp/c_fc"),
            4 * (width + 1) * inner);
  EXPECT_EQ(bytesOf(found, "cache"), 0U);
}

/// Products of a step in bf16 read narrow copies of weights that stay in f32.
TEST(PlanParts, TellCopiesOfWeights) {
  PlanSummary found = plan("gpt2-124m", {"train_step"}, "bf16");
  EXPECT_EQ(bytesOf(found, "weight_copies", "mlp/c_fc"),
            2ULL * 12 * 768 * 3072);
  PlanSummary wide = plan("gpt2-124m", {"train_step"});
  EXPECT_EQ(bytesOf(wide, "weight_copies"), 0U);
}

/// What GPT-2 keeps of each layer: the normalized states of both norms, query,
/// key and value, what attention mixed and a logarithm for each query, the
/// residuals, and of the feed-forward layer what its gelu takes and gives, both
/// of one kernel.
TEST(PlanParts, TellActivationsOfEachPart) {
  PlanSummary found = plan("gpt2-124m", {"train_step"});
  uint64_t state = 4ULL * 1024 * 768, layers = 12;
  EXPECT_EQ(bytesOf(found, "activations", "attn/c_attn"), layers * 3 * state);
  EXPECT_EQ(bytesOf(found, "activations", "attn"),
            layers * (state + 4ULL * 12 * 1024));
  EXPECT_EQ(bytesOf(found, "activations", "attn/c_proj"), layers * state);
  EXPECT_EQ(bytesOf(found, "activations", "mlp/c_fc"), layers * 8 * state);
  EXPECT_EQ(bytesOf(found, "activations", "mlp/c_proj"), layers * state);
  // Blocks of 256 rows.
  EXPECT_EQ(bytesOf(found, "logits") % (4ULL * 256 * 50257), 0U);
  EXPECT_EQ(bytesOf(found, "logits"), bytesOf(found, "logits", "head"));
}

/// A step of which all is known. The arena holds most at launch @product: the
/// activation %a, the gradient %d in the place of the logits, the parameter's
/// gradient %g and the scratch %s, with nothing at 80 and at 256. In @sums a
/// gradient is made of a part of it, which lies there as long; in @scaled the
/// optimizer makes another of it in its place.
constexpr const char *step = R"(
module {
  gptc.variable @w parameter : tensor<4x8xf32> init(<constant, 0.0, 0.0>) loc("h.0/mlp")
  gptc.variable @w.exp_avg optimizer : tensor<4x8xf32> loc("optimizer/w")
  gptc.variable @steps counter : tensor<3xf32> loc("optimizer")
  gptc.variable @w.cache cache : tensor<5xf32> loc("h.0/mlp")
  gptc.variable @attn.key cache : tensor<7xf32> loc("h.0/attn")
  gptc.kernel @make rowwise (%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
    %0 = math.exp %x : tensor<4x4xf32>
    gptc.yield %0 : tensor<4x4xf32>
  }
  gptc.kernel @narrow rowwise (%x: tensor<4x8xf32>) -> tensor<4x8xbf16> {
    %0 = gptc.cast %x : tensor<4x8xf32> to tensor<4x8xbf16>
    gptc.yield %0 : tensor<4x8xbf16>
  }
  gptc.kernel @logits contraction (%x: tensor<4x4xf32>, %w: tensor<4x8xbf16>) -> tensor<4x8xf32> {
    %0 = gptc.cast %w : tensor<4x8xbf16> to tensor<4x8xf32>
    %1 = gptc.matmul %x, %0 : tensor<4x4xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    gptc.yield %1 : tensor<4x8xf32>
  }
  gptc.kernel @sum rowwise (%x: tensor<4x8xf32>) -> tensor<4xf32> {
    %0 = gptc.reduce sum %x [1] : tensor<4x8xf32> to tensor<4xf32>
    gptc.yield %0 : tensor<4xf32>
  }
  gptc.kernel @exp rowwise (%x: tensor<4xf32>) -> tensor<4xf32> {
    %0 = math.exp %x : tensor<4xf32>
    gptc.yield %0 : tensor<4xf32>
  }
  gptc.kernel @slope rowwise (%x: tensor<4x8xf32>) -> tensor<4x8xf32> attributes {in_place = array<i64: 0, 0>} {
    %0 = math.exp %x : tensor<4x8xf32>
    gptc.yield %0 : tensor<4x8xf32>
  }
  gptc.kernel @product contraction (%x: tensor<4x4xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %0 = gptc.matmul %x, %y transpose_lhs : tensor<4x4xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    gptc.yield %0 : tensor<4x8xf32>
  }
  gptc.kernel @more contraction (%x: tensor<4x4xf32>, %y: tensor<4x8xf32>, %z: tensor<4x8xf32>) -> tensor<4x8xf32> attributes {in_place = array<i64: 2, 0>} {
    %0 = gptc.matmul %x, %y transpose_lhs : tensor<4x4xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    %1 = arith.addf %0, %z : tensor<4x8xf32>
    gptc.yield %1 : tensor<4x8xf32>
  }
  gptc.kernel @spread rowwise (%x: tensor<4x8xf32>) -> tensor<4x8x4xf32> {
    %0 = gptc.broadcast %x [0, 1] : tensor<4x8xf32> to tensor<4x8x4xf32>
    gptc.yield %0 : tensor<4x8x4xf32>
  }
  gptc.kernel @update rowwise (%w: tensor<4x8xf32>, %g: tensor<4x8xf32>) -> tensor<4x8xf32> attributes {in_place = array<i64: 0, 0>} {
    %0 = arith.subf %w, %g : tensor<4x8xf32>
    gptc.yield %0 : tensor<4x8xf32>
  }
  func.func @train_step(%x: memref<4x4xf32> {gptc.name = "x"}, %loss: memref<4xf32> {gptc.result = "loss"}) attributes {gptc.arena_bytes = 448 : i64} {
    %w = gptc.storage @w : memref<4x8xf32>
    %n = gptc.arena 64 : memref<4x8xbf16>
    gptc.launch @narrow(%w) -> (%n) : (memref<4x8xf32>) -> (memref<4x8xbf16>) loc("h.0/mlp")
    %a = gptc.arena 0 : memref<4x4xf32>
    gptc.launch @make(%x) -> (%a) : (memref<4x4xf32>) -> (memref<4x4xf32>) loc("h.0/mlp")
    %l = gptc.arena 128 : memref<4x8xf32>
    gptc.launch @logits(%a, %n) -> (%l) : (memref<4x4xf32>, memref<4x8xbf16>) -> (memref<4x8xf32>) loc("head")
    gptc.launch @sum(%l) -> (%loss) : (memref<4x8xf32>) -> (memref<4xf32>) loc("head")
    %d = gptc.arena 128 : memref<4x8xf32>
    gptc.launch @slope(%l) -> (%d) : (memref<4x8xf32>) -> (memref<4x8xf32>) loc("head")
    %s = gptc.arena 64 : memref<4xf32>
    gptc.launch @sum(%d) -> (%s) : (memref<4x8xf32>) -> (memref<4xf32>) loc("h.0/ln_1")
    %g = gptc.arena 320 : memref<4x8xf32>
    gptc.launch @product(%a, %d) -> (%g) : (memref<4x4xf32>, memref<4x8xf32>) -> (memref<4x8xf32>) loc("h.0/mlp")
    %t = gptc.arena 0 : memref<4xf32>
    gptc.launch @exp(%s) -> (%t) : (memref<4xf32>) -> (memref<4xf32>) loc("h.0/ln_1")
    gptc.launch @update(%w, %g) -> (%w) : (memref<4x8xf32>, memref<4x8xf32>) -> (memref<4x8xf32>) loc("optimizer/w")
    return
  }
  func.func @sums(%x: memref<4x4xf32> {gptc.name = "x"}, %loss: memref<4xf32> {gptc.result = "loss"}) attributes {gptc.arena_bytes = 1024 : i64} {
    %w = gptc.storage @w : memref<4x8xf32>
    %n = gptc.arena 64 : memref<4x8xbf16>
    gptc.launch @narrow(%w) -> (%n) : (memref<4x8xf32>) -> (memref<4x8xbf16>) loc("h.0/mlp")
    %a = gptc.arena 0 : memref<4x4xf32>
    gptc.launch @make(%x) -> (%a) : (memref<4x4xf32>) -> (memref<4x4xf32>) loc("h.0/mlp")
    %l = gptc.arena 128 : memref<4x8xf32>
    gptc.launch @logits(%a, %n) -> (%l) : (memref<4x4xf32>, memref<4x8xbf16>) -> (memref<4x8xf32>) loc("head")
    gptc.launch @sum(%l) -> (%loss) : (memref<4x8xf32>) -> (memref<4xf32>) loc("head")
    %p = gptc.arena 320 : memref<4x8xf32>
    gptc.launch @product(%a, %l) -> (%p) : (memref<4x4xf32>, memref<4x8xf32>) -> (memref<4x8xf32>) loc("h.0/mlp")
    %q = gptc.arena 320 : memref<4x8xf32>
    gptc.launch @more(%a, %l, %p) -> (%q) : (memref<4x4xf32>, memref<4x8xf32>, memref<4x8xf32>) -> (memref<4x8xf32>) loc("embedding")
    %h = gptc.arena 320 : memref<4x8xf32>
    gptc.launch @slope(%q) -> (%h) : (memref<4x8xf32>) -> (memref<4x8xf32>) loc("optimizer/w")
    gptc.launch @update(%w, %h) -> (%w) : (memref<4x8xf32>, memref<4x8xf32>) -> (memref<4x8xf32>) loc("optimizer/w")
    return
  }
  func.func @scaled(%x: memref<4x4xf32> {gptc.name = "x"}, %loss: memref<4xf32> {gptc.result = "loss"}) attributes {gptc.arena_bytes = 1024 : i64} {
    %w = gptc.storage @w : memref<4x8xf32>
    %n = gptc.arena 64 : memref<4x8xbf16>
    gptc.launch @narrow(%w) -> (%n) : (memref<4x8xf32>) -> (memref<4x8xbf16>) loc("h.0/mlp")
    %a = gptc.arena 0 : memref<4x4xf32>
    gptc.launch @make(%x) -> (%a) : (memref<4x4xf32>) -> (memref<4x4xf32>) loc("h.0/mlp")
    %l = gptc.arena 128 : memref<4x8xf32>
    gptc.launch @logits(%a, %n) -> (%l) : (memref<4x4xf32>, memref<4x8xbf16>) -> (memref<4x8xf32>) loc("head")
    gptc.launch @sum(%l) -> (%loss) : (memref<4x8xf32>) -> (memref<4xf32>) loc("head")
    %p = gptc.arena 320 : memref<4x8xf32>
    gptc.launch @product(%a, %l) -> (%p) : (memref<4x4xf32>, memref<4x8xf32>) -> (memref<4x8xf32>) loc("h.0/mlp")
    %q = gptc.arena 320 : memref<4x8xf32>
    gptc.launch @more(%a, %l, %p) -> (%q) : (memref<4x4xf32>, memref<4x8xf32>, memref<4x8xf32>) -> (memref<4x8xf32>) loc("embedding")
    %h = gptc.arena 320 : memref<4x8xf32>
    gptc.launch @slope(%q) -> (%h) : (memref<4x8xf32>) -> (memref<4x8xf32>) loc("optimizer/w")
    %s = gptc.arena 512 : memref<4x8x4xf32>
    gptc.launch @spread(%h) -> (%s) : (memref<4x8xf32>) -> (memref<4x8x4xf32>) loc("optimizer")
    gptc.launch @update(%w, %h) -> (%w) : (memref<4x8xf32>, memref<4x8xf32>) -> (memref<4x8xf32>) loc("optimizer/w")
    return
  }
}
)";

/// Kinds of memory of an entry, and their parts, as lines.
std::vector<std::string> linesOf(mlir::ModuleOp module, const char *entry) {
  std::vector<std::string> lines;
  auto function = module.lookupSymbol<mlir::func::FuncOp>(entry);
  for (const MemoryPart &part : gptc::memoryOf(function, /*vocabulary=*/8)) {
    lines.push_back(fmt::format("{} {}", part.name, part.bytes));
    for (const MemoryPart::Inner &inner : part.parts)
      lines.push_back(fmt::format("  {} {}", inner.name, inner.bytes));
  }
  return lines;
}

TEST(PlanParts, OfAProgramByHand) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  ir::loadDialects(context);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(step, &context);
  ASSERT_TRUE(module);
  const std::vector<std::string> variables{
      "weights 128", "  mlp 128", "exp_avg 128", "  mlp 128",     "cache 48",
      "  mlp 20",    "  attn 28", "counter 12",  "  optimizer 12"};
  auto expectArena = [&](const char *entry, std::vector<std::string> arena) {
    arena.insert(arena.begin(), variables.begin(), variables.end());
    EXPECT_EQ(linesOf(*module, entry), arena) << entry;
  };
  expectArena("train_step", {"activations 64", "  mlp 64", "logits 128",
                             "  head 128", "gradients 128", "  mlp 128",
                             "scratch 16", "  ln 16", "gaps 112"});
  expectArena("sums", {"activations 64", "  mlp 64", "logits 128", "  head 128",
                       "gradients 128", "  mlp 128", "gaps 704"});
  expectArena("scaled", {"gradients 128", "  optimizer 128", "scratch 512",
                         "  optimizer 512", "gaps 384"});

  auto entry = module->lookupSymbol<mlir::func::FuncOp>("train_step");
  std::vector<WorkPart> work;
  artifact::ProgramT program;
  for (uint64_t bytes : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
    program.dispatches.push_back(std::make_unique<artifact::DispatchT>());
    program.dispatches.back()->bytes = bytes;
  }
  addTraffic(entry, program, work);
  std::vector<std::string> found;
  const char *passes[] = {"forward", "backward", "update"};
  for (const WorkPart &part : work)
    found.push_back(fmt::format("{} {} {}", part.name, passes[int(part.pass)],
                                part.traffic));
  EXPECT_THAT(found,
              testing::ElementsAre("mlp forward 3", "head forward 12",
                                   "head backward 16", "ln backward 160",
                                   "mlp backward 64", "optimizer update 256"));
}

} // namespace
} // namespace gptc
