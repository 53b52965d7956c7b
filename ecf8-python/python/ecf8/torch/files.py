"""Containers and plain safetensors files as dictionaries of tensors."""

import torch

import ecf8

from .. import _dtypes
from ..numpy import save


def load_file(filename, device="cpu"):
    """All tensors of a container, or of a plain safetensors file, by name, as `safetensors.torch.load_file` gives those of the
    original. Raises `ecf8.Error` if the file is damaged, `OSError` if it cannot be read."""
    with ecf8.safe_open(filename, framework="pt", device=device) as file:
        return file.get_tensors()


def load_model(model, filename, *, strict=True, device="cpu"):
    """Loads a container into a model, and returns the names that were missing in it and those that were too many, as
    `safetensors.torch.load_model`. With `strict`, raises `RuntimeError` if there are any."""
    tensors = load_file(filename, device=device)
    # A parameter that has several names is in the file under one of them.
    names = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), set()).add(name)
    there = {name for same in names.values() if same & tensors.keys() for name in same}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    missing = sorted(set(missing) - there)
    if strict and (missing or unexpected):
        raise RuntimeError(f"{filename} does not fit {type(model).__name__}: missing {missing}, too many {sorted(unexpected)}")
    return missing, list(unexpected)


def save_file(tensors, filename, metadata=None, **as_compress):
    """Saves tensors by name as a container. `as_compress` are the options of `ecf8.compress`; returns its report."""
    given = []
    for name, tensor in tensors.items():
        tensor = tensor.detach().to("cpu").contiguous()
        shape, dtype = list(tensor.shape), _dtypes.name_of(tensor.dtype)
        if dtype in _dtypes.PACKED:
            shape[-1] *= 2
        given.append((name, dtype, shape, tensor.reshape(-1).view(torch.uint8).numpy()))
    return save(given, filename, metadata, as_compress)
