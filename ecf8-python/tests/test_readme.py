"""The package's page: what it shows for numpy, safetensors and whole files runs as it stands there."""

import re
from pathlib import Path

from conftest import numbers
from safetensors.numpy import save_file

PAGE = Path(__file__).parent.parent / "README.md"


def test_the_pages_first_sections_run(tmp_path, monkeypatch, capsys):
    page = PAGE.read_text().split("## transformers")[0]
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    save_file({"weight": numbers(512, 300)}, "model.safetensors")
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert names["rows"].shape == (100, 512) and names["tensors"].keys() == {"weight"}
    assert Path("restored.safetensors").read_bytes() == Path("model.safetensors").read_bytes()
