"""ecf8.torch: compiled graphs decode each layer when it is its turn."""

import shutil

import pytest
from conftest import need

torch = need("torch")

import ecf8.torch as et  # noqa: E402
from models import Stack, fp8_llama, inputs, logits  # noqa: E402


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_whole_model_is_one_graph_and_exact(backend):
    need("transformers")
    model = fp8_llama()
    expected = logits(model)
    handle = et.compress(model)
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    assert torch.equal(logits(compiled), expected)
    before = handle.decodes
    assert torch.equal(logits(compiled), expected)
    assert handle.decodes - before == 3


@pytest.mark.skipif(not shutil.which("c++"), reason="skipped: no C++ compiler for inductor")
def test_inductor_reads_no_weight_before_its_layer_is_decoded():
    @torch.library.custom_op("ecf8_tests::nothing", mutates_args=("x",))
    def nothing(x: torch.Tensor) -> None:
        pass

    nothing.register_fake(lambda x: None)
    # A dense model with an operator of its own per layer, because without one other things are fused and rounded otherwise.
    dense = Stack()
    for layer in dense.layers:
        layer.register_forward_pre_hook(lambda module, args: nothing(args[0]))
    model = Stack()
    handle = et.compress(model, dtypes=et.FLOATS)
    with torch.no_grad():
        expected = torch.compile(dense, fullgraph=True)(inputs())
        compiled = torch.compile(model, fullgraph=True)
        for _ in range(2):
            before = handle.decodes
            assert torch.equal(compiled(inputs()), expected)
            assert handle.decodes - before == 4


def test_a_part_that_is_compiled_alone_has_its_own_weights():
    model = Stack()
    with torch.no_grad():
        expected = [layer.up(inputs()) for layer in model.layers]
        et.compress(model, dtypes=et.FLOATS)
        compiled = [torch.compile(layer.up, backend="eager", fullgraph=True) for layer in model.layers]
        for at in (2, 0, 3, 3, 1, 0):
            assert torch.equal(compiled[at](inputs()), expected[at])


def test_one_graph_serves_all_blocks():
    model = Stack()
    counter = torch._dynamo.testing.CompileCounter()
    with torch.no_grad():
        expected = model(inputs())
        et.compress(model, dtypes=et.FLOATS)
        for layer in model.layers:
            layer.compile(backend=counter, fullgraph=True)
        assert torch.equal(model(inputs()), expected)
        frames = counter.frame_count
        assert frames <= 3
        assert torch.equal(model(inputs()), expected) and counter.frame_count == frames


def test_gradients_are_not_compiled_silently():
    model = Stack()
    et.compress(model, dtypes=et.FLOATS)
    x = inputs().requires_grad_()
    with pytest.raises(Exception, match="ecf8"):
        torch.compile(model, backend="aot_eager", fullgraph=True)(x)
    torch._dynamo.reset()
    dense = Stack()
    dense(x).sum().backward()
    expected, x.grad = x.grad, None
    # Without `fullgraph` those modules run uncompiled.
    with et.training(model):
        loss = torch.compile(model, backend="aot_eager")(x).sum()
    loss.backward()
    assert torch.equal(x.grad, expected)
