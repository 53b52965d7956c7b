"""Programs that do not know ecf8 refuse a compressed folder, instead of running with random weights."""

import subprocess
import sys

import pytest
from conftest import need

torch = need("torch")

import ecf8  # noqa: E402
import ecf8.torch  # noqa: E402
from models import Stack, saved  # noqa: E402

PROGRAMS = {
    "transformers": "from transformers import AutoModelForCausalLM as M; M.from_pretrained({folder!r})",
    "diffusers": "from diffusers import UNet2DModel as M; M.from_pretrained({folder!r})",
}


@pytest.mark.parametrize("package", PROGRAMS)
def test_stock_loaders_refuse(package, tmp_path):
    module = need(package)
    if package == "transformers":
        saved(tmp_path / "plain")
    else:
        # Compressed are its convolutions.
        module.UNet2DModel(
            sample_size=8, block_out_channels=(64, 64), layers_per_block=1, norm_num_groups=8,
            down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
        ).to(torch.bfloat16).save_pretrained(tmp_path / "plain")  # fmt: skip
    ecf8.compress(tmp_path / "plain", tmp_path / "compressed")
    code = f"""
import sys
try:
    {PROGRAMS[package].format(folder=str(tmp_path / 'compressed'))}
except (RuntimeError, ValueError) as error:
    print('refused', type(error).__name__)
assert not any(name.partition('.')[0] == 'ecf8' for name in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.startswith("refused"), run.stdout + run.stderr[-2000:]


def test_load_state_dict_refuses_even_if_it_is_not_strict(tmp_path):
    from safetensors.torch import load_file

    ecf8.torch.save_file(Stack().state_dict(), tmp_path / "x.safetensors")
    with pytest.raises(RuntimeError, match="size mismatch"):
        Stack().load_state_dict(load_file(tmp_path / "x.safetensors"), strict=False)
