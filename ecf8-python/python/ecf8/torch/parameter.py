"""A weight that lies compressed and is a view of its handle's buffer."""

import torch
from torch import nn


class CompressedWeightError(RuntimeError):
    """A compressed weight was to be changed, copied as a module or trained. Its message names the weight and what to do."""


# What asks for a tensor's form only, and so needs no decoding. `data_ptr` is not among them: who asks for it reads there.
_FORM = frozenset(
    """size dim ndimension numel nelement stride storage_offset element_size is_contiguous is_floating_point is_complex
    is_signed is_pinned is_shared untyped_storage storage __len__ __hash__ requires_grad_ type get_device retain_grad
    is_same_size is_set_to names has_names __dir__ _is_view is_inference is_neg is_conj""".split()
)
_WRITES = frozenset(f"__{name}__" for name in "setitem iadd isub imul imatmul itruediv ifloordiv imod ipow ilshift irshift iand ior ixor".split())


class _Guarded:
    """What compressed parameters and views of them have in common: every use finds the right layer in the buffer."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        # A compiler records operators, it does not run them: there the hooks put `ecf8::decode` into its graph.
        if torch.compiler.is_compiling():
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        name = func.__name__
        with torch._C.DisableTorchFunctionSubclass():
            # Properties. What they return may be a view, such as `.data` and `.T`, which is decoded when it is used.
            if name == "__get__":
                return _guarded(func(*args, **kwargs), args[0].ecf8)
            if name in _FORM or name == "__set__" and func.__self__.__name__ != "data":
                return func(*args, **kwargs)
            _refuse_writing(func, name, args, kwargs)
            used = [x for x in _tensors(args, kwargs) if isinstance(x, _Guarded)]
            for x in used:
                x.ecf8.require()
            # Checkpointing computes a part of the model again within the backward pass, and keeps the weights that it meets
            # without asking for their version. They get memory of their own, as other layers may be decoded before their use.
            if torch.is_grad_enabled() and torch._C._current_graph_task_id() != -1:
                args, kwargs = (_replace(x, lambda x: x.clone()) for x in (args, kwargs))
            return _guarded(func(*args, **kwargs), used[0].ecf8) if used else func(*args, **kwargs)

    def __array__(self, *args, **kwargs):
        # numpy cannot be told when the buffer changes, so it gets a copy.
        return self.clone().__array__(*args, **kwargs)

    def numpy(self, **kwargs):
        return self.clone().numpy(**kwargs)


class CompressedParameter(_Guarded, nn.Parameter):
    """A view of the buffer that layers share, for good. `ecf8` tells which weight it is (`ecf8.torch.handle.Weight`)."""

    def __new__(cls, view: torch.Tensor, weight, requires_grad: bool = False):
        self = torch.Tensor._make_subclass(cls, view, requires_grad)
        self.ecf8 = weight
        return self

    def __deepcopy__(self, memo):
        raise CompressedWeightError(f"weight `{self.ecf8.name}` is compressed and cannot be copied; call ecf8.torch.decompress(model) first")

    def __reduce_ex__(self, protocol):
        raise CompressedWeightError(f"weight `{self.ecf8.name}` is compressed and cannot be pickled; save model.state_dict(), which is dense")


class CompressedView(_Guarded, torch.Tensor):
    """What is a view of a compressed parameter: a slice, the transpose, `.data`, `.detach()`."""

    def __deepcopy__(self, memo):
        return self.clone()

    def __reduce_ex__(self, protocol):
        return self.clone().__reduce_ex__(protocol)


def _tensors(args, kwargs):
    for x in (*args, *kwargs.values()):
        if isinstance(x, (list, tuple)):
            yield from (y for y in x if isinstance(y, torch.Tensor))
        elif isinstance(x, torch.Tensor):
            yield x


def _replace(x, by):
    if isinstance(x, _Guarded):
        return by(x)
    if type(x) in (list, tuple):
        return type(x)(_replace(y, by) for y in x)
    if type(x) is dict:
        return {key: _replace(y, by) for key, y in x.items()}
    return x


def _guarded(result, weight):
    """`result`, guarded if it is a view of the buffer."""
    if type(result) in (list, tuple):
        return type(result)(_guarded(x, weight) for x in result)
    if type(result) is torch.Tensor and weight.owns(result):
        result = result.as_subclass(CompressedView)
        result.ecf8 = weight
    return result


def _refuse_writing(func, name, args, kwargs):
    is_writing = name in _WRITES or name == "__set__" or name.endswith("_") and not name.endswith("__") or kwargs.get("inplace", False)
    # Operators that write do so to their first argument, lists of parameters in optimizers included, and to `out`.
    written = list(_tensors(args[:1], {})) if is_writing else []
    written += _tensors((), {"out": kwargs.get("out")})
    for x in written:
        if isinstance(x, _Guarded):
            raise CompressedWeightError(
                f"weight `{x.ecf8.name}` is compressed and cannot be changed ({name}); call ecf8.torch.decompress(model) first"
            )
