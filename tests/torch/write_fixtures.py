#!/usr/bin/env python3
"""Writes fixtures.txt: what torch computes on the shapes of real networks and of its own tests.

    /usr/bin/python3 tests/torch/write_fixtures.py     (Debian: python3-torch)

Inputs are not stored but made again (inputs.py). Of every result those elements are stored in which torch is furthest
from the exact value, as the bits they are: torch_fixtures_test.cpp needs torch's largest error, and knows the exact
values itself; those computed here only choose the elements.
"""
import pathlib

import numpy as np
import torch

from inputs import Normal

STORED = 8  # elements of a result
BATCHES_BEFORE = 2  # a layer's counter before its one training forward; kBatchesBefore in results.hpp

# family, sizes, how the layer differs from the defaults
CASES = [
    ("ResNet-50", (1, 64, 112, 112), {}),
    ("ResNet-50", (1, 64, 56, 56), {}),
    ("ResNet-50", (2, 128, 28, 28), {"momentum": None}),
    ("ResNet-50", (2, 256, 14, 14), {}),
    ("ResNet-50", (1, 1024, 14, 14), {}),
    ("ResNet-50", (17, 512, 7, 7), {}),
    ("ResNet-50", (1, 2048, 7, 7), {}),
    ("DenseNet-121", (1, 96, 56, 56), {}),
    ("DenseNet-121", (1, 160, 28, 28), {}),
    ("DenseNet-121", (1, 736, 14, 14), {"momentum": None}),
    ("DenseNet-121", (2, 544, 7, 7), {}),
    ("DenseNet-121", (17, 128, 7, 7), {}),
    ("MobileNetV2", (1, 24, 56, 56), {}),
    ("MobileNetV2", (2, 144, 28, 28), {}),
    ("MobileNetV2", (17, 160, 7, 7), {}),
    ("MobileNetV2", (1, 1280, 7, 7), {}),
    ("GoogLeNet", (17, 16, 28, 28), {"eps": 1e-3}),
    ("GoogLeNet", (2, 112, 14, 14), {"eps": 1e-3}),
    ("GoogLeNet", (1, 24, 14, 14), {"eps": 1e-3}),
    ("GoogLeNet", (17, 128, 7, 7), {"eps": 1e-3}),
    ("GoogLeNet", (2, 384, 7, 7), {"eps": 1e-3}),
    ("MLP", (17, 128), {}),
    ("MLP", (2, 300), {}),
    ("MLP", (17, 1024), {"momentum": None}),
    ("MLP", (17, 4096), {"affine": False}),
    ("torch's tests", (2, 1), {}),
    ("torch's tests", (3, 1), {}),
    ("torch's tests", (4, 10), {}),
    ("torch's tests", (4, 10), {"momentum": None}),
    ("torch's tests", (4, 10), {"affine": False}),
    ("torch's tests", (4, 10), {"track": False}),
    ("torch's tests", (4, 5, 3), {}),
    ("torch's tests", (4, 5, 3), {"affine": False}),
    ("torch's tests", (0, 5, 9), {}),
    ("torch's tests", (1, 3), {}),
    ("torch's tests", (2, 3, 6, 6), {"eps": 1e-3, "momentum": 0.8}),
    ("torch's tests", (2, 3, 6, 6), {"eps": 1e-3, "momentum": None}),
    ("torch's tests", (2, 3, 6, 6), {"eps": 1e-3, "momentum": 0.8, "affine": False}),
    ("torch's tests", (2, 3, 6, 6), {"eps": 1e-3, "momentum": 0.8, "track": False}),
    ("torch's tests", (4, 1, 9, 9), {}),
    ("torch's tests", (4, 9, 1, 1), {}),
    ("torch's tests", (1, 9, 1, 1), {}),
    ("torch's tests", (2, 3, 4, 4, 4), {"eps": 1e-3, "momentum": 0.7}),
    ("torch's tests", (2, 3, 4, 4, 4), {"eps": 1e-3, "momentum": None}),
    ("torch's tests", (2, 3, 4, 4, 4), {"affine": False, "track": False}),
]
MOST_IN_DOUBLE = 110_000  # elements of the tensors that are run in double too


