"""ecf8.diffusers: diffusion models from compressed folders."""

import json

import pytest
from conftest import need

torch = need("torch")
diffusers = need("diffusers")

import ecf8  # noqa: E402
import ecf8.torch as et  # noqa: E402
from models import F8, to_linear8, unpatched_after  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def _patched():
    with unpatched_after():
        import ecf8.diffusers  # noqa: F401

        # Another test may have imported it before, and undone what that did.
        ecf8.patch()
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """FLUX of two and two blocks, plainly cast to FP8, and its compressed folder beside it."""
    from safetensors.torch import load_file, save_file

    folder = str(tmp_path_factory.mktemp("flux") / "plain")
    torch.manual_seed(0)
    diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=32, num_attention_heads=4,
        joint_attention_dim=64, pooled_projection_dim=32, axes_dims_rope=(8, 12, 12),
    ).to(torch.bfloat16).save_pretrained(folder)  # fmt: skip
    path = folder + "/diffusion_pytorch_model.safetensors"
    cast = {k: t.to(F8) if "transformer_blocks" in k and t.dim() == 2 else t for k, t in load_file(path).items()}
    save_file(cast, path, metadata={"format": "pt"})
    ecf8.compress(folder, folder + "-ecf8")
    return folder


def load(folder, **options):
    return diffusers.FluxTransformer2DModel.from_pretrained(folder, torch_dtype=torch.bfloat16, **options)


@torch.no_grad()
def run(model):
    torch.manual_seed(1)
    b = torch.bfloat16
    return model(
        hidden_states=torch.randn(1, 16, 16, dtype=b),
        encoder_hidden_states=torch.randn(1, 8, 64, dtype=b),
        pooled_projections=torch.randn(1, 32, dtype=b),
        timestep=torch.tensor([0.5], dtype=b),
        img_ids=torch.zeros(16, 3),
        txt_ids=torch.zeros(8, 3),
    ).sample


def test_a_container_is_read_like_a_plain_file(folder):
    assert torch.equal(run(load(folder + "-ecf8")), run(load(folder)))


def test_weights_stay_compressed_exactly(folder):
    expected = run(load(folder))
    model = to_linear8(load(folder + "-ecf8"), "transformer_blocks")
    handle = et.compress(model)
    assert torch.equal(run(model), expected) and torch.equal(run(model), expected)
    assert handle.bytes < 0.8 * handle.dense_bytes


@pytest.mark.parametrize("is_prepared", [False, True])
def test_a_quantiser_compresses_what_has_been_loaded(folder, is_prepared, tmp_path):
    expected = run(load(folder))
    if is_prepared:
        ecf8.compress(folder, tmp_path / "x")
        ecf8.diffusers.prepare(tmp_path / "x")
        model = load(tmp_path / "x")
    else:
        model = load(folder + "-ecf8", quantization_config=ecf8.diffusers.Ecf8Config())
    assert et.handle_of(model) is not None
    assert torch.equal(run(model), expected)
    model.save_pretrained(tmp_path / "saved")
    assert not json.load(open(tmp_path / "saved" / "config.json")).get("quantization_config")
    assert torch.equal(run(load(tmp_path / "saved")), expected)
