//===- Interfaces.td - What ops can be asked ---------------*- tablegen -*-===//

#ifndef GPTC_IR_INTERFACES_TD
#define GPTC_IR_INTERFACES_TD

include "mlir/IR/OpBase.td"

def CostOpInterface : OpInterface<"CostOpInterface"> {
  let description = [{
    The one definition of how much work an op is, which every report and
    benchmark uses. Useful work only: causal attention counts as causal.
  }];
  let cppNamespace = "::gptc::ir";
  let methods = [
    InterfaceMethod<[{
        Floating point operations of one execution; a multiply-add counts
        two, a transcendental function one. Data movement counts none.
      }],
      "uint64_t", "getFlops">,
  ];
}

#endif // GPTC_IR_INTERFACES_TD
