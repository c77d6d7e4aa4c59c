//===- EntryContract.h - What an entry point takes and gives ---*- C++ -*-===//
//
// Sessions find arguments and results by name (docs/define-a-model.md has the
// table). A definition that leaves them out would compile into an artifact that
// nothing can run.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_COMPILER_ENTRYCONTRACT_H
#define GPTC_COMPILER_ENTRYCONTRACT_H

#include "gptc/frontend/Definition.h"

namespace gptc {

/// Has the request's useLoss and useStates report what they cannot take, at the
/// entry's beginning, in place of what would follow from it.
void guardUses(EntryRequest &request);

/// Reports to the graph which arguments and results of a known entry the one
/// that was just built lacks, unless an error was reported before. An entry
/// that is missing is the failure itself, as it has no place.
Status checkEntry(Graph &graph, const Definition &definition,
                  const EntryRequest &request);

} // namespace gptc

#endif // GPTC_COMPILER_ENTRYCONTRACT_H
