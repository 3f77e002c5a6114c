# Installs the headers, their licence, the CMake package and the pkg-config file; all of it is the same on every architecture.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/tensornorm")

# INCLUDES is for programs that are built by a CMake before 3.23, which knows no file sets.
install(TARGETS tensornorm tensornorm_safetensors EXPORT tensornorm-targets FILE_SET HEADERS
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(EXPORT tensornorm-targets NAMESPACE tensornorm:: DESTINATION "${package_dir}")

# Before 1.0 a new minor version may change what programs rely on (https://semver.org, item 4).
set(compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
endif()
write_basic_package_version_file(tensornorm-config-version.cmake COMPATIBILITY ${compatibility} ARCH_INDEPENDENT)
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/tensornorm-config.cmake.in" tensornorm-config.cmake
                              INSTALL_DESTINATION "${package_dir}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/tensornorm-config.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/tensornorm-config-version.cmake" DESTINATION "${package_dir}")

# Relative to the file itself, so that an installed tree may be moved.
file(RELATIVE_PATH include_from_pkgconfig "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/tensornorm.pc.in" tensornorm.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/tensornorm.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
