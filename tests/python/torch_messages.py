#!/usr/bin/python3
"""Writes torch_messages.json: what torch's load_state_dict says to dicts that do not fit, and to some that do.

    /usr/bin/python3 tests/python/torch_messages.py     (Debian: python3-torch)
"""
import collections
import json
import pathlib

import torch
from torch import nn

FULL = {"weight": (2,), "bias": (2,), "running_mean": (2,), "running_var": (2,), "num_batches_tracked": ()}


def but(changes=(), without=()):
    """The entries of a layer of 2 channels, with others added or in their place, and without some."""
    return {name: shape for name, shape in {**FULL, **dict(changes)}.items() if name not in without}


# what is loaded; the layer it is loaded into, if that is not a BatchNorm2d(2); more about how
CASES = [
    (but(), {}),
    ({}, {}),
    (but(without=["bias"]), {}),
    (but(without=["bias"]), {"strict": False}),
    (but(without=["num_batches_tracked"]), {}),
    (but({"num_batches_tracked": (1,)}), {}),
    (but({"gamma": (2,), "ema.weight": (2,)}), {"layer": "BatchNorm1d"}),
    (but({"gamma": (2,)}), {"strict": False}),
    ({name: shape and (3,) for name, shape in FULL.items()}, {}),
    ({name: shape and (3,) for name, shape in FULL.items()}, {"strict": False}),
    (but({"weight": (), "bias": (2, 1)}), {}),
    (but({"weight": (1,)}), {}),
    (but({"running_var": (3,), "gamma": (2,)}, without=["bias", "weight"]), {"layer": "BatchNorm3d"}),
    (but({"running_var": (3,), "gamma": (2,)}, without=["bias"]), {"strict": False}),
    (but(), {"affine": False}),
    (but(), {"track_running_stats": False}),
    (but(without=["weight", "bias"]), {"affine": False}),
    (but(without=["running_mean", "running_var", "num_batches_tracked"]), {"track_running_stats": False}),
    (but({"bias": (4,), "gamma": (2,)}, without=["weight"]), {"prefix": "bn."}),
]


def says(entries, layer="BatchNorm2d", prefix="", strict=True, **options):
    module = getattr(nn, layer)(2, **options)
    if prefix:
        module = nn.Sequential(collections.OrderedDict({prefix[:-1]: module}))
    try:
        module.load_state_dict({prefix + name: torch.ones(shape) for name, shape in entries.items()}, strict=strict)
    except RuntimeError as error:
        return str(error)
    return "loaded"


def main():
    cases = []
    for entries, how in CASES:
        how = {"layer": "BatchNorm2d", "prefix": "", "strict": True, "affine": True, "track_running_stats": True, **how}
        named = [[how["prefix"] + name, shape] for name, shape in entries.items()]
        cases.append(json.dumps({**how, "entries": named, "says": says(entries, **how)}))
    text = '{"torch": "%s", "cases": [\n%s\n]}\n' % (torch.__version__, ",\n".join(cases))
    (pathlib.Path(__file__).parent / "torch_messages.json").write_text(text)


if __name__ == "__main__":
    main()
