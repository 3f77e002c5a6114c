"""Inputs that Python and C++ (inputs.hpp) make bit for bit alike.

Near-normal numbers from a seeded Mersenne Twister: each the sum of 12 uniform numbers of 32 bits, less 6, which has
mean 0 and variance 1 and is exact in double. What is computed from them is rounded operation by operation, in double,
and then once to the type that is wanted.
"""
import numpy as np

CHUNK = 1 << 20  # numbers drawn at a time


class Normal:
    """C++: tn_test::Uneven, on std::mt19937(seed)."""

    def __init__(self, seed):
        self.engine = np.random.RandomState(seed)

    def __call__(self, count):
        numbers = np.empty(count)
        for begin in range(0, count, CHUNK):
            part = numbers[begin : begin + CHUNK]
            words = self.engine.randint(0, 2**32, size=(part.size, 12), dtype=np.uint32)
            part[:] = words.sum(axis=1, dtype=np.uint64) * 2.0**-32 - 6
        return numbers
