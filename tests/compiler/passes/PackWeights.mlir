// RUN: gptc-opt %s --gptc-pack-weights | FileCheck %s

// CHECK: gptc.variable @plain parameter : tensor<8x4xf32, #gptc.packed> init
// CHECK: gptc.variable @tied parameter : tensor<16x8xf32, #gptc.packed<transposed>> init
// Read in both ways, added as well, gathered only, gathered in rows of the
// untransposed panels, or no parameter: in plain layout.
// CHECK: gptc.variable @both parameter : tensor<8x8xf32> init
// CHECK: gptc.variable @added parameter : tensor<8x8xf32> init
// CHECK: gptc.variable @gathered parameter : tensor<16x8xf32> init
// CHECK: gptc.variable @rows parameter : tensor<8x8xf32> init
// CHECK: gptc.variable @state cache : tensor<8x8xf32>
gptc.variable @plain parameter : tensor<8x4xf32> init(<normal, 0.0, 0.02>)
gptc.variable @tied parameter : tensor<16x8xf32> init(<normal, 0.0, 0.02>)
gptc.variable @both parameter : tensor<8x8xf32> init(<normal, 0.0, 0.02>)
gptc.variable @added parameter : tensor<8x8xf32> init(<normal, 0.0, 0.02>)
gptc.variable @gathered parameter : tensor<16x8xf32> init(<normal, 0.0, 0.02>)
gptc.variable @rows parameter : tensor<8x8xf32> init(<normal, 0.0, 0.02>)
gptc.variable @state cache : tensor<8x8xf32>

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x8xf32>, %ids: tensor<2xi32>) {
  // CHECK: gptc.read @plain : tensor<8x4xf32, #gptc.packed>
  // CHECK-NEXT: gptc.matmul {{.*}} : tensor<8x8xf32>, tensor<8x4xf32, #gptc.packed> -> tensor<8x4xf32>
  %plain = gptc.read @plain : tensor<8x4xf32>
  %0 = gptc.matmul %x, %plain : tensor<8x8xf32>, tensor<8x4xf32> -> tensor<8x4xf32>
  // CHECK: gptc.read @tied : tensor<16x8xf32, #gptc.packed<transposed>>
  %tied = gptc.read @tied : tensor<16x8xf32>
  %1 = gptc.matmul %x, %tied transpose_rhs : tensor<8x8xf32>, tensor<16x8xf32> -> tensor<8x16xf32>
  %2 = gptc.gather %tied, %ids : tensor<16x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
  %both = gptc.read @both : tensor<8x8xf32>
  %3 = gptc.matmul %x, %both : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %4 = gptc.matmul %x, %both transpose_rhs : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %added = gptc.read @added : tensor<8x8xf32>
  %5 = gptc.matmul %x, %added : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %6 = arith.addf %5, %added : tensor<8x8xf32>
  %gathered = gptc.read @gathered : tensor<16x8xf32>
  %7 = gptc.gather %gathered, %ids : tensor<16x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
  %rows = gptc.read @rows : tensor<8x8xf32>
  %8 = gptc.matmul %x, %rows : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %9 = gptc.gather %rows, %ids : tensor<8x8xf32>, tensor<2xi32> -> tensor<2x8xf32>
  %state = gptc.read @state : tensor<8x8xf32>
  %10 = gptc.matmul %x, %state : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  return
}
