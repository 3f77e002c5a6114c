# Runs the port without vcpkg: cmake -DPREFIX=<folder> -P packaging/vcpkg/stand_in.cmake
# Each function does, of what vcpkg's own does, what this port relies on; unknown arguments are errors, as in vcpkg.
set(PORT tensornorm)
set(CURRENT_PACKAGES_DIR "${PREFIX}")
set(build "${PREFIX}-build")
file(REMOVE_RECURSE "${PREFIX}" "${build}")

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
endfunction()

macro(parse one_value multi_value)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "${one_value}" "${multi_value}")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "extra arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
endmacro()

function(vcpkg_cmake_configure)
  parse("SOURCE_PATH" "OPTIONS")
  run("${CMAKE_COMMAND}" -S "${arg_SOURCE_PATH}" -B "${build}" "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}"
      -Werror=dev --warn-uninitialized ${arg_OPTIONS})
endfunction()

function(vcpkg_cmake_install)
  parse("" "")
  run("${CMAKE_COMMAND}" --build "${build}" --target install)
endfunction()

# Moves the CMake package to share/<port>, one folder higher, and corrects what that changes in it.
function(vcpkg_cmake_config_fixup)
  parse("CONFIG_PATH" "")
  if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/${PORT}-config.cmake")
    message(FATAL_ERROR "no CMake package in ${arg_CONFIG_PATH}")
  endif()
  file(RENAME "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}" "${CURRENT_PACKAGES_DIR}/share/${PORT}")
  file(REMOVE "${CURRENT_PACKAGES_DIR}/share/cmake")
  set(up "get_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)\n")
  file(GLOB files "${CURRENT_PACKAGES_DIR}/share/${PORT}/*.cmake")
  foreach(file IN LISTS files)
    file(READ "${file}" text)
    string(REPLACE "${up}${up}${up}" "${up}${up}" text "${text}")
    string(REPLACE "\${CMAKE_CURRENT_LIST_DIR}/../../../" "\${CMAKE_CURRENT_LIST_DIR}/../../" text "${text}")
    file(WRITE "${file}" "${text}")
  endforeach()
endfunction()

function(vcpkg_fixup_pkgconfig)
  parse("" "")
endfunction()

function(vcpkg_install_copyright)
  parse("" "FILE_LIST")
  file(INSTALL ${arg_FILE_LIST} DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}" RENAME copyright)
endfunction()

include("${CMAKE_CURRENT_LIST_DIR}/tensornorm/portfile.cmake")
