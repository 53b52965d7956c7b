"""ecf8.torch: compressed weights cannot be changed, and nothing that tries is silently lost."""

import copy
import pickle

import pytest
from conftest import need

torch = need("torch")

import ecf8.torch as et  # noqa: E402
from models import Stack, inputs  # noqa: E402

CHANGES = {
    "data =": lambda w: setattr(w, "data", torch.zeros_like(w)),
    "data +=": lambda w: w.data.__iadd__(1),
    "data.copy_": lambda w: w.data.copy_(torch.zeros(w.shape)),
    "add_": lambda w: w.add_(1),
    "row = ": lambda w: w.__setitem__(0, 1),
    "row of a view": lambda w: w.detach()[0].zero_(),
    "out=": lambda w: torch.neg(torch.zeros(w.shape, dtype=w.dtype), out=w),
    "init": torch.nn.init.zeros_,
    "relu inplace": lambda w: torch.nn.functional.relu(w, inplace=True),
    "foreach": lambda w: torch._foreach_mul_([torch.ones(2), w], 2),
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
}


@pytest.mark.parametrize("change", CHANGES)
def test_is_refused_with_the_weights_name(change):
    model = Stack()
    with torch.no_grad():
        expected = model(inputs())
        et.compress(model, dtypes=et.FLOATS)
        for ran_before in (False, True):
            with pytest.raises(et.CompressedWeightError, match=r"layers\.0\.up\.weight"):
                CHANGES[change](model.layers[0].up.weight)
            assert torch.equal(model(inputs()), expected), ran_before


def test_other_tensors_may_be_changed_with_a_weight():
    model = Stack()
    weight = model.layers[0].up.weight.detach().clone()
    et.compress(model, dtypes=et.FLOATS)
    x = torch.zeros_like(weight)
    x.add_(model.layers[0].up.weight)
    assert torch.equal(x, weight)


def test_a_change_of_dtype_leaves_compressed_weights_as_they_are():
    model = Stack()
    with torch.no_grad():
        expected = model(inputs())
        et.compress(model, dtypes=et.FLOATS)
        model.to(torch.float32).double().to(torch.bfloat16)
        assert torch.equal(model(inputs()), expected)
    with pytest.raises(et.CompressedWeightError):
        model.to("meta")


def test_loading_into_compressed_weights_is_an_error_and_replacing_one_works():
    model = Stack()
    state = {name: torch.zeros_like(tensor) for name, tensor in model.state_dict().items()}
    et.compress(model, dtypes=et.FLOATS)
    with pytest.raises(RuntimeError, match="compressed"):
        model.load_state_dict(state)
    model.layers[0].up.weight = torch.nn.Parameter(torch.zeros(384, 192, dtype=torch.bfloat16))
    assert not model.layers[0].up.weight.any()
    et.decompress(model)
    assert not model.layers[0].up.weight.any()


def test_an_optimizer_cannot_step():
    model = Stack()
    et.compress(model, dtypes=et.FLOATS)
    weight = model.layers[0].up.weight
    weight.requires_grad_(True)
    optimizer = torch.optim.SGD([weight], lr=1)
    weight.grad = torch.ones_like(weight)
    with pytest.raises(et.CompressedWeightError):
        optimizer.step()
