//===- StatisticsTest.cpp - What compiling the published models costs -----===//
//
// Plans every published model to phase program and compares kernels,
// dispatches, bytes and variables with statistics.json, so that a change for
// the worse (or the better) is a difference in review. To write the file anew:
//
//   GPTC_WRITE_STATISTICS=1 build/release/bin/models-tests
//
//===----------------------------------------------------------------------===//

#include "gptc/compiler/BuildModel.h"
#include "gptc/compiler/Driver.h"
#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"
#include "gptc/models/Catalogue.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>

namespace gptc {
namespace {

/// Keys stay in the order of the catalogue.
using Json = nlohmann::ordered_json;
using mlir::Value;

const std::string statisticsFile =
    GPTC_SOURCE_DIR "/tests/compiler/statistics.json";
constexpr const char *variable = "GPTC_WRITE_STATISTICS";

bool writing() { return std::getenv(variable) != nullptr; }

/// A published model in phase program.
struct Planned {
  std::unique_ptr<Graph> graph;
  mlir::ModuleOp module;
  std::vector<mlir::func::FuncOp> entries;
};

Planned plan(const std::string &name, const std::string &type,
             std::vector<std::string> entries = {}, uint64_t context = 0) {
  Planned planned;
  CompileRequest request;
  request.entries = std::move(entries);
  request.context = context;
  request.model = name;
  request.dtype = type;
  auto status = [&]() -> Status {
    GPTC_TRY(ModelSource source, resolveModel(name, ""));
    planned.graph = std::make_unique<Graph>();
    GPTC_TRY(ModuleInfo info, buildModel(*planned.graph, source, request));
    planned.module = moduleOf(*planned.graph);
    GPTC_TRY(auto dump, Dump::create(""));
    return advance(planned.module, Phase::Program, info.type, *dump);
  }();
  if (!status) {
    ADD_FAILURE() << status.error().message();
    return planned;
  }
  for (auto function : planned.module.getOps<mlir::func::FuncOp>())
    planned.entries.push_back(function);
  return planned;
}

std::vector<ir::LaunchOp> launchesOf(mlir::func::FuncOp entry) {
  auto range = entry.getBody().front().getOps<ir::LaunchOp>();
  return {range.begin(), range.end()};
}

int64_t number(mlir::func::FuncOp entry, const char *name) {
  auto attribute = entry->getAttrOfType<mlir::IntegerAttr>(name);
  return attribute ? attribute.getInt() : -1;
}

size_t kernelsOf(mlir::ModuleOp module) {
  auto kernels = module.getOps<ir::KernelOp>();
  return size_t(std::distance(kernels.begin(), kernels.end()));
}

Json statisticsOf(Planned &planned) {
  Json result;
  result["kernels"] = kernelsOf(planned.module);
  uint64_t parameters = 0, states = 0, parameterBytes = 0, stateBytes = 0;
  for (auto one : planned.module.getOps<ir::VariableOp>()) {
    bool parameter = one.getRole() == ir::Role::Parameter;
    ++(parameter ? parameters : states);
    (parameter ? parameterBytes : stateBytes) +=
        ir::bytesOf(one.getTensorType());
  }
  result["variables"] = {{"parameters", parameters},
                         {"parameter_bytes", parameterBytes},
                         {"states", states},
                         {"state_bytes", stateBytes}};
  for (mlir::func::FuncOp entry : planned.entries)
    result["entries"][entry.getSymName().str()] = {
        {"dispatches", launchesOf(entry).size()},
        {"arena_bytes", number(entry, "gptc.arena_bytes")},
        {"live_bytes", number(entry, "gptc.live_bytes")}};
  return result;
}

/// Lines "path: was A, is B" for each leaf in which two objects differ.
void difference(const Json &was, const Json &is, const std::string &path,
                std::string &out) {
  if (was.is_object() && is.is_object()) {
    for (const auto &[key, value] : was.items())
      difference(value, is.contains(key) ? is[key] : Json(), path + "/" + key,
                 out);
    for (const auto &[key, value] : is.items())
      if (!was.contains(key))
        difference(Json(), value, path + "/" + key, out);
  } else if (was != is) {
    auto text = [](const Json &json) {
      return json.is_null() ? std::string("absent") : json.dump();
    };
    out += "  " + path + ": was " + text(was) + ", is " + text(is) + "\n";
  }
}

Json readStatistics() {
  std::ifstream file(statisticsFile);
  Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? Json::object() : json;
}

/// Most bytes of the arena that hold a value at one time, found from the plan
/// itself: at each launch, the union of the places of all values that were
/// written and are still read, what is written in place counted once. Adds a
/// failure where two values that are alive at once share bytes, unless a
/// launch computes one in place of the other.
uint64_t bytesAlive(Planned &planned, mlir::func::FuncOp entry) {
  struct Buffer {
    uint64_t begin, end;
    size_t first, last;
  };
  mlir::SymbolTable symbols(planned.module);
  auto launches = launchesOf(entry);
  std::vector<Buffer> buffers;
  llvm::DenseMap<Value, size_t> index;
  llvm::DenseSet<std::pair<size_t, size_t>> inPlace;
  for (size_t i = 0; i < launches.size(); ++i) {
    for (Value output : launches[i].getOutputs())
      if (auto arena = output.getDefiningOp<ir::ArenaOp>();
          arena && index.try_emplace(output, buffers.size()).second) {
        uint64_t begin = arena.getOffset();
        buffers.push_back({begin, begin + ir::bytesOf(arena.getType()), i, i});
      }
    for (Value operand : launches[i]->getOperands())
      if (auto found = index.find(operand); found != index.end())
        buffers[found->second].last = i;
    auto kernel = symbols.lookup<ir::KernelOp>(launches[i].getKernel());
    if (auto pairs = kernel.getInPlace())
      for (size_t pair = 0; pair < pairs->size(); pair += 2) {
        auto input = index.find(launches[i].getInputs()[(*pairs)[pair]]);
        auto output = index.find(launches[i].getOutputs()[(*pairs)[pair + 1]]);
        if (input != index.end() && output != index.end())
          inPlace.insert({input->second, output->second});
      }
  }
  for (size_t a = 0; a < buffers.size(); ++a)
    for (size_t b = a + 1; b < buffers.size(); ++b) {
      size_t from = std::max(buffers[a].first, buffers[b].first);
      size_t to = std::min(buffers[a].last, buffers[b].last);
      bool share = std::max(buffers[a].begin, buffers[b].begin) <
                   std::min(buffers[a].end, buffers[b].end);
      // In place: alive together at the one launch that reads and writes.
      if (from <= to && share && !(from == to && inPlace.contains({a, b})))
        ADD_FAILURE() << entry.getSymName().str() << ": values written by "
                      << "launches " << buffers[a].first << " and "
                      << buffers[b].first << " share bytes of the arena while "
                      << "both are alive";
    }
  uint64_t most = 0;
  for (size_t i = 0; i < launches.size(); ++i) {
    std::vector<std::pair<uint64_t, uint64_t>> places;
    for (const Buffer &buffer : buffers)
      if (buffer.first <= i && i <= buffer.last)
        places.emplace_back(buffer.begin, buffer.end);
    std::sort(places.begin(), places.end());
    uint64_t bytes = 0, end = 0;
    for (auto [from, to] : places) {
      bytes += std::max(end, to) - std::max(end, from);
      end = std::max(end, to);
    }
    most = std::max(most, bytes);
  }
  return most;
}

struct Case {
  std::string model;
  std::string type;
};

class Statistics : public testing::TestWithParam<Case> {};

TEST_P(Statistics, AreTheGoldenOnes) {
  Planned planned = plan(GetParam().model, GetParam().type);
  ASSERT_FALSE(planned.entries.empty());
  const auto &[model, type] = GetParam();
  Json found = statisticsOf(planned);
  Json all = readStatistics();
  if (writing()) {
    all[model][type] = found;
    Json ordered;
    for (const ModelConfig &config : publishedModels())
      if (all.contains(config.name))
        ordered[config.name] = all[config.name];
    std::ofstream(statisticsFile) << ordered.dump(2) << "\n";
    GTEST_SKIP() << "wrote " << statisticsFile;
  }
  std::string lines;
  Json was = all.contains(model) && all[model].contains(type) ? all[model][type]
                                                              : Json();
  difference(was, found, model + "/" + type, lines);
  EXPECT_TRUE(lines.empty())
      << lines << "If this is meant, write " << statisticsFile
      << " anew: " << variable << "=1 models-tests";
}

/// Dispatches of each layer, and the scopes of those outside of layers.
TEST_P(Statistics, StayWithinTheBounds) {
  Planned planned = plan(GetParam().model, GetParam().type);
  ASSERT_FALSE(planned.entries.empty());
  for (mlir::func::FuncOp entry : planned.entries) {
    std::string name = entry.getSymName().str();
    SCOPED_TRACE(name);
    std::map<std::string, size_t> byLayer;
    std::vector<std::string> outside;
    for (ir::LaunchOp launch : launchesOf(entry)) {
      std::string scope = ir::scopeOf(launch.getLoc()).str();
      if (scope.starts_with("h."))
        ++byLayer[scope.substr(0, scope.find('/'))];
      else
        outside.push_back(scope);
    }
    for (const ModelConfig &config : publishedModels())
      if (config.name == GetParam().model)
        EXPECT_EQ(byLayer.size(), size_t(config.layers));
    for (const auto &[layer, count] : byLayer)
      EXPECT_LE(count, name == "decode" ? 6U : 7U) << layer;
    // The first layer's norm takes the embedding with it, where there is one
    // (GPT-1's norms come later), and the head the last norm and the choice of
    // rows.
    if (GetParam().model == "gpt1" && outside.size() == 2 &&
        outside.front() == "embedding")
      outside.erase(outside.begin());
    EXPECT_EQ(outside, std::vector<std::string>({"head"}));

    auto arena = uint64_t(number(entry, "gptc.arena_bytes"));
    auto live = uint64_t(number(entry, "gptc.live_bytes"));
    // The pass's own sum gives a buffer that several values use in place of
    // one another its largest size all along; this one does not.
    uint64_t alive = bytesAlive(planned, entry);
    EXPECT_GT(alive, 0U);
    EXPECT_LE(double(arena), 1.05 * double(live));
    EXPECT_LE(double(arena), 1.05 * double(alive));
  }
}

std::vector<std::string> modelNames() {
  std::vector<std::string> names;
  for (const ModelConfig &config : publishedModels())
    names.push_back(config.name);
  return names;
}

std::vector<Case> allCases() {
  std::vector<Case> cases;
  for (const std::string &name : modelNames())
    for (const char *type : {"f32", "bf16"})
      cases.push_back({name, type});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Published, Statistics, testing::ValuesIn(allCases()),
                         [](const testing::TestParamInfo<Case> &info) {
                           std::string name =
                               info.param.model + "_" + info.param.type;
                           for (char &c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c)))
                               c = '_';
                           return name;
                         });

