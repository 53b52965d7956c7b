"""Compressed models in SGLang. It finds this module by itself (entry point `sglang.srt.plugins`).

**Not run here**: written to SGLang's documented doors, and to its source of spring 2026. Containers are read like safetensors files.
A `quant_method: ecf8` in a model's config.json (`ecf8.transformers.prepare`) is replaced by the model's own quantisation, so
weights are decoded while they are loaded; they do not stay compressed.
"""

import ecf8

_is_registered = False


def register() -> None:
    """Tells SGLang. It may call this more than once."""
    global _is_registered
    if _is_registered:
        return
    from sglang.srt.layers import quantization
    from sglang.srt.model_loader import weight_utils

    # The function through which SGLang reads weights, if this version has it there.
    if hasattr(weight_utils, "safe_open"):
        weight_utils.safe_open = ecf8.safe_open
    ecf8.patch()
    quantization.QUANTIZATION_METHODS["ecf8"] = _config_class()
    _is_registered = True


def _config_class():
    from sglang.srt.layers.quantization import get_quantization_config
    from sglang.srt.layers.quantization.base_config import QuantizationConfig

    class Ecf8Config(QuantizationConfig):
        """The model's own quantisation, or none."""

        @classmethod
        def from_config(cls, config):
            inner = config.get("inner")
            return get_quantization_config(inner["quant_method"]).from_config(inner) if inner else cls()

        @classmethod
        def get_name(cls):
            return "ecf8"

        @classmethod
        def get_supported_act_dtypes(cls):
            import torch

            return [torch.bfloat16, torch.float16]

        @classmethod
        def get_min_capability(cls):
            return 70

        @staticmethod
        def get_config_filenames():
            return []

        def get_quant_method(self, layer, prefix):
            from sglang.srt.layers.linear import LinearBase
            from sglang.srt.layers.quantization.unquant import UnquantizedLinearMethod

            return UnquantizedLinearMethod() if isinstance(layer, LinearBase) else None

        def get_scaled_act_names(self):
            return []

    return Ecf8Config
