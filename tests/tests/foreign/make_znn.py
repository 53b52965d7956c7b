"""Compresses a safetensors file by ZipNN: python3 make_znn.py IN OUT [METADATA]

As the script that comes with ZipNN does, which asks and installs: floating point tensors become bytes if that makes them smaller, and
are listed in the metadata. With METADATA `none`, the list is left out, as it is where the original has no metadata at all.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from zipnn import ZipNN

source, target = sys.argv[1:3]
tensors, listed, compressed = {}, {}, 0
with safe_open(source, "pt", "cpu") as file:
    metadata = file.metadata() or {}
    for name in file.keys():
        tensor = file.get_tensor(name)
        tensors[name] = tensor
        if not torch.is_floating_point(tensor) or tensor.numel() == 0:
            continue
        packed = ZipNN(input_format="torch", bytearray_dtype=tensor.dtype, method="HUFFMAN").compress(tensor.clone())
        if len(packed) < tensor.nbytes:
            tensors[name] = torch.frombuffer(bytearray(packed), dtype=torch.uint8)
            listed[name] = {"dtype": str(tensor.dtype)[6:], "shape": str(list(tensor.shape))}
            compressed += 1
if "none" not in sys.argv[3:]:
    metadata["znn_compressed_vectors"] = json.dumps(listed)
save_file(tensors, target, metadata or None)
print(f"{compressed} compressed")
