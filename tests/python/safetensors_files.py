"""The safetensors format in a few lines of struct and json, as huggingface/safetensors writes it: tensors by type, then
by name; the header without spaces and padded to a multiple of 8 bytes. A tensor is (dtype, shape, bytes)."""
import json
import struct

ORDER = ["I64", "F64", "F32", "BF16", "F16"]


def save(path, tensors, metadata=None):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (dtype, shape, values) in sorted(tensors.items(), key=lambda t: (ORDER.index(t[1][0]), t[0].encode())):
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def load(path):
    """Its tensors and metadata; believes the file."""
    content = path.read_bytes()
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:begin])
    metadata = header.pop("__metadata__", {})
    data = content[begin:]
    tensors = {}
    for name, tensor in header.items():
        first, last = tensor["data_offsets"]
        tensors[name] = (tensor["dtype"], tuple(tensor["shape"]), data[first:last])
    return tensors, metadata
