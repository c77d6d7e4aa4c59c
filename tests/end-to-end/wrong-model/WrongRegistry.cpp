// A library whose definitions cannot be told apart, or built.

#include "gptc/frontend/Definition.h"

using namespace gptc;

extern "C" void gptc_register_definitions(DefinitionRegistry &registry) {
  Definition definition;
  definition.name = "twin";
  definition.build = [](Graph &, const EntryRequest &) {};
  registry.add(definition);
  registry.add(definition);
  definition.name = "bare";
  definition.build = nullptr;
  registry.add(definition);
}
