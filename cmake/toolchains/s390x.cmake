# Debian's cross compiler, and qemu to run what it builds: packages g++-s390x-linux-gnu and qemu-user.
# Eigen's, doctest's and nlohmann-json's headers are the same for every processor; Debian's cross compilers read /usr/include.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR s390x)
set(CMAKE_CXX_COMPILER s390x-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-s390x -L /usr/s390x-linux-gnu)
