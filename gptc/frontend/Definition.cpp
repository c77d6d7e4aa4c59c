//===- Definition.cpp -----------------------------------------------------===//

#include "gptc/frontend/Definition.h"

namespace gptc {

void DefinitionRegistry::add(Definition definition) {
  definitions_.push_back(std::move(definition));
}

const Definition *DefinitionRegistry::find(const std::string &name) const {
  for (const Definition &definition : definitions_)
    if (definition.name == name)
      return &definition;
  return nullptr;
}

} // namespace gptc
