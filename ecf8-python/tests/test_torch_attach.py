"""ecf8.torch.attach: a model's weights from a container, never dense."""

import pytest
from conftest import need, same

torch = need("torch")

import ecf8  # noqa: E402
import ecf8.torch as et  # noqa: E402
from models import F8, Stack, inputs  # noqa: E402


@pytest.fixture
def container(tmp_path):
    et.save_file(Stack().state_dict(), tmp_path / "x.safetensors")
    return tmp_path / "x.safetensors"


@torch.no_grad()
def test_a_model_on_meta_computes_what_the_file_says(container):
    with torch.device("meta"):
        model = Stack()
    handle = et.attach(model, container)
    assert torch.equal(model(inputs()), Stack()(inputs()))
    assert len(handle.layers) == 4 and not any(p.is_meta for p in model.parameters())
    expected = Stack().state_dict()
    assert all(same(tensor, expected[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(et.decompress(model)(inputs()), Stack()(inputs()))


@torch.no_grad()
def test_a_folder_of_shards_is_one_handle_with_one_buffer(tmp_path):
    state = Stack().state_dict()
    for at in range(2):
        part = {name: tensor for name, tensor in state.items() if int(name.split(".")[1]) % 2 == at}
        et.save_file(part, tmp_path / f"model-{at}.safetensors")
    with torch.device("meta"):
        model = Stack()
    handle = et.attach(model, tmp_path)
    assert et.handle_of(model) is handle and handle.buffer_bytes == max(group.bytes for group in handle.groups)
    assert torch.equal(model(inputs()), Stack()(inputs()))


@torch.no_grad()
def test_an_fp8_weight_of_a_linear_layer_computes_in_the_dtype_of_its_input(tmp_path):
    state = {name: tensor.to(F8) if "weight" in name else tensor for name, tensor in Stack().state_dict().items()}
    et.save_file(state, tmp_path / "x.safetensors")
    dense = Stack()
    dense.load_state_dict(state)
    model = Stack()
    et.attach(model, tmp_path / "x.safetensors")
    assert type(model.layers[0].up) is et.Linear8
    assert torch.equal(model(inputs()), dense(inputs()))


@torch.no_grad()
def test_a_tied_weight_is_in_the_file_under_one_name(tmp_path):
    def tied():
        torch.manual_seed(0)
        model = torch.nn.ModuleDict({"embed": torch.nn.Embedding(512, 128), "head": torch.nn.Linear(128, 512, bias=False)})
        model["head"].weight = model["embed"].weight
        return model.to(torch.bfloat16)

    state = {"embed.weight": tied()["embed"].weight}
    et.save_file(state, tmp_path / "x.safetensors")
    with torch.device("meta"):
        model = tied()
    et.attach(model, tmp_path / "x.safetensors")
    assert model["head"].weight is model["embed"].weight
    assert torch.equal(model["head"](model["embed"](torch.arange(9))), tied()["head"](tied()["embed"](torch.arange(9))))


def test_what_does_not_fit_is_named_and_other_names_are_mapped(container, tmp_path):
    with pytest.raises(RuntimeError, match=r"layers\.0\.down\.bias"):
        et.attach(Stack(64), container)
    et.save_file({"x." + name: tensor for name, tensor in Stack().state_dict().items()}, tmp_path / "y.safetensors")
    with pytest.raises(RuntimeError, match=r"missing .*layers\.0\.down\.bias.* too many .*x\.layers"):
        et.attach(Stack(), tmp_path / "y.safetensors")
    model = Stack()
    et.attach(model, tmp_path / "y.safetensors", names=lambda name: name.removeprefix("x."))
    with torch.no_grad():
        assert torch.equal(model(inputs()), Stack()(inputs()))


def test_damage_is_an_error_when_the_layer_is_decoded_and_never_wrong_weights(container):
    model = Stack()
    data = bytearray(container.read_bytes())
    data[len(data) // 2] ^= 1
    container.write_bytes(data)
    with torch.no_grad(), pytest.raises(ecf8.Error):
        et.attach(model, container)
        model(inputs())
