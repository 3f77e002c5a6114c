#!/usr/bin/env python3
"""Measures how far torch's float32 batch norm is from the exact values where digits are easily lost.

    /usr/bin/python3 tests/torch/accuracy.py     (Debian: python3-torch; about a minute and 2 GB)

Writes accuracy.txt, from which accuracy.cpp makes the same inputs, measures this library and prints both in one table.
"""
import datetime
import pathlib
import re

import numpy as np
import torch

from inputs import Normal

EPS = 1e-5
# sizes, mode, what x is drawn from, its offset and scale; in eval these are the running mean and deviation too
ROWS = [
    ((32, 64, 56, 56), "training", "normal", 0, 1),
    ((32, 64, 56, 56), "training", "normal", 1e4, 1),
    ((8, 16, 28, 28), "training", "normal", 1e6, 0.1),
    ((32, 4, 56, 56), "training", "constant", 0.1, 0),
    ((32, 4, 56, 56), "training", "constant", 1e10, 0),
    ((8, 16, 28, 28), "training", "normal", 0, 1e30),
    ((8, 16, 28, 28), "eval", "normal", 1e6, 0.1),
    ((262144, 2), "training", "alternating", 1000.5, 0.5),
]


def make_x(seed, shape, source, offset, scale):
    """C++: make_x() in accuracy.hpp."""
    if source == "normal":
        values = Normal(seed)(int(np.prod(shape))).reshape(shape)
    else:
        rows = np.arange(shape[0]).reshape((-1,) + (1,) * (len(shape) - 1))
        values = np.broadcast_to(rows % 2 * 2.0 - 1, shape)
    return (offset + scale * values).astype(np.float32)


def in_ulps(value, exact):
    with np.errstate(over="ignore"):
        ulp = np.spacing(np.abs(exact).astype(np.float32))
    return np.max(np.abs(value - exact) / ulp)


def measure(x, layout, mode, offset, scale):
    """The largest errors of mean and invstd, in ulp, and of y."""
    channels = x.shape[1]
    at = torch.from_numpy(x)
    if layout == "NHWC":
        at = at.to(memory_format=torch.channels_last)
    running = None, None
    if mode == "eval":
        running = (torch.full((channels,), value, dtype=torch.float32) for value in (offset, scale * scale))
    running_mean, running_var = running
    y, mean, invstd = torch.native_batch_norm(at, None, None, running_mean, running_var, mode == "training", 0.1, EPS)
    y_error, exact_means, exact_invstds = 0, [], []
    for c in range(channels):  # in long double
        values = x[:, c].astype(np.longdouble)
        if mode == "training":
            exact_mean = values.sum() / values.size
            exact_var = ((values - exact_mean) ** 2).sum() / values.size
        else:
            exact_mean, exact_var = (stat[c].numpy().astype(np.longdouble) for stat in (running_mean, running_var))
        exact_invstd = 1 / np.sqrt(exact_var + EPS)
        exact_y = (values - exact_mean) * exact_invstd
        y_error = np.maximum(y_error, np.max(np.abs(y[:, c].numpy() - exact_y)))  # a NaN stays
        exact_means.append(exact_mean)
        exact_invstds.append(exact_invstd)
    if mode == "eval":
        return "-", "-", f"{y_error:.3g}"
    errors = (in_ulps(mean.numpy(), np.array(exact_means)), in_ulps(invstd.numpy(), np.array(exact_invstds)), y_error)
    return [f"{error:.3g}" for error in errors]


def main():
    torch.set_num_threads(1)
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())[1]
    capability = re.search(r"CPU capability usage: (\S+)", torch.__config__.show())[1]
    path = pathlib.Path(__file__).with_name("accuracy.txt")
    with open(path, "w") as out:
        out.write(f"torch {torch.__version__}, {capability}, one thread, on {processor}, {datetime.date.today()}\n")
        for seed, (shape, mode, source, offset, scale) in enumerate(ROWS, start=1):
            x = make_x(seed, shape, source, offset, scale)
            sizes = ",".join(map(str, shape))
            sum_of_bits = int(x.reshape(-1).view(np.uint32).sum(dtype=np.uint64))
            for layout in ("NCHW", "NHWC") if len(shape) == 4 else ("NC",):
                errors = " ".join(measure(x, layout, mode, offset, scale))
                out.write(f"{sizes} {layout} {mode} {source} {offset} {scale} {seed} {sum_of_bits:x} {errors}\n")
    print(path.read_text(), end="")


if __name__ == "__main__":
    main()
