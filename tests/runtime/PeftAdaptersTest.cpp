//===- PeftAdaptersTest.cpp - Adapters in PEFT's format -------------------===//

#include "gptc/runtime/training/PeftAdapters.h"

#include "gptc/runtime/artifact/ArtifactWriter.h"
#include "gptc/runtime/tensors/Safetensors.h"
#include "gptc/runtime/tensors/SafetensorsWriter.h"
#include "tests/support/Matchers.h"
#include "tests/support/TemporaryFolder.h"

#include <cstring>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gptc {
namespace {

using testing::ElementsAre;
using Json = nlohmann::json;
using Shape = std::vector<uint64_t>;

struct Piece {
  std::string tensor;
  bool transposed = false, optional = false;
};

class PeftAdaptersTest : public testing::Test {
protected:
  PeftAdaptersTest() {
    manifest.model = std::make_unique<artifact::ModelT>();
    manifest.source = std::make_unique<artifact::SourceT>();
    manifest.source->checkpoint = "/models/\xc3\xa9";
  }

  /// A variable; its values, from `first` on in steps of one, are saved if it
  /// is trained.
  void variable(const std::string &name, const Shape &shape,
                const std::vector<Piece> &pieces, float first = 0) {
    auto variable = std::make_unique<artifact::VariableT>();
    variable->name = name;
    variable->shape = shape;
    for (const Piece &piece : pieces) {
      auto made = std::make_unique<artifact::PieceT>();
      made->tensor = piece.tensor;
      made->transposed = piece.transposed;
      made->optional = piece.optional;
      variable->pieces.push_back(std::move(made));
    }
    manifest.variables.push_back(std::move(variable));
    if (pieces.empty() || !pieces[0].optional)
      return;
    std::vector<float> values(elementCount(shape));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = first + float(i);
    saved.push_back(
        {name, DataType::F32, shape, [values](const PendingTensor::Sink &sink) {
           return sink(std::as_bytes(std::span(values)));
         }});
  }
  void trained(const std::string &name, const Shape &shape, float first) {
    variable(name, shape, {{name, false, true}}, first);
  }
  /// A layer [in, out] with adapters of rank 2, A from `first` on, B from
  /// `first` + 100.
  void layer(const std::string &name, uint64_t in, uint64_t out,
             const std::vector<Piece> &pieces, float first) {
    variable(name + ".weight", {in, out}, pieces);
    trained(name + ".lora_a", {in, 2}, first);
    trained(name + ".lora_b", {2, out}, first + 100);
  }

  Expected<PeftSummary> write(const Adapters &adapters = {2, 5}) {
    auto written = writeArtifact(folder / "a.gptc", manifest, {});
    EXPECT_TRUE(written) << written.error().message();
    auto artifact = Artifact::open(folder / "a.gptc");
    EXPECT_TRUE(artifact) << artifact.error().message();
    EXPECT_TRUE(writeSafetensors(folder / "state", saved));
    return writePeftAdapters(**artifact, adapters, folder / "state",
                             folder.path());
  }

  Json configuration() {
    return Json::parse(folder.read("adapter_config.json"));
  }
  /// The values of a tensor of that shape.
  std::vector<float> tensor(const std::string &name, const Shape &shape) {
    auto file = SafetensorsFile::open(folder / "adapter_model.safetensors");
    EXPECT_TRUE(file) << file.error().message();
    auto found = file->tensors().find("base_model.model." + name);
    EXPECT_NE(found, file->tensors().end()) << name;
    if (found == file->tensors().end())
      return {};
    EXPECT_EQ(found->second.type, DataType::F32);
    EXPECT_EQ(found->second.shape, shape);
    std::vector<float> values(found->second.bytes.size() / sizeof(float));
    std::memcpy(values.data(), found->second.bytes.data(),
                values.size() * sizeof(float));
    return values;
  }

