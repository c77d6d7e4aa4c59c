// Gives the library a first source, from which the precompiled header is made.
#include "gptc/compiler/Pch.h"
