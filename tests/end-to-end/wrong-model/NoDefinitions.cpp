// A library that is asked for definitions and has none.

#include "gptc/frontend/Definition.h"

extern "C" void gptc_register_definitions(gptc::DefinitionRegistry &) {}
