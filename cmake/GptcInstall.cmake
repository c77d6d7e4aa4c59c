# What `cmake --install` puts under a prefix, and the package that find_package(gptc) finds there:
# gptc::runtime loads and runs artifacts, gptc::compiler is what a definition of one's own links. A prefix
# can be moved as a whole. Included after all targets.

include(CMakePackageConfigHelpers)
set(package "${CMAKE_INSTALL_LIBDIR}/cmake/gptc")
set(include "${CMAKE_INSTALL_INCLUDEDIR}")

# The public headers: TextGeneration.h, Npy.h and VulkanProgram.h with all that they include.
set(headers
  artifact/Artifact.h base/DataType.h base/Error.h base/File.h base/Progress.h program/ChosenPrograms.h program/Executable.h program/KernelAbi.h program/KernelLibrary.h
  program/MatrixProduct.h program/Memory.h program/Program.h program/Threads.h session/Runner.h session/Scoring.h session/Session.h
  session/TextGeneration.h session/Trace.h tensors/Npy.h text/Candidates.h text/Sampler.h text/Tokenizer.h)
list(TRANSFORM headers PREPEND "gptc/runtime/")
list(APPEND headers gptc/backends/vulkan/runtime/VulkanProgram.h)
if(GPTC_BUILD_COMPILER)
  list(APPEND headers
    gptc/frontend/Definition.h gptc/frontend/Graph.h gptc/frontend/Operators.h gptc/frontend/Optimizers.h gptc/frontend/Types.h)
endif()
foreach(header IN LISTS headers)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES "${header}" DESTINATION "${include}/${folder}")
endforeach()
install(FILES "${PROJECT_BINARY_DIR}/gptc/runtime/artifact/Artifact_generated.h"
  DESTINATION "${include}/gptc/runtime/artifact")

install(TARGETS gptc RUNTIME)
install(TARGETS gptc-runtime EXPORT gptc-targets LIBRARY)
set_target_properties(gptc PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
set_target_properties(gptc-runtime PROPERTIES EXPORT_NAME runtime INSTALL_RPATH "$ORIGIN")
target_include_directories(gptc-runtime INTERFACE "$<INSTALL_INTERFACE:${include}>")
target_compile_features(gptc-runtime INTERFACE cxx_std_20)
if(GPTC_BUILD_COMPILER)
  install(TARGETS gptc-compiler EXPORT gptc-targets LIBRARY)
  # MLIR stays where it is; no user of the package links it.
  set_target_properties(gptc-compiler PROPERTIES EXPORT_NAME compiler
    INSTALL_RPATH "$ORIGIN" INSTALL_RPATH_USE_LINK_PATH ON)
endif()

# What devices are checked with, where the command looks for it.
if(GPTC_BUILD_COMPILER)
  install(DIRECTORY "${PROJECT_BINARY_DIR}/share/gptc" DESTINATION share)
endif()

# oneDNN moves along where it is the copy that scripts/install-dependencies.sh made.
get_target_property(dnnl DNNL::dnnl LOCATION)
cmake_path(IS_PREFIX GPTC_DEPS_DIR "${dnnl}" NORMALIZE private)
if(private)
  install(IMPORTED_RUNTIME_ARTIFACTS DNNL::dnnl LIBRARY)
endif()

install(EXPORT gptc-targets NAMESPACE gptc:: DESTINATION "${package}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/gptcConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/gptcConfig.cmake" INSTALL_DESTINATION "${package}"
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/gptcConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/gptcConfig.cmake" "${PROJECT_BINARY_DIR}/gptcConfigVersion.cmake"
  DESTINATION "${package}")
