// RUN: gptc-opt %s --split-input-file --verify-diagnostics

func.func @group_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(group_c1) has region arguments of other types than its inputs}}
  %0 = "gptc.group"(%x) <{family = #gptc<family rowwise>}> ({
  ^bb0(%a: tensor<5xf32>):
    "gptc.yield"(%a) : (tensor<5xf32>) -> ()
  }) : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @group_c2(%x: tensor<4xf32>) {
  // expected-error @+1 {{(group_c2) must end by yielding its results' types}}
  %0 = gptc.group rowwise (%a = %x : tensor<4xf32>) -> tensor<5xf32> {
    gptc.yield %a : tensor<4xf32>
  }
  return
}

// -----

// expected-error @+1 {{(kernel_c1) must end by yielding its results' types}}
gptc.kernel @kernel_c1 rowwise (%x: tensor<4xf32>) -> tensor<5xf32> {
  gptc.yield %x : tensor<4xf32>
}

// -----

// expected-error @+1 {{(kernel_c2) has an odd list of pairs}}
gptc.kernel @kernel_c2_odd rowwise (%x: tensor<4xf32>) -> tensor<4xf32> attributes {in_place = array<i64: 0>} {
  gptc.yield %x : tensor<4xf32>
}

// -----

// expected-error @+1 {{(kernel_c2) pairs input 0 with output 1}}
gptc.kernel @kernel_c2 rowwise (%x: tensor<4xf32>) -> tensor<4xf32> attributes {tied = array<i64: 0, 1>} {
  gptc.yield %x : tensor<4xf32>
}

// -----

func.func @dispatch_c1(%x: tensor<4xf32>) {
  // expected-error @+1 {{(dispatch_c1) names the kernel @k, which the module does not declare}}
  %0 = gptc.dispatch @k(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

gptc.kernel @k rowwise (%x: tensor<4xf32>) -> tensor<4xf32> {
  gptc.yield %x : tensor<4xf32>
}
func.func @dispatch_c2(%x: tensor<5xf32>) {
  // expected-error @+1 {{(dispatch_c2) does not have the kernel's type}}
  %0 = gptc.dispatch @k(%x) : (tensor<5xf32>) -> tensor<5xf32>
  return
}
