#!/usr/bin/env python3
"""Runs the recipe without Conan: packaging/conan/stand_in.py FOLDER makes FOLDER/package, as `conan create` would.

The stand-ins of Conan's modules do what the recipe asks of them and no more; they are no check of Conan itself.
"""
import fnmatch
import importlib.util
import pathlib
import re
import shutil
import sys
import types

here = pathlib.Path(__file__).resolve().parent
folder = pathlib.Path(sys.argv[1]).resolve()


def copy(_, pattern, src, dst):
    files = [path for path in pathlib.Path(src).rglob("*") if path.is_file()]
    chosen = [path for path in files if fnmatch.fnmatch(str(path.relative_to(src)), pattern)]
    assert chosen, f"{pattern} is nothing in {src}"
    for path in chosen:
        target = pathlib.Path(dst) / path.relative_to(src)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def module(name, **members):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)


module("conan", ConanFile=object)
module("conan.tools")
module("conan.tools.files", copy=copy, load=lambda _, path: pathlib.Path(path).read_text())
module("conan.tools.build", check_min_cppstd=lambda recipe, standard: recipe.log.append(f"C++{standard}"), can_run=None)
module("conan.tools.cmake", CMake=None, cmake_layout=None)


def recipe_of(path):
    spec = importlib.util.spec_from_file_location(path.parent.name, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return next(value for name, value in vars(loaded).items() if name.endswith("Conan"))()


def create(safetensors):
    shutil.rmtree(folder, ignore_errors=True)
    recipe = recipe_of(here / "conanfile.py")
    recipe.log = []
    recipe.recipe_folder = str(here)
    recipe.options = types.SimpleNamespace(**{**recipe.default_options, "safetensors": safetensors})
    recipe.requires = lambda name, **_: recipe.log.append(name)
    recipe.info = types.SimpleNamespace(clear=lambda: recipe.log.append("info cleared"))
    recipe.cpp_info = types.SimpleNamespace(set_property=lambda *what: recipe.log.append(str(what)))
    recipe.set_version()
    recipe.export_sources_folder = recipe.source_folder = str(folder / "source")
    recipe.export_sources()
    recipe.recipe_folder = None  # the checkout is out of reach from here on
    recipe.package_folder = str(folder / "package")
    for method in ("requirements", "validate", "package", "package_id", "package_info"):
        getattr(recipe, method)()
    return recipe


for safetensors in (False, True):
    recipe = create(safetensors)
    assert re.fullmatch(r"\d+\.\d+\.\d+", recipe.version), recipe.version
    assert recipe.package_type == "header-library" and recipe.cpp_info.libdirs == recipe.cpp_info.bindirs == []
    assert {"C++17", "info cleared", "eigen/3.4.0"} <= set(recipe.log), recipe.log
    assert safetensors == any(entry.startswith("nlohmann_json/") for entry in recipe.log)
test = recipe_of(here / "test_package" / "conanfile.py")
assert all(callable(getattr(test, name)) for name in ("requirements", "layout", "build", "test"))
print(recipe.name, recipe.version, *recipe.log, sep="; ")
