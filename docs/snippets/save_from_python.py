"""Saves a network as step 1 of the README does. Where the package safetensors is missing, the writer of examples/networks
stands in for it."""
import importlib
import os
import pathlib
import sys
import tempfile
import types

import torch

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "examples/networks"))
train = importlib.import_module("train")
model, batch = train.wine_network(), train.read_csv("wine.csv")[0]
try:
    importlib.import_module("safetensors.torch")
except ImportError:
    stand_in = types.ModuleType("safetensors.torch")
    stand_in.save_file = lambda tensors, path, metadata=None: train.save_safetensors(pathlib.Path(path), tensors, metadata)
    sys.modules.update({"safetensors": types.ModuleType("safetensors"), "safetensors.torch": stand_in})
os.chdir(tempfile.mkdtemp())

## [code]
from safetensors.torch import save_file

model.eval()
x = batch[:4]
with torch.no_grad():
    probe = {"probe.input": x, "probe.output": model(x)}
metadata = {"bn2.eps": str(model.bn2.eps)}
save_file({**model.state_dict(), **probe}, "wine.safetensors", metadata)
## [code]

print(os.path.getsize("wine.safetensors"))
os.remove("wine.safetensors")
os.rmdir(os.getcwd())
