#!/usr/bin/python3
"""Writes the files that the tests read, with numpy and the safetensors writer beside this file.

    /usr/bin/python3 tests/python/write_fixtures.py [directory]     (Debian: python3-numpy)
"""
import pathlib
import struct
import sys

import numpy as np

import contents
import safetensors_files


def main(directory):
    directory.mkdir(exist_ok=True)
    safetensors_files.save(directory / "all_types.safetensors", contents.TENSORS, contents.METADATA)
    safetensors_files.save(directory / "empty.safetensors", {})
    header = contents.OLD_HEADER.encode()
    assert len(header) % 8 != 0
    (directory / "old.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + contents.OLD_DATA)
    for name, (array, version) in contents.npy_arrays().items():
        with open(directory / f"{name}.npy", "wb") as file:
            np.lib.format.write_array(file, array, version=version)
    for name, array in contents.refused_npy_arrays().items():
        np.save(directory / f"{name}.npy", array)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "fixtures")
