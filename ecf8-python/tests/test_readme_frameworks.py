"""What the page shows for frameworks runs."""

import re
from pathlib import Path

import pytest
from conftest import need

torch = need("torch")

from models import saved, unpatched_after  # noqa: E402

PAGE = (Path(__file__).parent.parent / "README.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)$.*?```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
NEEDS = {"transformers": ["transformers"], "PEFT": ["transformers", "peft"], "diffusers": ["diffusers"], "Ray": ["ray"], "PyTorch": []}


@pytest.mark.parametrize("section", NEEDS)
def test_runs(section, tmp_path, monkeypatch):
    for package in NEEDS[section]:
        need(package)
    code = next(code for title, code in SECTIONS.items() if title.startswith(section))
    monkeypatch.chdir(tmp_path)
    if section == "diffusers":
        import diffusers

        diffusers.UNet2DModel(
            sample_size=8, block_out_channels=(64, 64), layers_per_block=1, norm_num_groups=8,
            down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
        ).to(torch.bfloat16).save_pretrained("unet")  # fmt: skip
    elif section != "PyTorch":
        need("transformers")
        saved("model")
    with unpatched_after():
        if section == "diffusers":
            __import__("ecf8").patch()
        exec(compile(code, f"README: {section}", "exec"), {})
    if section == "Ray":
        import ray

        ray.shutdown()
