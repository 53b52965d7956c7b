"""The package's page: what it shows for numpy, safetensors and whole files runs as it stands there."""

import re
from pathlib import Path

import ecf8
from conftest import numbers
from safetensors.numpy import load_file, save_file

PAGE = Path(__file__).parent.parent / "README.md"


def test_the_pages_first_sections_run(tmp_path, monkeypatch, capsys):
    page = PAGE.read_text().split("## transformers")[0]
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    save_file({"weight": numbers(512, 300)}, "model.safetensors")
    save_file({"weight": numbers(512, 300), "other": numbers(300, 512)[::-1].copy()}, "two.safetensors")
    ecf8.compress("two.safetensors", "damaged.safetensors")
    damaged = bytearray(Path("damaged.safetensors").read_bytes())
    damaged[len(damaged) // 4] ^= 1
    Path("damaged.safetensors").write_bytes(damaged)
    save_file({"weight": numbers(512, 300)}, "step-1.safetensors")
    save_file({"weight": numbers(512, 300) * 1.001}, "step-2.safetensors")
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert names["rows"].shape == (100, 512) and names["tensors"].keys() == {"weight"}
    assert len(load_file("saved.safetensors")) == 1, "one of two tensors is good"
    assert Path("again.safetensors").read_bytes() == Path("step-2.safetensors").read_bytes()
    assert Path("restored.safetensors").read_bytes() == Path("model.safetensors").read_bytes()
