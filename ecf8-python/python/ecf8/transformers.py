"""Compressed folders in transformers: `import ecf8.transformers` once, then `AutoModel….from_pretrained(folder)` as ever.

`prepare(folder)` writes `"quant_method": "ecf8"` into a compressed folder's config.json, around the quantisation that the
model has itself. Weights of linear layers then stay compressed in memory; all others are decoded while they are loaded.
"""

import os

import torch
from transformers import modeling_utils
from transformers.quantizers import HfQuantizer, register_quantization_config, register_quantizer
from transformers.quantizers.auto import AutoHfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

import ecf8
import ecf8.torch

from . import _dtypes, _ecf8
from ._prepare import METHOD, prepare
from .torch.linear8 import is_float8

__all__ = ["Ecf8Config", "Ecf8HfQuantizer", "prepare"]


# Of a file that is being loaded, the weights that stay compressed and that transformers must not see.
_HIDDEN: dict[str, set[str]] = {}


@register_quantization_config(METHOD)
class Ecf8Config(QuantizationConfigMixin):
    """`inner` is the model's own quantisation, as its config.json has it. With `keep_compressed` the weights of linear layers
    stay compressed in memory. `original_config` is the text of config.json before `prepare`, for `ecf8.decompress`."""

    def __init__(self, inner: dict | None = None, keep_compressed: bool = True, original_config: str | None = None, **_):
        self.quant_method = METHOD
        self.inner = inner
        self.keep_compressed = keep_compressed
        self.original_config = original_config


@register_quantizer(METHOD)
class Ecf8HfQuantizer(HfQuantizer):
    """Loads containers, and leaves all questions of quantisation to the quantiser of `inner`."""

    def __init__(self, quantization_config: Ecf8Config, **kwargs):
        super().__init__(quantization_config, **kwargs)
        inner = quantization_config.inner
        self.inner = AutoHfQuantizer.from_config(inner, pre_quantized=self.pre_quantized) if inner else None
        self.kept: list[tuple[torch.nn.Module, str, torch.nn.Parameter]] = []
        self.files: list[str] = []

    is_trainable = is_compileable = property(lambda self: True)

    def is_serializable(self):
        return True

    def preprocess_model(self, model, dtype=None, checkpoint_files=None, **kwargs):
        if self.inner is not None:
            self.inner.preprocess_model(model, dtype=dtype, checkpoint_files=checkpoint_files, **kwargs)
        self.files = [file for file in checkpoint_files or () if os.path.isfile(file) and _ecf8.is_container(file)]
        where = {}
        for file in self.files:
            container = _ecf8.File(file)
            where |= {name: (file, container) for name in container.names() if container.is_compressed(name)}
            _HIDDEN[os.path.realpath(file)] = set()
        if not self.quantization_config.keep_compressed:
            return
        tied = getattr(model, "all_tied_weights_keys", None) or {}
        elsewhere = {*tied.keys(), *tied.values()}
        upcast = [part for part in model._get_dtype_plan(dtype)] if hasattr(model, "_get_dtype_plan") else []
        for prefix, module in model.named_modules():
            name = f"{prefix}.weight"
            if name not in where or name in elsewhere or any(part in name for part in upcast):
                continue
            file, container = where[name]
            weight = module._parameters.get("weight")
            if not isinstance(module, torch.nn.Linear) or weight is None or not self._serves(module, weight, container, name):
                continue
            # transformers neither looks for the weight nor initialises it, while the module has none.
            self.kept.append((module, name, weight))
            module._parameters["weight"] = None
            module._is_hf_initialized = True
            _HIDDEN[os.path.realpath(file)].add(name)

    def _serves(self, module, weight, container, name):
        """Whether a linear layer computes the same with the weight as it is in the file as with what transformers would load."""
        dtype = _dtypes.torch_dtype(container.dtype(name))
        if list(weight.shape) != container.shape(name):
            return False
        # A plain cast to FP8, which is loaded as `Linear8` converts it. With an inner quantiser there are scales beside it.
        if is_float8(dtype) and type(module) is torch.nn.Linear:
            return self.inner is None
        # Other quantisers than this one change weights after loading.
        return dtype == weight.dtype and (self.inner is None or _method(self.inner) == "fp8")

    def postprocess_model(self, model, **kwargs):
        for file in self.files:
            _HIDDEN.pop(os.path.realpath(file), None)
        for module, _, weight in self.kept:
            module._parameters["weight"] = weight
        for device, names in _by_device(model, [name for _, name, _ in self.kept]).items():
            ecf8.torch.attach(model, self.files, names={name: name for name in names}, device=device, strict=False)
        if not self.pre_quantized and not self.files:
            ecf8.torch.compress(model, dtypes=ecf8.torch.FLOATS)
        # From here on the model is what it was before it was compressed: also for saving, which writes dense weights.
        if self.inner is not None:
            model.hf_quantizer = self.inner
            self.inner.postprocess_model(model, **kwargs)
        else:
            self.remove_quantization_config(model)


def _hand_on(name, own):
    """A method or property that the inner quantiser answers, where there is one."""
    if isinstance(own, property):
        return property(lambda self: own.fget(self) if self.inner is None else getattr(self.inner, name))

    def method(self, *args, **kwargs):
        return own(self, *args, **kwargs) if self.inner is None else getattr(self.inner, name)(*args, **kwargs)

    return method


# All that transformers may ask a quantiser, today and in its next version.
for _name, _own in vars(HfQuantizer).items():
    if not _name.startswith("_") and _name not in vars(Ecf8HfQuantizer) and (callable(_own) or isinstance(_own, property)):
        setattr(Ecf8HfQuantizer, _name, _hand_on(_name, _own))


def _method(quantizer):
    method = quantizer.quantization_config.quant_method
    return getattr(method, "value", method)


def _by_device(model, names):
    places = getattr(model, "hf_device_map", None) or {}
    default = next((p.device for p in model.parameters() if p.device.type != "meta"), torch.device("cpu"))
    groups = {}
    for name in names:
        # The longest prefix of the name that the map has.
        prefixes = [prefix for prefix in places if name == prefix or name.startswith(prefix + ".")]
        device = places[max(prefixes, key=len)] if prefixes else default
        groups.setdefault(torch.device(device), []).append(name)
    return groups


class _Visible:
    """An open file without the weights that stay compressed."""

    def __init__(self, file, hidden):
        self._file, self._hidden = file, hidden

    def keys(self):
        return [name for name in self._file.keys() if name not in self._hidden]

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self._file.__exit__(*error)


def _open(filename, *args, **kwargs):
    file = ecf8.safe_open(filename, *args, **kwargs)
    hidden = _HIDDEN.get(os.path.realpath(filename))
    return _Visible(file, hidden) if hidden else file


# The one function through which transformers reads weights. Plain files are opened as before.
modeling_utils.safe_open = _open
