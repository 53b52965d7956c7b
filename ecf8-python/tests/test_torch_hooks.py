"""ecf8.torch: weights that stay compressed and are decoded before use."""

import copy
import weakref

import pytest
from conftest import need, same

torch = need("torch")

import ecf8.torch as et  # noqa: E402
from models import F8, TOKENS, Stack, fp8_llama, inputs, llama, logits  # noqa: E402


@pytest.mark.parametrize("tie", [False, True])
def test_a_model_computes_and_generates_the_same(tie):
    need("transformers")
    dense = fp8_llama(tie)
    expected, model = logits(dense), copy.deepcopy(dense)
    handle = et.compress(model)
    assert torch.equal(logits(model), expected) and torch.equal(logits(model), expected)
    how = dict(max_new_tokens=6, do_sample=False, pad_token_id=0)
    assert torch.equal(model.generate(TOKENS, **how), dense.generate(TOKENS, **how))
    largest = max(sum(p.nbytes for p in layer.parameters() if p.dtype == F8) for layer in dense.model.layers)
    assert largest <= handle.buffer_bytes <= 1.02 * largest
    assert handle.bytes < 0.8 * handle.dense_bytes
    assert handle.dense_bytes == sum(p.nbytes for p in dense.parameters() if p.dtype == F8)


def test_a_tied_weight_is_compressed_once_and_stays_tied():
    need("transformers")
    model = llama(tie=True)
    expected = logits(model)
    handle = et.compress(model, dtypes=(torch.bfloat16,))
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert handle.layers.count("model.embed_tokens") == 1 and "lm_head" not in handle.layers
    assert torch.equal(logits(model), expected)
    state = model.state_dict()
    assert state["lm_head.weight"].data_ptr() == state["model.embed_tokens.weight"].data_ptr()
    et.decompress(model)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert torch.equal(logits(model), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, F8, torch.float8_e5m2])
def test_every_float_dtype_is_exact(dtype):
    model = Stack(dtype=torch.float32)
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight = torch.nn.Parameter((module.weight.data * 0.3).to(dtype), requires_grad=False)
            if dtype.itemsize == 1:
                module.__class__ = et.Linear8
            else:
                module.to(dtype)
    x = inputs(dtype=torch.float32 if dtype.itemsize == 1 else dtype)
    with torch.no_grad():
        expected = model(x)
        handle = et.compress(model, dtypes=(dtype,))
        assert handle.bytes < handle.dense_bytes
        assert torch.equal(model(x), expected)


def test_a_layer_is_decoded_once_for_each_call():
    model = Stack()
    handle = et.compress(model, dtypes=et.FLOATS)
    for _ in range(3):
        before = handle.decodes
        with torch.no_grad():
            model(inputs())
        assert handle.decodes - before == 4
    assert handle.stats()["decodes"] == handle.decodes


def test_a_replayed_graph_is_never_taken_for_what_was_decoded_before(monkeypatch):
    model = Stack()
    x = inputs()
    with torch.no_grad():
        expected = [layer(x) for layer in model.layers]
        handle = et.compress(model, dtypes=et.FLOATS)
        last = handle.groups[-1]

        def replay():
            """What a graph does that was captured of the whole model: in the end its last layer is in the buffer."""
            handle._decoder.decode(3, handle.slot(last).buffer.numpy())

        monkeypatch.setattr(handle, "_is_capturing", lambda: True)
        for _ in range(2):
            # Each capture decodes all that it needs, also what the one before ended with, and each layer once.
            before = handle.decodes
            model.layers[3](x), model.layers[0](x), model.layers[3](x)
            assert handle.decodes - before == 3
        monkeypatch.undo()
        for at in (0, 3, 1, 1):
            before = handle.decodes
            assert torch.equal(model.layers[at](x), expected[at])
            assert handle.decodes - before == 1
            up = model.layers[at].up(x)
            replay()
            assert torch.equal(model.layers[at].up(x), up)
            replay()
        with pytest.raises(RuntimeError):
            model.layers[1](torch.randn(3, 5).to(x.dtype))
        replay()
        # A block that has failed is no longer taken to be running.
        assert torch.equal(model.layers[1].up(x), up)


def test_parts_of_blocks_in_any_order_have_their_own_weights():
    model = Stack()
    x = inputs()
    with torch.no_grad():
        expected = [layer.up(x) for layer in model.layers]
        et.compress(model, dtypes=et.FLOATS)
        model(x)
        for at in (1, 0, 2, 2, 3, 1):
            assert torch.equal(model.layers[at].up(x), expected[at])


