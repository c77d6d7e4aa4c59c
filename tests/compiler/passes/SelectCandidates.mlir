// RUN: gptc-opt %s --gptc-select-candidates="count=4 least-vocabulary=3000" | FileCheck %s
// RUN: gptc-opt %s --gptc-select-candidates | FileCheck %s --check-prefix=NONE
// NONE-NOT: top_k

// Rows of two pieces, whose four largest are those of the row's.
// CHECK-LABEL: func.func @decode
// CHECK-SAME: -> (tensor<2x3001xf32> {gptc.name = "logits"}, tensor<2x4xf32> {gptc.name = "top_logits"}, tensor<2x4xi32> {gptc.name = "top_ids"})
// CHECK-SAME: attributes {gptc.added_results = 2 : i64}
// CHECK: %[[L:.*]] = arith.negf
// CHECK-NEXT: %[[V:.*]], %[[I:.*]] = gptc.top_k %[[L]] pieces 2 k 4 finite : tensor<2x3001xf32> -> tensor<2x8xf32>, tensor<2x8xi32>
// CHECK-NEXT: %[[W:.*]], %[[J:.*]] = gptc.top_k %[[V]] carried %[[I]] pieces 1 k 4 finite : tensor<2x8xf32>, tensor<2x8xi32> -> tensor<2x4xf32>, tensor<2x4xi32>
// CHECK-NEXT: return %[[L]], %[[W]], %[[J]]
func.func @decode(%x: tensor<2x3001xf32> {gptc.name = "tokens"}, %n: tensor<2xi32> {gptc.name = "lengths"}) -> (tensor<2x3001xf32> {gptc.name = "logits"}) {
  %0 = arith.negf %x : tensor<2x3001xf32>
  return %0 : tensor<2x3001xf32>
}

// Few tokens, logits of every position, no sequences that go on, another result,
// or one of the entry's own by that name.
// CHECK-NOT: top_k
func.func @few(%x: tensor<2x2999xf32> {gptc.name = "tokens"}, %n: tensor<2xi32> {gptc.name = "lengths"}) -> (tensor<2x2999xf32> {gptc.name = "logits"}) {
  return %x : tensor<2x2999xf32>
}
func.func @all(%x: tensor<1x2x3001xf32> {gptc.name = "tokens"}, %n: tensor<2xi32> {gptc.name = "lengths"}) -> (tensor<1x2x3001xf32> {gptc.name = "logits"}) {
  return %x : tensor<1x2x3001xf32>
}
func.func @logits(%x: tensor<2x3001xf32> {gptc.name = "tokens"}) -> (tensor<2x3001xf32> {gptc.name = "logits"}) {
  return %x : tensor<2x3001xf32>
}
func.func @own(%x: tensor<2x3001xf32> {gptc.name = "tokens"}, %n: tensor<2xi32> {gptc.name = "lengths"}) -> (tensor<2x3001xf32> {gptc.name = "logits"}, tensor<2xi32> {gptc.name = "top_ids"}) {
  return %x, %n : tensor<2x3001xf32>, tensor<2xi32>
}
func.func @other(%x: tensor<2x3001xf32> {gptc.name = "tokens"}, %n: tensor<2xi32> {gptc.name = "lengths"}) -> (tensor<2x3001xf32> {gptc.name = "score"}) {
  return %x : tensor<2x3001xf32>
}
