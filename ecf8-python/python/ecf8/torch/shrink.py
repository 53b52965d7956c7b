"""Making a model's weights compressed ones, and dense again."""

import gc
import os

import torch

import ecf8

from .. import _dtypes, _ecf8
from .handle import Handle, Weight, handles_of
from .hooks import install
from .linear8 import Linear8, is_float8
from .parameter import CompressedParameter

# All dtypes whose numbers have bytes of their own: also weights that were packed into integers.
BYTES = tuple(getattr(torch, name) for name in {**_dtypes.NUMPY, **_dtypes.ML_DTYPES}.values() if hasattr(torch, name))

# All dtypes of floating-point weights, for `compress(model, dtypes=ecf8.torch.FLOATS)`.
FLOATS = tuple(dtype for dtype in BYTES if dtype.is_floating_point)


class NothingToCompress(ValueError):
    """No weight has the right dtype, is large enough and gets smaller."""


def layer_of(name: str) -> str:
    """The layer that a parameter belongs to: its name up to the first number, or its module where there is none."""
    parts = name.split(".")
    for at, part in enumerate(parts):
        if part.isdigit():
            # A module in a `Sequential` of leaves is a layer of its own, as is a parameter in a list of them.
            return ".".join(parts[: at + 1])
    return ".".join(parts[:-1])


def compress(model, *, dtypes=(torch.float8_e4m3fn,), scheme=None, threshold=1 << 16, device=None, buffers=1, group=layer_of, share=None) -> Handle:
    """Compresses the weights of a model in memory. They are encoded on the CPU, freed, and decoded before each use, by the
    device that they are on or by `device`.

    Weights are parameters of two and more dimensions whose dtype is one of `dtypes`. `group` names the layer of a parameter,
    given the parameter's name; a layer with fewer bytes than `threshold`, and a weight that would not get smaller, stay as
    they are. `buffers=2` has layers take turns in two buffers. Models that run one after another may have the same buffers:
    those that are given the same list as `share`. Raises `NothingToCompress`, a `ValueError`, if
    nothing is left.
    """
    found = {}
    for weight, parameter in _weights(model):
        if parameter.dtype in dtypes and parameter.dtype in BYTES and parameter.dim() > 1 and parameter.device.type != "meta":
            found.setdefault(group(weight.name), []).append(weight)
    found = {name: weights for name, weights in found.items() if sum(_now(w).nbytes for w in weights) >= threshold}
    devices = {_now(weight).device for weights in found.values() for weight in weights}
    if device is None:
        if len(devices) > 1:
            raise ValueError(f"the weights are on {len(devices)} devices ({', '.join(map(str, devices))}); compress the parts on each, or say device=")
        device = next(iter(devices), "cpu")
    schemes = _schemes(found, scheme)
    done = []
    try:
        for weights in found.values():
            for dtype in {weight.dtype for weight in weights}:
                done += _encode_layer([weight for weight in weights if weight.dtype == dtype], schemes[dtype])
        kept = {name: [w for w in weights if w.encoded.is_compressed] for name, weights in found.items()}
        return _install(model, {name: weights for name, weights in kept.items() if weights}, device, buffers, share)
    except BaseException:
        for weight, where in done:
            flat = torch.empty(weight.encoded.nbytes, dtype=torch.uint8)
            weight.encoded.decode_into(flat.numpy())
            weight.offset = 0
            dense = weight.view(flat).to(where)
            weight.set(torch.nn.Parameter(dense, requires_grad=weight.requires_grad))
        raise


