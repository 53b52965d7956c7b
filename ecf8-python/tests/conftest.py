"""What several tests need: files with many dtypes and shapes, and their containers."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import ecf8

sys.path.insert(0, str(Path(__file__).parent))


def need(name: str):
    """A module, or a skip that shows; where ECF8_REQUIRE_TORCH is set, absent ones are failures."""
    if os.environ.get("ECF8_REQUIRE_TORCH") == "1":
        return __import__(name)
    return pytest.importorskip(name, reason=f"skipped: {name} is not installed")


@pytest.fixture(scope="session")
def torch():
    """torch, where it is installed."""
    return need("torch")


def numbers(*shape: int, scale: float = 0.02, seed: int = 0) -> np.ndarray:
    """Weights as they are after training, more or less."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


@pytest.fixture(scope="session")
def arrays() -> dict[str, np.ndarray]:
    """Arrays of dtypes that numpy has by itself."""
    return {
        "layers.0.weight": numbers(300, 257),
        "layers.1.weight": numbers(700, 300).astype(np.float16),
        "ids": np.arange(10),
        "mask": np.array([True, False, True]),
        "bytes": np.random.default_rng(1).binomial(20, 0.5, (400, 33)).astype(np.uint8),
        "scalar": np.array(3.5),
        "none": np.zeros((0, 7), np.float32),
    }


@pytest.fixture(scope="session")
def mixed(torch, tmp_path_factory) -> tuple[str, str]:
    """A plain file of torch with many dtypes and shapes, and its container."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("mixed")
    path, out = str(folder / "mixed.safetensors"), str(folder / "mixed.ecf8.safetensors")
    torch.manual_seed(0)
    f8 = torch.float8_e4m3fn
    tensors = {
        "a.weight": (torch.randn(300, 257) * 0.02).to(f8),
        "b.weight": (torch.randn(64, 3, 5, 5) * 0.05).to(f8),
        "big.weight": (torch.randn(1500, 1100) * torch.linspace(0.01, 1, 1500)[:, None]).to(f8),
        "half": (torch.randn(700, 512) * 0.02).to(torch.bfloat16),
        "e5m2": torch.randn(200, 200).to(torch.float8_e5m2),
        "f16": torch.randn(300, 300).half(),
        "f32": torch.randn(300, 301),
        "c64": torch.randn(40, 30, dtype=torch.complex64),
        "one": torch.randn(1).to(f8),
        "none": torch.empty(0, 7).to(f8),
        "scalar": torch.tensor(3.5),
        "c.bias": torch.randn(33).to(torch.bfloat16),
        "ids": torch.arange(10),
        "mask": torch.tensor([True, False]),
    }
    save_file(tensors, path, metadata={"format": "pt", "who": "tests"})
    ecf8.compress(path, out)
    return path, out


@pytest.fixture(scope="session")
def container(arrays, tmp_path_factory) -> str:
    """A container of `arrays`, made without torch."""
    path = tmp_path_factory.mktemp("arrays") / "arrays.safetensors"
    import ecf8.numpy

    ecf8.numpy.save_file(arrays, path, {"who": "tests"})
    return str(path)


def same(a, b) -> bool:
    """Whether two tensors of torch have the same dtype, shape and bytes."""
    import torch

    bits = lambda t: t.contiguous().reshape(-1).view(torch.uint8)  # noqa: E731
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))
