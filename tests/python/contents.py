"""What the files in fixtures/ hold. safetensors_test.cpp and npy_test.cpp say the same in C++."""
import numpy as np


def bits(dtype, width, shape, values):
    return dtype, shape, np.array(values, f"<u{width}").tobytes()


# Bits, so that every zero, NaN and subnormal is the one meant: 0.1, -0, the least and the greatest number, infinity, a
# quiet and a signalling NaN with payloads.
TENSORS = {
    "f64": bits("F64", 8, (7,), [0x3FB999999999999A, 0x8000000000000000, 1, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000,
                                 0x7FF800000000BEEF, 0xFFF000000000BEEF]),
    "f32": bits("F32", 4, (7, 1), [0x3DCCCCCD, 0x80000000, 1, 0x7F7FFFFF, 0x7F800000, 0x7FC0BEEF, 0xFF80BEEF]),
    "f16": bits("F16", 2, (1, 7), [0x2E66, 0x8000, 1, 0x7BFF, 0x7C00, 0x7EEF, 0xFCEF]),
    "bf16": bits("BF16", 2, (7,), [0x3DCD, 0x8000, 1, 0x7F7F, 0x7F80, 0x7FEF, 0xFFBF]),
    "i64": bits("I64", 8, (2, 2), [0, 0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000]),
    "bn.num_batches_tracked": bits("I64", 8, (), [42]),
    "none": bits("F32", 4, (2, 0, 3), []),
    "../a/b.c": bits("BF16", 2, (1, 1, 1), [0x3F80]),
    'ключ "☃"\t\x01\\': bits("F16", 2, (2,), [0x3C00, 0x4000]),
}
METADATA = {"bn.eps": "1e-05", "format": "pt", "ключ\n": "\"'☃"}  # sorted, as save_safetensors writes it

# A file of an older writer: the header is not padded, so that the data is not aligned; names are not in its order.
OLD_HEADER = ('\n {"b":{"data_offsets":[0,4],"shape":[1],"dtype":"F32"} , "z":{"dtype":"I64","shape":[1],'
              '"data_offsets":[6,14]},"a":{"dtype":"F16","shape":[1],"data_offsets":[4,6]}}')
OLD_DATA = np.float32(0.5).tobytes() + np.float16(1.5).tobytes() + np.int64(-7).tobytes()

COUNTED = np.arange(24).reshape(2, 3, 4)
NPY_TYPES = ["<f4", "<f8", "<i8", "<i4", "|u1"]


def npy_arrays():
    """Name -> array, version. A name with _fortran is stored with the first axis counting fastest."""
    arrays = {}
    for descr in NPY_TYPES:
        counted = COUNTED.astype(descr)
        arrays[descr[1:]] = counted, (1, 0)
        arrays[descr[1:] + "_fortran"] = np.asfortranarray(counted), (1, 0)
    arrays["version_2"] = COUNTED.astype("<f4"), (2, 0)
    arrays["version_3_fortran"] = np.asfortranarray(COUNTED.astype("<f8")), (3, 0)
    arrays["scalar"] = np.array(7, "<f4"), (1, 0)
    arrays["vector"] = np.array([np.nan, -0.0, np.inf], "<f8"), (1, 0)
    arrays["empty"] = np.zeros((2, 0, 3), "<i4"), (1, 0)
    return arrays


def refused_npy_arrays():
    return {
        "refused_big_endian": np.ones(2, ">f4"),
        "refused_objects": np.array([1, "a"], object),
        "refused_structured": np.zeros(2, [("x", "<f4"), ("y", "<i8")]),
        "refused_half": np.ones(2, "<f2"),
        "refused_truth": np.ones(2, bool),
        "refused_complex": np.ones(2, "<c8"),
        "refused_text": np.array(["ab"]),
    }