class Case:
    def __init__(self, seed, shape, scalar, eps=1e-5, momentum=0.1, affine=True, track=True):
        self.shape, self.scalar = shape, scalar
        self.eps, self.momentum, self.affine, self.track = eps, momentum, affine, track
        self.settings = f"seed {seed} eps {eps} momentum {momentum} affine {affine:d} track {track:d}"
        # Parameters and running statistics, then x and dy, drawn in this order; C++: TorchInputs.
        normal, channels, count = Normal(seed), shape[1], int(np.prod(shape))
        weight, bias = 1 + 0.3 * normal(channels), 0.2 * normal(channels)
        mean, var = 0.4 * normal(channels), 1 + 0.125 * normal(channels)
        c = self.along_channels(np.arange(channels))
        x = (c % 7 - 3) / 2 + (7 + c % 5) / 10 * normal(count).reshape(shape)
        dy = 0.1 * normal(count).reshape(shape)
        self.weight, self.bias, self.mean, self.var, self.x, self.dy = (
            values.astype(scalar) for values in (weight, bias, mean, var, x, dy)
        )

    def along_channels(self, values):
        return values.reshape((1, -1) + (1,) * (len(self.shape) - 2))

    def torch_results(self):
        """eval forward and backward, then training forward and backward: name -> array, in the order of the file."""
        layer = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d, 5: torch.nn.BatchNorm3d}
        x, dy = torch.from_numpy(self.x).requires_grad_(), torch.from_numpy(self.dy)
        bn = layer[x.dim()](self.shape[1], self.eps, self.momentum, self.affine, self.track).to(x.dtype)
        with torch.no_grad():
            if self.affine:
                bn.weight.copy_(torch.from_numpy(self.weight))
                bn.bias.copy_(torch.from_numpy(self.bias))
            if self.track:
                bn.running_mean.copy_(torch.from_numpy(self.mean))
                bn.running_var.copy_(torch.from_numpy(self.var))
                bn.num_batches_tracked.fill_(BATCHES_BEFORE)
        results = {}
        for mode in ("eval", "training"):
            bn.train(mode == "training")
            bn.zero_grad(set_to_none=True)
            x.grad = None
            y = bn(x)
            y.backward(dy)
            results |= {f"{mode}_y": y.detach(), f"{mode}_dx": x.grad}
            if self.affine:
                results |= {f"{mode}_dweight": bn.weight.grad, f"{mode}_dbias": bn.bias.grad}
        if self.track:
            results |= {"running_mean": bn.running_mean, "running_var": bn.running_var}
        return {name: tensor.numpy() for name, tensor in results.items()}

    def exact_results(self):
        """The same in long double, by the definition."""
        x, dy = self.x.astype(np.longdouble), self.dy.astype(np.longdouble)
        axes, n = (0,) + tuple(range(2, x.ndim)), x.size // self.shape[1]
        weight, bias = (self.along_channels(v) if self.affine else d for v, d in ((self.weight, 1), (self.bias, 0)))
        batch_mean = x.sum(axes, keepdims=True) / n
        m2 = ((x - batch_mean) ** 2).sum(axes, keepdims=True)
        results = {}
        for mode in ("eval", "training"):
            batch = mode == "training" or not self.track
            mean, var = (batch_mean, m2 / n) if batch else map(self.along_channels, (self.mean, self.var))
            invstd = 1 / np.sqrt(var.astype(np.longdouble) + self.eps)
            xhat = (x - mean) * invstd
            dweight, dbias = (dy * xhat).sum(axes, keepdims=True), dy.sum(axes, keepdims=True)
            inner = dy - (dbias + xhat * dweight) / n if batch else dy
            results |= {f"{mode}_y": xhat * weight + bias, f"{mode}_dx": weight * invstd * inner}
            results |= {f"{mode}_dweight": dweight, f"{mode}_dbias": dbias}
        factor = np.longdouble(1) / (BATCHES_BEFORE + 1) if self.momentum is None else np.longdouble(self.momentum)
        results["running_mean"] = factor * batch_mean.reshape(-1) + (1 - factor) * self.mean
        results["running_var"] = factor * m2.reshape(-1) / (n - 1) + (1 - factor) * self.var
        return results


def bits(array):
    return array.reshape(-1).view({4: np.uint32, 8: np.uint64}[array.itemsize])


def write_case(out, case, family):
    out.write(f"\ncase {case.scalar} {','.join(map(str, case.shape))} {case.settings} {family}\n")
    try:
        results = case.torch_results()
    except ValueError as error:
        out.write(f"throws {error}\n")
        return
    sums = (int(bits(tensor).sum(dtype=np.uint64)) for tensor in (case.x, case.dy))
    out.write("sum_of_bits {:x} {:x}\n".format(*sums))  # modulo 2^64
    exact = case.exact_results() if case.x.size else results
    for name, array in results.items():
        error = np.abs(array.reshape(-1) - exact[name].reshape(-1))
        furthest = np.argsort(-error, kind="stable")[:STORED]
        digits = 2 * array.itemsize
        out.write(" ".join([name] + [f"{at}:{int(bits(array)[at]):0{digits}x}" for at in furthest]) + "\n")


def main():
    torch.set_num_threads(1)
    path = pathlib.Path(__file__).with_name("fixtures.txt")
    with open(path, "w") as out:
        out.write(f"# torch {torch.__version__}, one thread; written by write_fixtures.py, read by fixtures.hpp.\n")
        out.write("# Results as index:bits, torch's worst first.\n")
        for seed, (family, shape, options) in enumerate(CASES, start=1):
            write_case(out, Case(seed, shape, "float32", **options), family)
            if np.prod(shape) <= MOST_IN_DOUBLE:
                write_case(out, Case(seed, shape, "float64", **options), family)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
