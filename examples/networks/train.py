#!/usr/bin/python3
"""Trains two small networks in PyTorch and writes what a C++ program needs to run them.

    /usr/bin/python3 examples/networks/train.py [directory to write to]

For each network, `digits` and `wine`:
  NAME.safetensors   the state dict; a probe (rows and their logits); in its metadata what a state dict leaves out
  NAME_logits.npy    the logits of all test rows in eval mode, float32 [rows, classes]
"""
import json
import pathlib
import struct
import sys
from collections import OrderedDict

import numpy
import torch
from torch import nn

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
PROBE_ROWS = 4


def digits_network():
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, 8, 3, padding=1, bias=False),
        bn1=nn.BatchNorm2d(8),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(8, 16, 3, stride=2, padding=1),
        # Not PyTorch's defaults: a program that ignores the metadata gets other logits.
        bn2=nn.BatchNorm2d(16, eps=1e-3, momentum=0.05),
        relu2=nn.ReLU(),
        flatten=nn.Flatten(),
        fc=nn.Linear(16 * 4 * 4, 10),
    ))


def wine_network():
    return nn.Sequential(OrderedDict(
        bn1=nn.BatchNorm1d(13),  # the measurements as they are: proline in the hundreds, hue about 1
        fc1=nn.Linear(13, 16),
        bn2=nn.BatchNorm1d(16, eps=1e-3),
        relu=nn.ReLU(),
        fc2=nn.Linear(16, 3),
    ))


def read_csv(name):
    """Features (float32) and classes of a file with one header line and the class last."""
    table = numpy.loadtxt(DATA / name, delimiter=",", skiprows=1)
    return torch.tensor(table[:, :-1], dtype=torch.float32), torch.tensor(table[:, -1], dtype=torch.long)


def train(network, x, classes, epochs, batch_size):
    # Weight decay keeps the logits small, below about 10.
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.1)
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad()
            loss(network(x[rows]), classes[rows]).backward()
            optimizer.step()


def save_safetensors(path, tensors, metadata):
    """Eight bytes of header length, the JSON header, the values: the widest type first, then by name."""
    types = {"float32": "F32", "int64": "I64"}
    arrays = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    header, values = {"__metadata__": metadata}, b""
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        offsets = [len(values), len(values) + array.nbytes]
        header[name] = {"dtype": types[str(array.dtype)], "shape": list(array.shape), "data_offsets": offsets}
        values += array.astype(array.dtype.newbyteorder("<")).tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the values are aligned
    path.write_bytes(struct.pack("<Q", len(text)) + text + values)


def write(directory, name, network, x, classes):
    """The files of a trained network, whose test rows are x."""
    network.eval()
    with torch.no_grad():
        logits = network(x)
    hits = int((logits.argmax(1) == classes).sum())
    metadata = {"format": "pt", "test_accuracy": f"{hits}/{len(x)}"}
    for layer, module in network.named_children():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            metadata[f"{layer}.eps"] = str(module.eps)
            metadata[f"{layer}.momentum"] = str(module.momentum)
    probe = {"probe.input": x[:PROBE_ROWS], "probe.output": logits[:PROBE_ROWS]}
    save_safetensors(directory / f"{name}.safetensors", {**network.state_dict(), **probe}, metadata)
    numpy.save(directory / f"{name}_logits.npy", logits.numpy())
    print(f"{name}: test accuracy {metadata['test_accuracy']}, largest |logit| {logits.abs().max():.2f}")


def main(directory):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    directory.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(0)
    x, classes = read_csv("digits.csv")
    x = x.reshape(-1, 1, 8, 8)  # pixels 0..16 as they are: bn1 makes their scale irrelevant
    network = digits_network()
    train(network, x[:1200], classes[:1200], epochs=20, batch_size=100)
    write(directory, "digits", network, x[1200:], classes[1200:])

    torch.manual_seed(0)
    x, classes = read_csv("wine.csv")  # sorted by class, so every other row is a test row
    network = wine_network()
    train(network, x[::2], classes[::2], epochs=60, batch_size=30)
    write(directory, "wine", network, x[1::2], classes[1::2])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / "networks")
