"""ecf8.torch: adapters learn the same on compressed weights."""

import contextlib
import copy

import pytest
from conftest import need

torch = need("torch")

import ecf8.torch as et  # noqa: E402
from models import TOKENS, Stack, fp8_llama, inputs, llama  # noqa: E402


def adapted(model):
    peft = need("peft")
    torch.manual_seed(1)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    return peft.get_peft_model(model, config)


def step(model, inside):
    model.train()
    model.zero_grad()
    with inside:
        loss = model(TOKENS, labels=TOKENS).loss
    loss.backward()
    return {"loss": loss.detach()} | {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(params=["bf16", "fp8"])
def pair(request):
    """The same adapters on a dense and on a compressed model."""
    need("transformers"), need("peft")
    dense = llama() if request.param == "bf16" else fp8_llama()
    model = copy.deepcopy(dense)
    et.compress(model, dtypes=et.FLOATS if request.param == "bf16" else (torch.float8_e4m3fn,))
    return adapted(dense), adapted(model)


def test_all_gradients_are_equal(pair):
    dense, model = pair
    expected = step(dense, contextlib.nullcontext())
    assert len(expected) == 19
    assert equal(step(model, et.training(model)), expected)


@pytest.mark.parametrize("reentrant", [False, True])
def test_all_gradients_are_equal_with_checkpointing(pair, reentrant):
    dense, model = pair
    for one in pair:
        one.enable_input_require_grads()
        one.gradient_checkpointing_enable({"use_reentrant": reentrant})
    expected = step(dense, contextlib.nullcontext())
    assert equal(step(model, et.training(model)), expected)
    assert equal(step(model, contextlib.nullcontext()), expected)


def test_without_training_gradients_are_equal_or_refused(pair):
    dense, model = pair
    expected = step(dense, contextlib.nullcontext())
    try:
        gradients = step(model, contextlib.nullcontext())
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)
    else:
        assert equal(gradients, expected)


def test_merging_is_refused(pair):
    with pytest.raises(et.CompressedWeightError):
        pair[1].merge_and_unload()


def test_a_checkpoint_around_several_layers_is_exact():
    from torch.utils.checkpoint import checkpoint

    def gradient(model, inside):
        x = inputs().requires_grad_()
        with inside:
            loss = checkpoint(model, x, use_reentrant=False).sum()
        loss.backward()
        return x.grad

    model = Stack()
    expected = gradient(model, contextlib.nullcontext())
    et.compress(model, dtypes=et.FLOATS)
    assert torch.equal(gradient(model, contextlib.nullcontext()), expected)
    assert torch.equal(gradient(model, et.training(model)), expected)


def test_an_adapter_is_saved_and_a_compressed_base_is_not(tmp_path):
    need("transformers"), need("peft")
    model = llama()
    et.compress(model, dtypes=et.FLOATS)
    adapted(model).save_pretrained(tmp_path)
    import safetensors.torch

    assert all("lora" in name for name in safetensors.torch.load_file(tmp_path / "adapter_model.safetensors"))
