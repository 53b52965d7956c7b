"""ecf8.vllm, with vLLM's Python files alone: on a CPU, without an engine."""

import importlib.util
import os

import pytest
from conftest import need, same

torch = need("torch")
if importlib.util.find_spec("vllm") is None:
    pytest.skip("skipped: vllm is not installed", allow_module_level=True)

os.environ.update(VLLM_LOGGING_LEVEL="ERROR", VLLM_PLUGINS="ecf8")
import vllm.platforms  # noqa: E402
from vllm.platforms.cpu import CpuPlatform  # noqa: E402

import ecf8  # noqa: E402
import ecf8.torch as et  # noqa: E402
import ecf8.vllm  # noqa: E402
from models import saved  # noqa: E402

if not torch.cuda.is_available():
    vllm.platforms._current_platform = CpuPlatform()


@pytest.fixture(scope="module", autouse=True)
def _registered():
    ecf8.vllm.register(), ecf8.vllm.register()


def test_the_loader_gives_what_the_plain_file_has(tmp_path):
    from safetensors.torch import load_file
    from vllm.config.load import LoadConfig
    from vllm.model_executor.model_loader import get_model_loader
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    folder = saved(tmp_path / "plain", "block")
    ecf8.compress(folder, folder + "-ecf8")
    loader = get_model_loader(LoadConfig(load_format="ecf8"))
    given = dict(loader._get_weights_iterator(DefaultModelLoader.Source(folder + "-ecf8", None)))
    expected = load_file(folder + "/model.safetensors")
    assert given.keys() == expected.keys() and all(same(given[name], expected[name]) for name in expected)


def test_the_configuration_wraps_any_other():
    from vllm.model_executor.layers.quantization import get_quantization_config

    inner = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
    ours = get_quantization_config("ecf8")
    for config in ({"quant_method": "ecf8", "inner": inner}, inner):
        one = ours.from_config(config)
        assert type(one.inner).__name__ == "Fp8Config"
        one.packed_modules_mapping = {"qkv_proj": ["q_proj"]}
        assert one.inner.packed_modules_mapping == {"qkv_proj": ["q_proj"]}
    assert ours.from_config({"quant_method": "ecf8"}).inner is None
    assert ours.override_quantization_method(inner, "ecf8") == "ecf8"


@torch.no_grad()
def test_linear_layers_compute_the_same_from_compressed_weights(tmp_path):
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.distributed import init_distributed_environment, initialize_model_parallel
    from vllm.model_executor.layers.linear import ReplicatedLinear
    from vllm.model_executor.layers.quantization import get_quantization_config

    config = get_quantization_config("ecf8").from_config({"quant_method": "ecf8"})
    with set_current_vllm_config(VllmConfig()):
        init_distributed_environment(1, 0, f"file://{tmp_path}/init", 0, "gloo")
        initialize_model_parallel()
        layers = [ReplicatedLinear(256, width, bias=False, params_dtype=torch.bfloat16, quant_config=config) for width in (512, 256)]
        for layer in layers:
            layer.weight.data.normal_(0, 0.02)
        x = torch.randn(3, 256).to(torch.bfloat16)
        expected = [torch.nn.functional.linear(x, layer.weight.data) for layer in layers]
        for layer in layers:
            layer.quant_method.process_weights_after_loading(layer)
        assert all(isinstance(layer.weight, et.CompressedParameter) for layer in layers) and len(config.share) == 1
        for at in (0, 1, 1, 0):
            result = layers[at](x)
            assert torch.equal(result[0] if isinstance(result, tuple) else result, expected[at])
