# Flags and helper functions shared by every target of the project.

add_library(gptc-flags INTERFACE)
target_compile_options(gptc-flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wno-unused-parameter -Wno-gnu-zero-variadic-macro-arguments
  -fno-math-errno -fvisibility-inlines-hidden
  # ccache can only serve objects made with a precompiled header that carries no time stamp.
  "SHELL:-Xclang -fno-pch-timestamp")
target_compile_definitions(gptc-flags INTERFACE GPTC_VERSION="${PROJECT_VERSION}")
target_include_directories(gptc-flags INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>" "$<BUILD_INTERFACE:${PROJECT_BINARY_DIR}>")
if(GPTC_SANITIZER)
  target_compile_options(gptc-flags INTERFACE
    -fsanitize=${GPTC_SANITIZER} -fno-omit-frame-pointer -fno-sanitize-recover=all -g1)
  target_link_options(gptc-flags INTERFACE -fsanitize=${GPTC_SANITIZER})
endif()

# gptc_add_test(NAME SOURCE... LIBS lib...): one GoogleTest program, each of its cases a ctest case.
function(gptc_add_test name)
  cmake_parse_arguments(arg "COMPILER" "TIMEOUT" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE gptc-flags ${arg_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE GPTC_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(arg_COMPILER)
    # The header is that of a shared library; code for an executable alone would not fit it.
    target_precompile_headers(${name} REUSE_FROM gptc-compiler)
    target_compile_options(${name} PRIVATE -fPIC)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${arg_TIMEOUT})
endfunction()

# gptc_add_fuzzer(NAME SOURCE...): a libFuzzer target over the runtime library. NAME ends in -fuzz.
function(gptc_add_fuzzer name)
  if(GPTC_BUILD_FUZZERS)
    add_executable(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE gptc-flags gptc-runtime nlohmann_json::nlohmann_json flatbuffers::flatbuffers)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endif()
endfunction()
