// RUN: gptc-opt %s --gptc-lower-precision=type=bf16 | FileCheck %s
// RUN: gptc-opt %s --gptc-lower-precision=type=f32 | FileCheck %s --check-prefix=F32
// RUN: gptc-opt %s --gptc-lower-precision=type=f16 | sed s/xf16/xbf16/g | FileCheck %s
// RUN: gptc-opt %s --gptc-lower-precision=type=f16 | FileCheck %s --check-prefix=F16
// RUN: not gptc-opt %s --gptc-lower-precision=type=f64 2>&1 | FileCheck %s --check-prefix=F64

// F32-NOT: bf16
// F16-NOT: bf16
// F64: error: {{.*}}has no arithmetic in 'f64', expected f32, bf16 or f16

// What products, attention and gathers alone read is stored narrow; a bias is
// not.
// CHECK: gptc.variable @table parameter : tensor<16x8xbf16>
// CHECK: gptc.variable @w parameter : tensor<8x8xbf16>
// CHECK: gptc.variable @b parameter : tensor<8xf32>
// CHECK: gptc.variable @cache cache : tensor<1x2x6x4xbf16>
gptc.variable @table parameter : tensor<16x8xf32> init(<normal, 0.0, 0.02>)
gptc.variable @w parameter : tensor<8x8xf32> init(<normal, 0.0, 0.02>)
gptc.variable @b parameter : tensor<8xf32> init(<constant, 0.0, 0.0>)
gptc.variable @cache cache : tensor<1x2x6x4xf32>

// CHECK-LABEL: func.func @main
func.func @main(%ids: tensor<1x1xi32>, %at: tensor<1xi32>, %n: tensor<1xi32>) -> tensor<1x16xf32> {
  // The embedding is read narrow and added wide.
  // CHECK: gptc.gather {{.*}} : tensor<16x8xbf16>, tensor<1x1xi32> -> tensor<1x1x8xbf16>
  // CHECK: gptc.cast {{.*}} : tensor<1x1x8xbf16> to tensor<1x1x8xf32>
  // CHECK: arith.addf {{.*}} : tensor<1x1x8xf32>
  %table = gptc.read @table : tensor<16x8xf32>
  %0 = gptc.gather %table, %ids : tensor<16x8xf32>, tensor<1x1xi32> -> tensor<1x1x8xf32>
  %b = gptc.read @b : tensor<8xf32>
  %1 = gptc.broadcast %b [2] : tensor<8xf32> to tensor<1x1x8xf32>
  %2 = arith.addf %0, %1 : tensor<1x1x8xf32>
  // Products read narrow and accumulate wide.
  // CHECK: gptc.matmul {{.*}} : tensor<1x1x8xbf16>, tensor<8x8xbf16> -> tensor<1x1x8xf32>
  %w = gptc.read @w : tensor<8x8xf32>
  %3 = gptc.matmul %2, %w : tensor<1x1x8xf32>, tensor<8x8xf32> -> tensor<1x1x8xf32>
  // The conversion moves above the views, so that the buffer is narrow.
  // CHECK: gptc.cast {{.*}} : tensor<1x1x8xf32> to tensor<1x1x8xbf16>
  // CHECK-NEXT: gptc.reshape {{.*}} : tensor<1x1x8xbf16> to tensor<1x1x2x4xbf16>
  // CHECK: gptc.transpose {{.*}} to tensor<1x2x1x4xbf16>
  %4 = gptc.reshape %3 : tensor<1x1x8xf32> to tensor<1x1x2x4xf32>
  %5 = gptc.transpose %4 [0, 2, 1, 3] : tensor<1x1x2x4xf32> to tensor<1x2x1x4xf32>
  // CHECK: gptc.cache_append {{.*}} : tensor<1x2x6x4xbf16>, tensor<1x2x1x4xbf16>, tensor<1xi32>
  // CHECK: gptc.assign @cache, {{.*}} : tensor<1x2x6x4xbf16>
  // CHECK: gptc.attention {{.*}} : tensor<1x2x1x4xbf16>, tensor<1x2x6x4xbf16>
  %cache = gptc.read @cache : tensor<1x2x6x4xf32>
  %6 = gptc.cache_append %cache, %5 at %at, %n : tensor<1x2x6x4xf32>, tensor<1x2x1x4xf32>, tensor<1xi32>
  gptc.assign @cache, %6 : tensor<1x2x6x4xf32>
  %scale = arith.constant 0.5 : f32
  %7 = gptc.attention %5, %6, %6 scale %scale at %at, %n causal : tensor<1x2x1x4xf32>, tensor<1x2x6x4xf32>, f32, tensor<1xi32>
  %8 = gptc.reshape %7 : tensor<1x2x1x4xf32> to tensor<1x8xf32>
  // CHECK: gptc.matmul {{.*}} transpose_rhs : tensor<1x8xbf16>, tensor<16x8xbf16> -> tensor<1x16xf32>
  %9 = gptc.matmul %8, %table transpose_rhs : tensor<1x8xf32>, tensor<16x8xf32> -> tensor<1x16xf32>
  return %9 : tensor<1x16xf32>
}

// The gradient of attention is as narrow as it, but for statistics, and what is
// put together is widened as one.
// CHECK-LABEL: func.func @backward
// CHECK: %[[Y:.*]], %[[L:.*]] = gptc.attention {{.*}} log_sum_exp : tensor<1x2x3x4xbf16>, tensor<1x2x3x4xbf16>, f32
// CHECK: gptc.attention_backward {{.*}}, %[[Y]], %[[L]] scale {{.*}} : tensor<1x2x3x4xbf16>, tensor<1x2x3x4xbf16>, f32
// CHECK: %[[C:.*]] = gptc.concat {{.*}} -> tensor<1x3x16xbf16>
// CHECK: gptc.cast %[[C]] : tensor<1x3x16xbf16> to tensor<1x3x16xf32>
func.func @backward(%q: tensor<1x2x3x4xf32>, %g: tensor<1x2x3x4xf32>) -> tensor<1x3x16xf32> {
  %s = arith.constant 0.5 : f32
  %y, %l = gptc.attention %q, %q, %q scale %s causal log_sum_exp : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32
  %0:3 = gptc.attention_backward %q, %q, %q, %g, %y, %l scale %s causal : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>, f32
  %1 = gptc.transpose %0#0 [0, 2, 1, 3] : tensor<1x2x3x4xf32> to tensor<1x3x2x4xf32>
  %2 = gptc.reshape %1 : tensor<1x3x2x4xf32> to tensor<1x3x8xf32>
  %3 = gptc.transpose %0#2 [0, 2, 1, 3] : tensor<1x2x3x4xf32> to tensor<1x3x2x4xf32>
  %4 = gptc.reshape %3 : tensor<1x3x2x4xf32> to tensor<1x3x8xf32>
  %5 = gptc.concat %2, %4 along 2 : tensor<1x3x8xf32>, tensor<1x3x8xf32> -> tensor<1x3x16xf32>
  return %5 : tensor<1x3x16xf32>
}
