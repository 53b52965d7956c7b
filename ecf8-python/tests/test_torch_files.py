"""ecf8.torch: containers as dictionaries of tensors."""

import pytest
from conftest import need, same

torch = need("torch")

import ecf8.torch as et  # noqa: E402
from models import Stack  # noqa: E402


def test_what_is_saved_is_loaded_bit_for_bit_in_every_dtype(tmp_path):
    torch.manual_seed(0)
    tensors = {str(dtype): (torch.randn(130, 70) * 5).to(dtype) for dtype in et.BYTES if dtype is not torch.bool}
    tensors |= {"mask": torch.randn(9) > 0, "scalar": torch.tensor(2.5), "none": torch.empty(0, 3), "turned": torch.randn(40, 50).T}
    report = et.save_file(tensors, tmp_path / "x.safetensors", {"who": "test"})
    assert report.output_bytes < report.input_bytes
    loaded = et.load_file(tmp_path / "x.safetensors")
    assert loaded.keys() == tensors.keys()
    assert all(same(loaded[name], tensors[name]) for name in tensors)


def test_a_plain_file_is_loaded_as_safetensors_does(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.arange(5)}, tmp_path / "plain.safetensors")
    assert same(et.load_file(tmp_path / "plain.safetensors")["a"], torch.arange(5))


def test_a_model_is_loaded_and_what_does_not_fit_is_named(tmp_path):
    model = Stack(64)
    et.save_file(model.state_dict() | {"extra": torch.ones(3)}, tmp_path / "x.safetensors")
    other = Stack(64)
    torch.nn.init.zeros_(other.layers[0].up.weight)
    with pytest.raises(RuntimeError, match="extra"):
        et.load_model(other, tmp_path / "x.safetensors")
    missing, unexpected = et.load_model(other, tmp_path / "x.safetensors", strict=False)
    assert (missing, unexpected) == ([], ["extra"])
    assert torch.equal(other.layers[0].up.weight, model.layers[0].up.weight)


def test_a_tied_weight_need_not_be_in_the_file_twice(tmp_path):
    def tied():
        model = torch.nn.Sequential(torch.nn.Linear(64, 64, bias=False), torch.nn.Linear(64, 64, bias=False))
        model[1].weight = model[0].weight
        return model

    model, other = tied(), tied()
    et.save_file({"0.weight": model[0].weight}, tmp_path / "x.safetensors")
    assert et.load_model(other, tmp_path / "x.safetensors") == ([], [])
    assert torch.equal(other[1].weight, model[0].weight)
