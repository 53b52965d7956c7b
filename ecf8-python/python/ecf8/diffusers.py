"""Compressed folders in diffusers: `import ecf8.diffusers` once, then `….from_pretrained(folder)` as ever.

Containers are read like safetensors files. A model whose folder was prepared (`ecf8.diffusers.prepare`), or which is loaded
with `quantization_config=ecf8.diffusers.Ecf8Config()`, also keeps its weights compressed in memory.
"""

from diffusers.configuration_utils import FrozenDict
from diffusers.quantizers import DiffusersQuantizer
from diffusers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING, AUTO_QUANTIZER_MAPPING
from diffusers.quantizers.quantization_config import QuantizationConfigMixin

import ecf8
import ecf8.torch

from ._prepare import METHOD, prepare

__all__ = ["Ecf8Config", "Ecf8DiffusersQuantizer", "prepare"]


class _Method(str):
    """The method's name as diffusers has its own: text that also has a `value`."""

    value = property(str)


class Ecf8Config(QuantizationConfigMixin):
    """With `keep_compressed` weights stay compressed in memory. `original_config` is the text of config.json before `prepare`."""

    def __init__(self, keep_compressed: bool = True, original_config: str | None = None, inner: dict | None = None, **_):
        if inner:
            raise ValueError(f"ecf8 cannot load a diffusers model that is quantised by {inner.get('quant_method')}; decompress the folder")
        self.quant_method = _Method(METHOD)
        self.keep_compressed = keep_compressed
        self.original_config = original_config

    def to_diff_dict(self):
        # Left out by diffusers' own base class, whose `repr` needs it.
        return self.to_dict()


class Ecf8DiffusersQuantizer(DiffusersQuantizer):
    """Compresses the weights of a model when it has been loaded."""

    is_serializable = is_trainable = property(lambda self: True)

    def _process_model_before_weight_loading(self, model, **kwargs):
        return model

    def _process_model_after_weight_loading(self, model, **kwargs):
        # Weights that are saved are dense, so the configuration is what it was before.
        model._internal_dict = FrozenDict({k: v for k, v in model._internal_dict.items() if k != "quantization_config"})
        if self.quantization_config.keep_compressed:
            ecf8.torch.compress(model, dtypes=ecf8.torch.FLOATS)
        return model


# diffusers has no function to register a quantiser by.
AUTO_QUANTIZER_MAPPING[METHOD] = Ecf8DiffusersQuantizer
AUTO_QUANTIZATION_CONFIG_MAPPING[METHOD] = Ecf8Config
# Reading goes through several functions of safetensors.
ecf8.patch()
