# conan create packaging/conan: a Conan 2 package of the checkout it lies in.
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load

required_conan_version = ">=2.0"


class TensornormConan(ConanFile):
    name = "tensornorm"
    description = "Batch normalization over Eigen tensors with the meaning of PyTorch's layers"
    license = "MIT"
    topics = ("batch-normalization", "deep-learning", "eigen", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"safetensors": [True, False]}
    default_options = {"safetensors": False}
    no_copy_source = True

    def _checkout(self):
        return os.path.join(self.recipe_folder, os.pardir, os.pardir)

    def set_version(self):
        header = load(self, os.path.join(self._checkout(), "include", "tensornorm", "version.hpp"))
        self.version = ".".join(re.findall(r"#define TENSORNORM_VERSION_\w+ (\d+)", header))

    def export_sources(self):
        copy(self, "include/*", self._checkout(), self.export_sources_folder)
        copy(self, "LICENSE", self._checkout(), self.export_sources_folder)

    def requirements(self):
        self.requires("eigen/3.4.0", transitive_headers=True)
        if self.options.safetensors:
            self.requires("nlohmann_json/3.11.3", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 17)

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))

    def package_id(self):
        self.info.clear()

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        if self.options.safetensors:
            self.cpp_info.set_property("cmake_target_aliases", ["tensornorm::safetensors"])
