// RUN: gptc-opt %s --gptc-order-dispatches | FileCheck %s

gptc.variable @w parameter : tensor<64xf32> init(<normal, 0.0, 0.02>)
gptc.kernel @spread rowwise (%x: tensor<4xf32>) -> tensor<1024xf32> {
  %0 = gptc.broadcast %x [0] : tensor<4xf32> to tensor<4x256xf32>
  %1 = gptc.reshape %0 : tensor<4x256xf32> to tensor<1024xf32>
  gptc.yield %1 : tensor<1024xf32>
}
gptc.kernel @gather columnwise (%x: tensor<1024xf32>) -> tensor<4xf32> {
  %0 = gptc.reshape %x : tensor<1024xf32> to tensor<4x256xf32>
  %1 = gptc.reduce sum %0 [1] : tensor<4x256xf32> to tensor<4xf32>
  gptc.yield %1 : tensor<4xf32>
}
gptc.kernel @sum rowwise (%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0 = arith.addf %x, %y : tensor<4xf32>
  gptc.yield %0 : tensor<4xf32>
}
gptc.kernel @same rowwise (%x: tensor<64xf32>) -> tensor<64xf32> {
  %0 = arith.addf %x, %x : tensor<64xf32>
  gptc.yield %0 : tensor<64xf32>
}

// What is large is used up before the next large one is made.
// CHECK-LABEL: func.func @blocks
// CHECK: %[[A:.*]] = gptc.dispatch @spread(%[[X:.*]])
// CHECK-NEXT: %[[B:.*]] = gptc.dispatch @gather(%[[A]])
// CHECK-NEXT: %[[C:.*]] = gptc.dispatch @spread
// CHECK-NEXT: %[[D:.*]] = gptc.dispatch @gather(%[[C]])
// CHECK-NEXT: gptc.dispatch @sum(%[[B]], %[[D]])
func.func @blocks(%x: tensor<4xf32> {gptc.name = "x"}, %y: tensor<4xf32> {gptc.name = "y"}) -> (tensor<4xf32> {gptc.name = "z"}) {
  %0 = gptc.dispatch @spread(%x) : (tensor<4xf32>) -> tensor<1024xf32>
  %1 = gptc.dispatch @spread(%y) : (tensor<4xf32>) -> tensor<1024xf32>
  %2 = gptc.dispatch @gather(%0) : (tensor<1024xf32>) -> tensor<4xf32>
  %3 = gptc.dispatch @gather(%1) : (tensor<1024xf32>) -> tensor<4xf32>
  %4 = gptc.dispatch @sum(%2, %3) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}

// The program's order where no other one spares anything.
// CHECK-LABEL: func.func @chain
// CHECK: gptc.dispatch @gather
// CHECK-NEXT: gptc.dispatch @spread
// CHECK-NEXT: gptc.dispatch @gather
func.func @chain(%x: tensor<1024xf32> {gptc.name = "x"}) -> (tensor<4xf32> {gptc.name = "z"}) {
  %0 = gptc.dispatch @gather(%x) : (tensor<1024xf32>) -> tensor<4xf32>
  %1 = gptc.dispatch @spread(%0) : (tensor<4xf32>) -> tensor<1024xf32>
  %2 = gptc.dispatch @gather(%1) : (tensor<1024xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// Who writes over a variable comes after all who read it, however much the
// others take.
// CHECK-LABEL: func.func @state
// CHECK: %[[OLD:.*]] = gptc.dispatch @same(%[[W:.*]]) :
// CHECK: %[[NEW:.*]] = gptc.dispatch @same(%[[W]]) :
// CHECK: %[[A:.*]] = gptc.dispatch @spread
// CHECK-NEXT: gptc.dispatch @gather(%[[A]])
// CHECK-NEXT: %[[B:.*]] = gptc.dispatch @spread
// CHECK-NEXT: gptc.dispatch @gather(%[[B]])
// CHECK: gptc.assign @w, %[[NEW]]
// CHECK-NEXT: return %{{.*}}, %{{.*}}, %[[OLD]]
func.func @state(%x: tensor<4xf32> {gptc.name = "x"}) -> (tensor<4xf32> {gptc.name = "a"}, tensor<4xf32> {gptc.name = "b"}, tensor<64xf32> {gptc.name = "c"}) {
  %w = gptc.read @w : tensor<64xf32>
  %0 = gptc.dispatch @spread(%x) : (tensor<4xf32>) -> tensor<1024xf32>
  %1 = gptc.dispatch @spread(%x) : (tensor<4xf32>) -> tensor<1024xf32>
  %2 = gptc.dispatch @gather(%0) : (tensor<1024xf32>) -> tensor<4xf32>
  %3 = gptc.dispatch @gather(%1) : (tensor<1024xf32>) -> tensor<4xf32>
  %4 = gptc.dispatch @same(%w) : (tensor<64xf32>) -> tensor<64xf32>
  %5 = gptc.dispatch @same(%w) : (tensor<64xf32>) -> tensor<64xf32>
  gptc.assign @w, %5 : tensor<64xf32>
  return %2, %3, %4 : tensor<4xf32>, tensor<4xf32>, tensor<64xf32>
}