def test_a_weight_used_without_its_module_is_its_own():
    model = Stack()
    weights = [layer.up.weight.detach().clone() for layer in model.layers]
    et.compress(model, dtypes=et.FLOATS)
    now = [layer.up.weight for layer in model.layers]
    x = inputs()
    for at in (3, 0, 1):
        assert torch.equal(torch.nn.functional.linear(x, now[at]), torch.nn.functional.linear(x, weights[at]))
        assert now[at].float().sum() == weights[at].float().sum()
    # Views are decoded when they are used, and numpy gets a copy.
    views = [w.T[3:] for w in now]
    first = now[0].detach().view(torch.int16).numpy()
    assert all(torch.equal(view, weight.T[3:]) for view, weight in zip(views, weights, strict=True))
    assert (first == weights[0].view(torch.int16).numpy()).all()


def test_asking_for_the_form_of_weights_decodes_nothing():
    model = Stack()
    handle = et.compress(model, dtypes=et.FLOATS)
    before = handle.decodes
    assert sum(p.numel() for p in model.parameters()) and {p.dtype for p in model.parameters()} and {p.device for p in model.parameters()}
    assert all(p.shape and not p.requires_grad for p in model.parameters() if p.dim() == 2)
    assert handle.decodes == before


def test_two_models_do_not_mix_even_in_the_same_buffer():
    one, other = Stack(), Stack()
    with torch.no_grad():
        for p in other.parameters():
            p.neg_()
        x = inputs()
        expected = one(x), other(x)
        share = []
        et.compress(one, dtypes=et.FLOATS, share=share), et.compress(other, dtypes=et.FLOATS, share=share)
        assert len(share) == 1
        for _ in range(2):
            assert torch.equal(one(x), expected[0]) and torch.equal(other(x), expected[1])


def test_two_buffers_are_used_in_turn():
    model = Stack()
    x = inputs()
    with torch.no_grad():
        expected = model(x)
        handle = et.compress(model, dtypes=et.FLOATS, buffers=2)
        assert torch.equal(model(x), expected) and torch.equal(model(x), expected)
    assert len({layer.up.weight.data_ptr() for layer in model.layers}) == 2
    assert handle.buffer_bytes == 2 * max(group.bytes for group in handle.groups)
    with pytest.raises(ValueError):
        et.compress(Stack(), dtypes=et.FLOATS, buffers=3)


def test_a_weight_keeps_the_order_of_its_bytes_in_memory():
    model = Stack()
    for layer in model.layers:
        layer.up.weight = torch.nn.Parameter(layer.up.weight.data.T.contiguous().T, requires_grad=False)
    strides = model.layers[0].up.weight.stride()
    with torch.no_grad():
        expected = model(inputs())
        et.compress(model, dtypes=et.FLOATS)
        assert model.layers[0].up.weight.stride() == strides == (1, 384)
        assert torch.equal(model(inputs()), expected)


def test_what_does_not_get_smaller_and_small_layers_stay_dense():
    model = Stack()
    random = torch.randint(0, 2**16, (384, 192), dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    model.layers[0].up.weight = torch.nn.Parameter(random, requires_grad=False)
    et.compress(model, dtypes=et.FLOATS)
    assert type(model.layers[0].up.weight) is torch.nn.Parameter
    assert type(model.layers[0].down.weight) is et.CompressedParameter
    with pytest.raises(et.NothingToCompress):
        et.compress(Stack(), dtypes=et.FLOATS, threshold=1 << 30)


def test_a_state_dict_is_dense_and_exact():
    model = Stack()
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    et.compress(model, dtypes=et.FLOATS)
    with torch.no_grad():
        model(inputs())
    state = model.state_dict()
    assert state.keys() == expected.keys() and all(same(state[k], expected[k]) for k in expected)
    assert all(same(tensor, expected[f"layers.2.{k}"]) for k, tensor in model.layers[2].state_dict().items())


def test_it_can_be_undone():
    model = Stack()
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    needs_grad = [p.requires_grad for p in model.parameters()]
    handle = et.compress(model, dtypes=et.FLOATS)
    assert et.handle_of(model) is handle
    kept = weakref.ref(handle)
    del handle
    assert et.decompress(model) is model
    assert et.handle_of(model) is None and kept() is None, "and with it what it has on a GPU"
    assert all(type(p) is torch.nn.Parameter for p in model.parameters())
    assert [p.requires_grad for p in model.parameters()] == needs_grad
    assert all(same(tensor, expected[k]) for k, tensor in model.state_dict().items())
    assert not any(m._forward_pre_hooks or "_apply" in m.__dict__ for m in model.modules())
    model.layers[0].up.weight.data = torch.zeros(384, 192)


def test_a_model_that_cannot_be_encoded_is_as_it_was(monkeypatch):
    from ecf8 import _ecf8

    model = Stack()
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    encode, calls = _ecf8.encode_all, []

    def failing(*args, **options):
        calls.append(args)
        if len(calls) == 4:
            raise MemoryError
        return encode(*args, **options)

    monkeypatch.setattr("ecf8.torch.shrink._ecf8.encode_all", failing)
    with pytest.raises(MemoryError):
        et.compress(model, dtypes=et.FLOATS)
    assert all(same(tensor, expected[k]) for k, tensor in model.state_dict().items())
