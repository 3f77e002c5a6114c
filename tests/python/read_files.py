#!/usr/bin/python3
"""Reads what write_files wrote, with numpy, the reader beside this file and, where it is installed, the package
safetensors; exits with an error at the first value or byte that is not as it should be.

    /usr/bin/python3 tests/python/read_files.py DIRECTORY FIXTURES
"""
import pathlib
import sys

import numpy as np

import contents
import safetensors_files


def expected_safetensors():
    """File -> tensors, metadata."""
    old = contents.OLD_DATA
    return {
        "all_types.safetensors": (contents.TENSORS, contents.METADATA),
        "empty.safetensors": ({}, {}),
        "old.safetensors": ({"b": ("F32", (1,), old[:4]), "a": ("F16", (1,), old[4:6]), "z": ("I64", (1,), old[6:])}, {}),
    }


def check_safetensors(directory, fixtures):
    for name, (tensors, metadata) in expected_safetensors().items():
        assert safetensors_files.load(directory / name) == (tensors, metadata), name
        if name != "old.safetensors":  # which is written as files are today
            assert (directory / name).read_bytes() == (fixtures / name).read_bytes(), name
    print(f"Python: {len(expected_safetensors())} safetensors files are right, by struct and json")


def check_with_the_package(directory):
    try:
        import safetensors
    except ImportError:
        print("Python: the package safetensors is not installed; its reader did not run")
        return
    for name, (tensors, _) in expected_safetensors().items():
        read = safetensors.deserialize((directory / name).read_bytes())
        assert {key: (t["dtype"], tuple(t["shape"]), bytes(t["data"])) for key, t in read} == tensors, name
    print(f"Python: and by the package safetensors {safetensors.__version__}")


def check_npy(directory, fixtures):
    for name, (expected, version) in contents.npy_arrays().items():
        array = np.load(directory / f"{name}.npy", allow_pickle=False)
        assert array.dtype == expected.dtype and array.shape == expected.shape, name
        assert array.tobytes() == expected.tobytes(), name  # both in C order
        if version == (1, 0) and "_fortran" not in name:
            assert (directory / f"{name}.npy").read_bytes() == (fixtures / f"{name}.npy").read_bytes(), name
    print(f"Python: {len(contents.npy_arrays())} .npy files are right, by numpy {np.__version__}")


if __name__ == "__main__":
    directory, fixtures = map(pathlib.Path, sys.argv[1:])
    check_safetensors(directory, fixtures)
    check_with_the_package(directory)
    check_npy(directory, fixtures)
