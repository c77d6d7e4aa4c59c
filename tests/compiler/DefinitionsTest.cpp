// What `gptc compile` makes of a definition that builds other entry points than
// those it is asked for, or nothing at all.

#include "gptc/compiler/BuildModel.h"
#include "gptc/frontend/Operators.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gptc {
namespace {

using testing::HasSubstr;
using testing::Not;
using Build = std::function<void(Graph &, const EntryRequest &)>;

constexpr int64_t vocabulary = 7;

TensorType f32(const Shape &shape) { return {DataType::F32, shape}; }

/// What is said of a definition that is compiled for one entry; empty if it is
/// right.
std::string errorOf(const Build &build, const std::string &entry = "decode",
                    const std::string &task = "") {
  ModelSource source;
  source.definition.name = "mine";
  source.definition.info = {.family = "mine",
                            .layers = 1,
                            .width = 4,
                            .heads = 1,
                            .headSize = 4,
                            .context = 8,
                            .vocabulary = vocabulary};
  source.definition.build = build;
  CompileRequest request;
  request.entries = {entry};
  request.task = task;
  request.outputs = task.empty() ? 0 : 2;
  Graph graph;
  auto info = buildModel(graph, source, request);
  return info ? "" : info.error().message();
}

/// An entry with the arguments that it should have, and what `make` adds.
Build with(std::function<void(Graph &, const EntryRequest &, Tensor)> make) {
  return [make = std::move(make)](Graph &graph, const EntryRequest &request) {
    using Kind = EntryRequest::Kind;
    graph.beginEntry(request.name);
    TensorType ids{DataType::I32, {request.batch, request.rows}};
    Tensor tokens = graph.argument("tokens", ids);
    if (request.kind == Kind::Prefill || request.kind == Kind::Decode) {
      graph.argument("positions", {DataType::I32, {request.batch}});
      graph.argument("lengths", {DataType::I32, {request.batch}});
    }
    if (request.kind == Kind::Score || request.kind == Kind::Loss)
      graph.argument("targets", ids);
    Tensor table = graph.parameter("table", f32({vocabulary, 4}),
                                   Initializer::normal(0, 1));
    make(graph, request, gather(table, tokens)); // [B, T, 4]
    graph.endEntry();
  };
}

/// A result of zeros.
Build giving(const std::string &name, const Shape &shape) {
  return with([=](Graph &graph, const EntryRequest &, const Tensor &) {
    graph.result(name, cast(iota(graph, shape, 0), DataType::F32));
  });
}

TEST(Definitions, WhatIsRightCompiles) {
  EXPECT_EQ(errorOf(giving("logits", {1, vocabulary})), "");
  EXPECT_EQ(errorOf(giving("logits", {1, vocabulary}), "prefill"), "");
  EXPECT_EQ(errorOf(giving("logits", {1, 8, vocabulary}), "logits"), "");
  EXPECT_EQ(errorOf(giving("log_likelihood", {1, 8}), "score"), "");
  Build trains = with([](Graph &graph, const EntryRequest &request, Tensor x) {
    request.useLoss(graph, reduceSum(reduceSum(reduceSum(x * x, 0), 0), 0));
  });
  for (const char *entry : {"loss_and_gradients", "train_step"})
    EXPECT_EQ(errorOf(trains, entry), "") << entry;
  Build states = with([](Graph &graph, const EntryRequest &request, Tensor x) {
    request.useStates(graph, x,
                      graph.parameter("table", f32({vocabulary, 4}),
                                      Initializer::normal(0, 1)));
  });
  for (const char *entry : {"predict", "train_step", "loss_and_gradients"})
    EXPECT_EQ(errorOf(states, entry, "classification"), "") << entry;
}

TEST(Definitions, EntriesThatAreNotAdded) {
  EXPECT_EQ(errorOf([](Graph &, const EntryRequest &) {}),
            "the definition 'mine' adds no entry 'decode'; begin and end the "
            "one that EntryRequest::name names, found none");
  EXPECT_THAT(errorOf([](Graph &graph, const EntryRequest &) {
                graph.beginEntry("decoder");
                graph.endEntry();
              }),
              HasSubstr("adds no entry 'decode'; begin and end the one that "
                        "EntryRequest::name names, found decoder"));
}

TEST(Definitions, ArgumentsAndResultsThatAreMissing) {
  Build empty = with([](Graph &, const EntryRequest &, const Tensor &) {});
  std::string found = errorOf(empty);
  EXPECT_THAT(found, HasSubstr("the definition 'mine' is wrong:\n"
                               "DefinitionsTest.cpp:"));
  EXPECT_THAT(found, HasSubstr(": in 'decode': has no results; expected "
                               "logits f32[1, 7]"));
  // Each of these is told for the first of the prefills alone.
  found = errorOf(empty, "prefill");
  EXPECT_THAT(found, HasSubstr("has no results"));
  EXPECT_EQ(std::count(found.begin(), found.end(), '\n'), 1) << found;
  EXPECT_THAT(errorOf(giving("foo", {1})),
              HasSubstr("has the results foo f32[1]; expected logits "
                        "f32[1, 7]"));
  EXPECT_THAT(errorOf(giving("logits", {1, 8})),
              HasSubstr("has the results logits f32[1, 8]; expected"));
  EXPECT_THAT(errorOf(giving("logits", {1, vocabulary}), "logits"),
              HasSubstr("expected logits f32[1, 8, 7]"));
  EXPECT_THAT(errorOf(giving("logits", {1, vocabulary}), "score"),
              HasSubstr("expected log_likelihood f32[1, 8]"));
  for (const char *entry : {"loss_and_gradients", "train_step"})
    EXPECT_THAT(errorOf(empty, entry),
                HasSubstr(std::string("in '") + entry +
                          "': has no results; expected a call of useLoss"));
  EXPECT_THAT(errorOf([](Graph &graph, const EntryRequest &request) {
                graph.beginEntry(request.name);
                graph.argument("tokens", f32({1, 1}));
                graph.result("logits", cast(iota(graph, {1, vocabulary}, 0),
                                            DataType::F32));
                graph.endEntry();
              }),
              HasSubstr("has the arguments tokens f32[1, 1]; expected tokens "
                        "i32[1, 1], positions i32[1], lengths i32[1]"));
}

TEST(Definitions, WhatUsesOfALossAndStatesCannotTake) {
  auto loss = [](auto make) {
    return with([=](Graph &graph, const EntryRequest &request, Tensor x) {
      request.useLoss(graph, make(x));
    });
  };
  for (const char *entry : {"loss_and_gradients", "train_step"}) {
    EXPECT_THAT(errorOf(loss([](const Tensor &) { return Tensor(); }), entry),
                HasSubstr("uses a Tensor without a value"));
    EXPECT_THAT(errorOf(loss([](const Tensor &x) { return x; }), entry),
                HasSubstr("gives useLoss f32[1, 8, 4]; expected a loss, "
                          "f32[]"));
  }
  EXPECT_THAT(errorOf(
                  [](Graph &graph, const EntryRequest &request) {
                    graph.beginEntry(request.name);
                    request.useLoss(graph, graph.argument("x", f32({})));
                    graph.endEntry();
                  },
                  "train_step"),
              HasSubstr("so that there is nothing to train"));
  auto states = [](auto make) {
    return with([=](Graph &graph, const EntryRequest &request, Tensor x) {
      request.useStates(graph, make(x), x);
    });
  };
  EXPECT_THAT(errorOf(states([](const Tensor &) { return Tensor(); }),
                      "predict", "classification"),
              HasSubstr("uses a Tensor without a value"));
  EXPECT_THAT(errorOf(states([](const Tensor &x) { return x; }), "predict",
                      "classification"),
              HasSubstr("gives useStates f32[1, 8, 4] and f32[1, 8, 4]; "
                        "expected states f32[B, T, C] and a table f32[V, C]"));
}

TEST(Definitions, TensorsWithoutAValue) {
  auto result = [](auto make) {
    return errorOf(with([=](Graph &graph, const EntryRequest &, Tensor x) {
      graph.result("logits", make(x));
    }));
  };
  const char *message =
      ": in 'decode': uses a Tensor without a value, which was declared and "
      "never made; give it what an operator or the graph makes";
  Tensor none;
  for (const std::string &found :
       {result([=](Tensor) { return none; }),
        result([=](const Tensor &x) { return x + none; }),
        result([=](const Tensor &x) { return none + x; }),
        result([=](const Tensor &x) { return matmul(x, none); }),
        result([=](const Tensor &x) { return choose(none, x, x); }),
        result([=](const Tensor &x) { return gather(none, x); }),
        result([=](const Tensor &x) { return concatenate({none, x}, 0); }),
        // Of these no tensor knows the graph.
        result([=](Tensor) { return none * none; }),
        result([=](Tensor) { return exp(none); }),
        result([=](Tensor) { return reshape(none, {1, vocabulary}); })}) {
    EXPECT_THAT(found, HasSubstr(message));
    EXPECT_THAT(found, HasSubstr("DefinitionsTest.cpp:"));
    EXPECT_EQ(std::count(found.begin(), found.end(), '\n'), 1) << found;
  }
  // What follows from an error is none of its own.
  std::string found =
      result([](const Tensor &x) { return reshape(x, {5}) + x; });
  EXPECT_THAT(found, HasSubstr("reshape: "));
  EXPECT_THAT(found, Not(HasSubstr("without a value")));
}

TEST(Definitions, ExceptionsOfAnyType) {
  auto threw = std::string("the definition 'mine' threw an exception while it "
                           "built the entry 'decode': ");
  EXPECT_EQ(errorOf([](Graph &, const EntryRequest &) { throw 5; }),
            threw + "it is of no std::exception");
  EXPECT_EQ(errorOf([](Graph &, const EntryRequest &) {
              throw std::runtime_error("no layers");
            }),
            threw + "no layers");
}

/// What an exception leaves open follows from it; what was wrong before it does
/// not.
TEST(Definitions, ExceptionsAreToldAlone) {
  EXPECT_EQ(errorOf([](Graph &graph, const EntryRequest &request) {
              graph.beginEntry(request.name);
              throw std::runtime_error("no layers");
            }),
            "the definition 'mine' threw an exception while it built the entry "
            "'decode': no layers");
  std::string found = errorOf([](Graph &graph, const EntryRequest &request) {
    graph.beginEntry(request.name);
    reshape(graph.argument("x", f32({2})), {5});
    throw std::runtime_error("no layers");
  });
  EXPECT_THAT(found, HasSubstr("built the entry 'decode': no layers\n"));
  EXPECT_THAT(found, HasSubstr("in 'decode': reshape: f32[2] has"));
  EXPECT_THAT(found, Not(HasSubstr("nothing ends")));
}

TEST(Definitions, AreRegisteredWithNamesAndWhatBuildsThem) {
  auto define = [](const std::string &name) {
    Definition definition;
    definition.name = name;
    definition.info.vocabulary = 8;
    definition.build = [](Graph &, const EntryRequest &) {};
    return definition;
  };
  DefinitionRegistry registry;
  unsigned first = __LINE__ + 1;
  registry.add(define("right"));
  Definition ends = define("ends");
  ends.info.endOfText = 7;
  registry.add(ends);
  EXPECT_THAT(registry.errors(), testing::IsEmpty());

  registry.add(define("right"));
  registry.add(define(""));
  registry.add(define("a:b"));
  Definition bare = define("bare");
  bare.build = nullptr;
  registry.add(bare);
  for (int64_t end : {99, 8, -2}) {
    ends.name = "ends." + std::to_string(end);
    ends.info.endOfText = end;
    registry.add(ends);
  }
  auto at = [&](unsigned line) {
    return "DefinitionsTest.cpp:" + std::to_string(line);
  };
  using testing::EndsWith;
  EXPECT_THAT(
      registry.errors(),
      testing::ElementsAre(
          at(first + 6) + ": registers 'right' a second time, after " +
              at(first) + "; give one of both another name",
          EndsWith(": registers a definition without a name; give it one"),
          EndsWith(": registers 'a:b', which has a colon; in "
                   "'LIBRARY.so:NAME' the name begins after one"),
          EndsWith(": registers 'bare' without `build`, the function that adds "
                   "its entry points to a graph"),
          EndsWith(": registers 'ends.99' with the end-of-text token 99; "
                   "expected one below its vocabulary of 8, or -1 for none"),
          HasSubstr("the end-of-text token 8; expected"),
          HasSubstr("the end-of-text token -2; expected")));
  ASSERT_EQ(registry.all().size(), 2U);
  EXPECT_NE(registry.find("right"), nullptr);
}

TEST(Definitions, TensorsThatNoMemoryHolds) {
  for (const Shape &shape : {Shape{int64_t(1) << 32, int64_t(1) << 32},
                             {int64_t(1) << 40, int64_t(1) << 40},
                             {int64_t(1) << 62},
                             {3, int64_t(1) << 61},
                             {(int64_t(1) << 40) + 1}})
    EXPECT_THAT(errorOf(with([=](Graph &graph, const EntryRequest &, Tensor) {
                  graph.result("logits", graph.parameter("w", f32(shape),
                                                         Initializer::zeros()));
                })),
                HasSubstr("declares 'w' as f32" + toString(shape) +
                          "; a tensor has at most 1099511627776 elements"));
}

} // namespace
} // namespace gptc
