# An overlay port of the checkout it lies in: vcpkg install tensornorm --overlay-ports=packaging/vcpkg
# vcpkg does not see that the checkout has changed: pass --no-binarycaching after a change.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(VCPKG_BUILD_TYPE release) # header-only

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DTENSORNORM_BUILD_TESTS=OFF
        -DTENSORNORM_BUILD_BENCH=OFF
        -DTENSORNORM_BUILD_EXAMPLES=OFF
        -DTENSORNORM_INSTALL=ON
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/tensornorm)
vcpkg_fixup_pkgconfig()

file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
