"""Containers as torch tensors, and models whose weights stay compressed in memory.

    tensors = ecf8.torch.load_file("model.ecf8.safetensors")      # like safetensors.torch.load_file, bit for bit
    handle = ecf8.torch.compress(model)                           # a model in memory: encoded, decoded before each use
    handle = ecf8.torch.attach(model, "model.ecf8.safetensors")   # the same from a container, never dense

A compressed weight is a view of one buffer that all layers share. Whoever uses it finds its own layer there: a hook decodes a
layer before its block runs, a guard on each module that owns a weight does where no block's hook ran, and the weight itself
does where it is used without its module. Nobody can write to it: that raises `CompressedWeightError`.

A model serves one thread at a time, because its layers take turns in the buffer.
"""

from .autograd import training
from .files import load_file, load_model, save_file
from .handle import Handle, handle_of
from .linear8 import Linear8
from .parameter import CompressedParameter, CompressedWeightError
from .shrink import BYTES, FLOATS, NothingToCompress, attach, compress, decompress, layer_of

__all__ = [
    "BYTES",
    "FLOATS",
    "CompressedParameter",
    "CompressedWeightError",
    "Handle",
    "Linear8",
    "NothingToCompress",
    "attach",
    "compress",
    "decompress",
    "handle_of",
    "layer_of",
    "load_file",
    "load_model",
    "save_file",
    "training",
]