TEST(StatisticsFile, HoldsThePublishedModelsAlone) {
  std::vector<std::string> names;
  Json all = readStatistics();
  for (const auto &[name, value] : all.items())
    names.push_back(name);
  EXPECT_EQ(names, modelNames());
}

TEST(StatisticsOfLayers, FortyEightHaveTheKernelsOfTwelve) {
  for (const char *type : {"f32", "bf16"}) {
    Planned small = plan("gpt2-124m", type), large = plan("gpt2-1558m", type);
    ASSERT_FALSE(small.entries.empty());
    ASSERT_FALSE(large.entries.empty());
    EXPECT_EQ(kernelsOf(large.module), kernelsOf(small.module)) << type;
  }
}

/// Bytes of the arena of a loss over 4096 tokens, and of its gradients.
uint64_t arenaOfLoss(int64_t rowsAtOnce) {
  Graph graph;
  graph.beginEntry("main");
  Tensor x = graph.argument("x", {DataType::F32, {64, 8}});
  Tensor table = graph.parameter("table", {DataType::F32, {4096, 8}},
                                 Initializer::normal(0, 1));
  Tensor targets = graph.argument("targets", {DataType::I32, {64}});
  Tensor loss = linearCrossEntropy(x, table, targets, rowsAtOnce);
  gradientResults(graph, loss);
  graph.result("x", gradient(loss, {x})[0]);
  graph.endEntry();
  EXPECT_TRUE(graph.finish());
  auto dump = Dump::create("");
  EXPECT_TRUE(dump);
  Status advanced = advance(moduleOf(graph), Phase::Program, "f32", **dump);
  EXPECT_TRUE(advanced) << advanced.error().message();
  auto main = moduleOf(graph).lookupSymbol<mlir::func::FuncOp>("main");
  return uint64_t(number(main, "gptc.arena_bytes"));
}

TEST(StatisticsOfTraining, NoMoreThanTwoBlocksOfLogitsAreAlive) {
  constexpr uint64_t logits = uint64_t(64) * 4096 * 4;
  EXPECT_GE(arenaOfLoss(64), 2 * logits);
  // Beside them the gradient of the table is summed, an eighth of a block.
  EXPECT_LT(arenaOfLoss(16), 3 * logits / 4);
}

/// Copies into variables at the end would double the state in the arena.
TEST(StatisticsOfTraining, StateIsComputedWhereItLies) {
  Planned step = plan("gpt2-124m", "f32", {"train_step"}, 64);
  uint64_t parameters = 124'439'808 * sizeof(float);
  ASSERT_EQ(step.entries.size(), 1U);
  EXPECT_LT(uint64_t(number(step.entries[0], "gptc.arena_bytes")),
            parameters + parameters / 4);
}

} // namespace
} // namespace gptc