  TemporaryFolder folder;
  artifact::ManifestT manifest;
  std::vector<PendingTensor> saved;
};

TEST_F(PeftAdaptersTest, LayersOfGpt2AreTransposedAndSaidToBe) {
  layer("h.0.attn.c_attn", 3, 4, {{"h.0.attn.c_attn.weight"}}, 1);
  layer("h.0.mlp.c_fc", 1, 2, {{"h.0.mlp.c_fc.weight"}}, 50);
  variable("h.0.mlp.c_proj.weight", {2, 2}, {{"h.0.mlp.c_proj.weight"}});
  trained("task.head.weight", {3, 2}, 7);
  ASSERT_VALUE(PeftSummary summary, write());
  EXPECT_EQ(summary.modules, 2U);
  EXPECT_THAT(summary.leftOut, ElementsAre("task.head.weight"));
  EXPECT_THAT(tensor("transformer.h.0.attn.c_attn.lora_A.weight", {2, 3}),
              ElementsAre(1, 3, 5, 2, 4, 6));
  EXPECT_THAT(tensor("transformer.h.0.attn.c_attn.lora_B.weight", {4, 2}),
              ElementsAre(101, 105, 102, 106, 103, 107, 104, 108));
  EXPECT_THAT(tensor("transformer.h.0.mlp.c_fc.lora_A.weight", {2, 1}),
              ElementsAre(50, 51));
  EXPECT_EQ(folder.read("adapter_model.safetensors").find("task."),
            std::string::npos);
  Json json = configuration();
  EXPECT_EQ(json["peft_type"], "LORA");
  EXPECT_EQ(json["task_type"], "CAUSAL_LM");
  EXPECT_EQ(json["base_model_name_or_path"], "/models/\xc3\xa9");
  EXPECT_EQ(json["r"], 2);
  EXPECT_TRUE(json["lora_alpha"].is_number_integer());
  EXPECT_EQ(json["lora_alpha"], 5);
  EXPECT_EQ(json["target_modules"], Json({"c_attn", "c_fc"}));
  EXPECT_EQ(json["fan_in_fan_out"], true);
  EXPECT_EQ(json["bias"], "none");
  EXPECT_EQ(json["use_rslora"], false);
}

TEST_F(PeftAdaptersTest, EachPartOfAJoinedWeightHasItsColumns) {
  std::string at = "h.1.attn.attention.";
  layer(at + "qkv_proj", 2, 6,
        {{at + "q_proj.weight", true},
         {at + "k_proj.weight", true},
         {at + "v_proj.weight", true}},
        1);
  manifest.source->checkpoint.clear();
  ASSERT_VALUE(PeftSummary summary, write({2, 0.5}));
  EXPECT_EQ(summary.modules, 3U);
  EXPECT_TRUE(summary.leftOut.empty());
  at.insert(0, "transformer.");
  for (const char *part : {"q_proj", "k_proj", "v_proj"})
    EXPECT_THAT(tensor(at + part + ".lora_A.weight", {2, 2}),
                ElementsAre(1, 3, 2, 4));
  EXPECT_THAT(tensor(at + "q_proj.lora_B.weight", {2, 2}),
              ElementsAre(101, 107, 102, 108));
  EXPECT_THAT(tensor(at + "k_proj.lora_B.weight", {2, 2}),
              ElementsAre(103, 109, 104, 110));
  EXPECT_THAT(tensor(at + "v_proj.lora_B.weight", {2, 2}),
              ElementsAre(105, 111, 106, 112));
  Json json = configuration();
  EXPECT_TRUE(json["base_model_name_or_path"].is_null());
  EXPECT_EQ(json["lora_alpha"], 0.5);
  EXPECT_EQ(json["target_modules"], Json({"k_proj", "q_proj", "v_proj"}));
  EXPECT_EQ(json["fan_in_fan_out"], false);
}

TEST_F(PeftAdaptersTest, WhatTheFormatCannotSayIsRefused) {
  layer("h.0.a", 2, 2, {{"h.0.a.weight"}}, 1);
  layer("h.0.b", 2, 2, {{"h.0.b.weight", true}}, 2);
  EXPECT_THAT(write(), FailsWith(ErrorCode::Unsupported,
                                 "'transformer.h.0.b' is stored in another "
                                 "order than the layers before it"));
}

TEST_F(PeftAdaptersTest, DamagedStatesAreTold) {
  layer("h.0.a", 2, 3, {{"h.0.a.weight"}}, 1);
  // Of another rank than the artifact says.
  EXPECT_THAT(write({3, 1}), FailsWith(ErrorCode::Corrupt,
                                       "state' lacks 'h.0.a.lora_a', or has"));
  PendingTensor b = saved.back();
  saved.pop_back();
  EXPECT_THAT(write(), FailsWith(ErrorCode::Corrupt, "lacks 'h.0.a.lora_b'"));
  b.shape = {3, 2};
  saved.push_back(b);
  EXPECT_THAT(write(), FailsWith(ErrorCode::Corrupt, "lacks 'h.0.a.lora_b'"));
  saved.pop_back();
  trained("h.0.c.lora_a", {2, 2}, 1);
  EXPECT_THAT(write(), FailsWith(ErrorCode::Corrupt, "h.0.a.lora_b'"));
  saved.push_back({"h.0.a.lora_b",
                   DataType::F32,
                   {2, 3},
                   [](const PendingTensor::Sink &sink) {
                     std::vector<float> zeros(6);
                     return sink(std::as_bytes(std::span(zeros)));
                   }});
  EXPECT_THAT(write(), FailsWith(ErrorCode::Corrupt,
                                 "has adapters of 'h.0.c', and no matrix"));
  EXPECT_FALSE(std::filesystem::exists(folder / "adapter_config.json"));
}

} // namespace
} // namespace gptc
