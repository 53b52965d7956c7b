"""Compressed models in vLLM. It finds this module by itself (entry point `vllm.general_plugins`) in each of its processes.

- Containers are read like safetensors files, whatever the load format; `--load-format ecf8` says so.
- `quant_method: ecf8` in a model's config.json (`ecf8.transformers.prepare`), or `--quantization ecf8` for any model, keeps
  weights compressed in GPU memory. The model's own quantisation works as before: when it has brought a layer's weights into
  their final form, their bytes are encoded, sharded and fused as they are, and decoded into static buffers before each use.
"""

import copy

import ecf8

_is_registered = False


def register() -> None:
    """Tells vLLM. It calls this in each process, and more than once."""
    global _is_registered
    if _is_registered:
        return
    from vllm.model_executor.layers.quantization import register_quantization_config
    from vllm.model_executor.model_loader import register_model_loader, weight_utils

    register_quantization_config("ecf8")(_config_class())
    register_model_loader("ecf8")(_loader_class())
    # The function through which vLLM reads weights. Plain files are opened as before.
    weight_utils.safe_open = ecf8.safe_open
    _is_registered = True


def _loader_class():
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    class Ecf8ModelLoader(DefaultModelLoader):
        """Reads `.safetensors` files, containers and plain ones."""

        def __init__(self, load_config):
            # vLLM's own loader asks for the format's name, and knows its own only.
            load_config = copy.copy(load_config)
            load_config.load_format = "safetensors"
            super().__init__(load_config)

    return Ecf8ModelLoader


def _config_class():
    from vllm.model_executor.layers.linear import LinearBase, UnquantizedLinearMethod
    from vllm.model_executor.layers.quantization import get_quantization_config
    from vllm.model_executor.layers.quantization.base_config import QuantizationConfig

    class Ecf8Config(QuantizationConfig):
        """Keeps weights compressed around the quantisation `inner`, or around none."""

        def __init__(self, inner=None):
            self.inner = inner
            # All layers of a model decode into the same buffers.
            self.share = []
            super().__init__()

        # Models write to it which of their layers are fused, and the inner quantisation reads that.
        @property
        def packed_modules_mapping(self):
            return self._packed if self.inner is None else self.inner.packed_modules_mapping

        @packed_modules_mapping.setter
        def packed_modules_mapping(self, mapping):
            if self.inner is None:
                self._packed = mapping
            else:
                self.inner.packed_modules_mapping = mapping

        @classmethod
        def from_config(cls, config):
            # With `--quantization ecf8`, the model's own configuration is the inner one.
            inner = config.get("inner") if config.get("quant_method") == "ecf8" else config
            return cls(get_quantization_config(inner["quant_method"]).from_config(inner) if inner else None)

        @classmethod
        def override_quantization_method(cls, hf_quant_cfg, user_quant, hf_config=None):
            return "ecf8" if user_quant == "ecf8" else None

        def get_name(self):
            return "ecf8"

        def get_supported_act_dtypes(self):
            import torch

            return self.inner.get_supported_act_dtypes() if self.inner else [torch.bfloat16, torch.float16, torch.float32]

        @classmethod
        def get_min_capability(cls):
            return 70

        @staticmethod
        def get_config_filenames():
            return []

        def get_quant_method(self, layer, prefix):
            method = self.inner.get_quant_method(layer, prefix) if self.inner else None
            if method is None and isinstance(layer, LinearBase):
                method = UnquantizedLinearMethod()
            return method and _compressing(method, self.share)

    # Whatever else vLLM asks a configuration is the inner one's business.
    for name, own in vars(QuantizationConfig).items():
        if not name.startswith("_") and callable(own) and name not in vars(Ecf8Config):
            setattr(Ecf8Config, name, _hand_on(name, own))
    return Ecf8Config


def _hand_on(name, own):
    def method(self, *args, **kwargs):
        return own(self, *args, **kwargs) if self.inner is None else getattr(self.inner, name)(*args, **kwargs)

    return method


def _compressing(method, share):
    """The method, of a class of its own that compresses a layer's weights once they are in their final form. It stays an
    instance of its class, because vLLM asks for that in many places."""
    from vllm.model_executor.layers.linear import LinearMethodBase

    import ecf8.torch
    from ecf8.torch.hooks import require

    own = type(method)

    def process_weights_after_loading(self, layer):
        # Also when weights are loaded anew.
        ecf8.torch.decompress(layer)
        own.process_weights_after_loading(self, layer)
        try:
            ecf8.torch.compress(layer, dtypes=ecf8.torch.BYTES, group=lambda name: "", share=share)
        except ecf8.torch.NothingToCompress:
            pass

    def before(call):
        def apply(self, layer, *args, **kwargs):
            require(layer, args, kwargs)
            return call(self, layer, *args, **kwargs)

        return apply

    changed = {"process_weights_after_loading": process_weights_after_loading}
    # Experts are used without their module being called, so its guard does not run.
    if not isinstance(method, LinearMethodBase):
        changed |= {name: before(getattr(own, name)) for name in ("apply", "apply_monolithic", "embedding") if hasattr(own, name)}
    method.__class__ = type("Ecf8" + own.__name__, (own,), changed)
    return method