def attach(model, path, *, names=None, device=None, buffers=1, group=layer_of, strict=True, share=None) -> Handle:
    """Gives a model the weights of a container, a list of them or a folder, and keeps compressed what is compressed there.

    The model may be on the meta device: its dense weights are never made. Parameters get the dtypes of the file, as with
    `load_state_dict(assign=True)`; an `nn.Linear` whose weight is FP8 there becomes a `Linear8`. `names` maps the file's names
    to the model's: a dictionary, or a function that returns `None` for what the model does not have. With `strict`, raises
    `RuntimeError` if the model lacks something of the file, or the file something of the model; and in any case if a shape differs.
    """
    weights = {name: weight for weight, _ in _weights(model) for name in weight.names}
    buffers_of = {name: (name, tensor) for name, tensor in model.named_buffers() if name in model.state_dict()}
    if device is None:
        device = next((p.device for p in model.parameters() if p.device.type != "meta"), torch.device("cpu"))
    mapped = names.get if isinstance(names, dict) else names or (lambda name: name)
    found, dense, unexpected, filled = {}, [], [], set()
    for path in _files(path):
        with ecf8.safe_open(path, framework="pt", device=str(device)) as file:
            container = _ecf8.File(path) if _ecf8.is_container(path) else None
            for theirs in file.keys():
                name = mapped(theirs)
                if name is None:
                    continue
                target = weights.get(name) or buffers_of.get(name)
                if target is None:
                    unexpected.append(theirs)
                    continue
                weight = target if isinstance(target, Weight) else None
                part = file.get_slice(theirs)
                shape, is_packed = part.get_shape(), part.get_dtype() in _dtypes.PACKED
                # torch counts pairs of numbers of four bits.
                shape = tuple((*shape[:-1], shape[-1] // 2) if is_packed else shape)
                expected = weight.shape if weight else tuple(target[1].shape)
                if shape != expected:
                    raise RuntimeError(f"{path}: tensor `{theirs}` has the shape {list(shape)}, the model's `{name}` {list(expected)}")
                filled.update(weight.names if weight else [name])
                if weight and len(shape) > 1 and not is_packed and container and container.is_compressed(theirs):
                    weight.encoded = container.encoded(theirs)
                    weight.dtype = _dtypes.torch_dtype(weight.encoded.dtype)
                    weight.strides = torch.empty(shape, device="meta").stride()
                    found.setdefault(group(weight.name), []).append(weight)
                else:
                    dense.append((target, file.get_tensor(theirs).to(device)))
    missing = sorted((weights.keys() | buffers_of.keys()) - filled)
    if strict and (missing or unexpected):
        raise RuntimeError(f"{path} does not fit {type(model).__name__}: missing {missing}, too many {sorted(unexpected)}")
    for target, tensor in dense:
        if isinstance(target, Weight):
            target.set(torch.nn.Parameter(tensor, requires_grad=target.requires_grad and tensor.is_floating_point()))
            target.dtype = tensor.dtype
        else:
            parent, _, attribute = target[0].rpartition(".")
            model.get_submodule(parent)._buffers[attribute] = tensor
    for weight in weights.values():
        for module, attribute in weight.owners:
            if is_float8(weight.dtype) and type(module) is torch.nn.Linear and attribute == "weight":
                module.__class__ = Linear8
    return _install(model, found, device, buffers, share)


def decompress(model):
    """Makes all compressed weights of a model dense again, and returns the model."""
    for handle in list(handles_of(model)):
        handle.detach()
        del handle
    # A handle and its weights know each other, so Python frees them, and what they have on a GPU, only when it looks for such rings.
    gc.collect()
    return model


def _install(model, groups, device, buffers, share):
    if not groups:
        raise NothingToCompress(f"no weight of {type(model).__name__} is compressed: none has the right dtype, is large enough and gets smaller")
    handle = Handle(groups, device, buffers, share)
    install(model, handle)
    return handle


def _weights(model):
    """The model's parameters that are not compressed yet, each once, with all its names and owners."""
    found = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        for attribute, parameter in module._parameters.items():
            if parameter is None or isinstance(parameter, CompressedParameter):
                continue
            weight = found.get(id(parameter))
            if weight is None:
                strides = torch.empty_like(parameter, device="meta").stride()
                weight = Weight([], [], parameter.dtype, tuple(parameter.shape), strides, parameter.requires_grad)
                found[id(parameter)] = weight
            weight.names.append(f"{prefix}.{attribute}" if prefix else attribute)
            if (module, attribute) not in weight.owners:
                weight.owners.append((module, attribute))
    return [(weight, _now(weight)) for weight in found.values()]


def _now(weight):
    module, attribute = weight.owners[0]
    return module._parameters[attribute]


def _schemes(found, scheme):
    """One scheme for all weights of a dtype, so that one launch decodes a layer: the largest chooses."""
    weights = [w for weights in found.values() for w in weights]
    schemes = dict.fromkeys((weight.dtype for weight in weights), scheme)
    for dtype in schemes if scheme is None else ():
        largest = max((w for w in weights if w.dtype == dtype), key=lambda w: _now(w).nbytes)
        schemes[dtype] = _ecf8.encode_all([_described(largest)])[0].scheme
    return schemes


def _encode_layer(weights, scheme):
    """Encodes weights of one dtype, and frees those that get smaller, so that a model that just fits can be compressed; gives
    these and their devices."""
    freed = []
    for weight, encoded in zip(weights, _ecf8.encode_all([_described(w) for w in weights], scheme=scheme), strict=True):
        weight.encoded = encoded
        if encoded.is_compressed:
            parameter = _now(weight)
            freed.append((weight, parameter.device))
            weight.set(torch.nn.Parameter(parameter.new_empty(0), requires_grad=False))
    return freed


def _described(weight):
    """A weight's name, dtype, shape and bytes in the order in which they lie in memory."""
    tensor = _now(weight).detach()
    # Axes from the widest stride to the narrowest: a transposed weight is encoded as what it is a transpose of.
    axes = sorted(range(tensor.dim()), key=lambda axis: -tensor.stride(axis))
    tensor = tensor.permute(axes).to("cpu").contiguous()
    return weight.name, _dtypes.name_of(tensor.dtype), list(tensor.shape), tensor.reshape(-1).view(torch.uint8).numpy()


def _files(path):
    if isinstance(path, (list, tuple)):
        return [os.fspath(one) for one in path]
    path = os.fspath(path)
    if not os.path.isdir(path):
        return [path]
    files = sorted(name for name in os.listdir(path) if name.endswith((".safetensors", ".sft")) and not name.startswith("."))
    if not files:
        raise FileNotFoundError(f"{path} holds no .safetensors file")
    return [os.path.join(path, name) for name in files]
