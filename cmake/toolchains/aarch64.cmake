# Debian's cross compiler, and qemu to run what it builds: packages g++-aarch64-linux-gnu and qemu-user.
# Eigen's, doctest's and nlohmann-json's headers are the same for every processor; Debian's cross compilers read /usr/include.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
