"""What is put into a model's modules so that each finds its own weights in the buffer."""

import functools

import torch

from .handle import Group, Handle
from .operator import decode  # noqa: F401  (registers the operator)
from .parameter import CompressedParameter


def install(model, handle: Handle) -> None:
    """Hooks a handle's layers into a model, and puts its parameters in."""
    modules = dict(model.named_modules())
    owners = {}
    for weight in handle.weights:
        weight.set(weight.parameter)
        for module, _ in weight.owners:
            groups = owners.setdefault(module, [])
            if weight.group not in groups:
                groups.append(weight.group)
    for group in handle.groups:
        block = modules.get(group.name)
        # A module whose own weights are all of its layer has its guard.
        if block is not None and block not in owners:
            handle._hooks.append(block.register_forward_pre_hook(BeforeBlock(group), with_kwargs=True).remove)
            # Also after one that has failed.
            handle._hooks.append(block.register_forward_hook(AfterBlock(group), always_call=True).remove)
    for module, groups in owners.items():
        for group in groups:
            handle._hooks.append(module.register_forward_pre_hook(Guard(group), with_kwargs=True).remove)
        handle._hooks.append(module.register_state_dict_post_hook(_dense_state).remove)
        module._apply = functools.partial(_apply_to_others, module)
        handle._hooks.append(functools.partial(module.__dict__.pop, "_apply", None))


def require(module, args, kwargs) -> None:
    """Does what a module's guards do, for whoever uses its weights without calling it."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, Guard):
            hook(module, args, kwargs)


class BeforeBlock:
    """Decodes a layer before its block runs.

    While a compiler traces the block, its modules' guards need not decode again, if they are of the same layer: `traced` says
    so to them. It is `None` whenever no block is being traced, so compiled code is valid for every state of the buffer."""

    def __init__(self, group: Group):
        self.handle, self.group = group.handle, group

    def __call__(self, module, args, kwargs):
        if torch.compiler.is_compiling():
            _trace(self, args, kwargs)
            self.handle.traced = self.group
        else:
            self.handle.enter(self.group)


class AfterBlock:
    def __init__(self, group: Group):
        self.handle, self.group = group.handle, group

    def __call__(self, module, args, output):
        if torch.compiler.is_compiling():
            self.handle.traced = None
        else:
            self.handle.leave(self.group)


class Guard(BeforeBlock):
    """Decodes a layer before a module that owns a part of it, if it is not there: where a part of a block is called by itself,
    where a block runs again for its gradients without its hooks, or uses a weight of another layer."""

    def __call__(self, module, args, kwargs):
        if not torch.compiler.is_compiling():
            self.handle.require(self.group)
            return
        if torch.is_grad_enabled() and any(x.requires_grad for x in _activations(args, kwargs)):
            # A compiled backward pass would read the weights of whichever layer is there. Without `fullgraph` this breaks the
            # graph, and the module runs as it is.
            torch._dynamo.graph_break(msg="ecf8: compressed weights and gradients are not compiled; use torch.no_grad(), or train without torch.compile")
        if self.handle.traced is not self.group:
            _trace(self, args, kwargs)
            self.handle.traced = None


def _trace(hook, args, kwargs):
    torch.ops.ecf8.decode(_activations(args, kwargs), hook.handle.number, hook.group.index)


def _activations(args, kwargs):
    tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, torch.Tensor)]
    # Of indices of an embedding or of tokens only if there is nothing else.
    return [x for x in tensors if x.is_floating_point()] or tensors


def _apply_to_others(module, function, recurse=True):
    """`nn.Module._apply` without the compressed weights, which no change of dtype reaches. To another device they move."""
    compressed = {name: p for name, p in module._parameters.items() if isinstance(p, CompressedParameter)}
    for name in compressed:
        module._parameters[name] = None
    try:
        type(module)._apply(module, function, recurse)
    finally:
        module._parameters.update(compressed)
    for handle in {p.ecf8.handle for p in compressed.values()}:
        device = function(torch.empty(0, dtype=torch.uint8, device=handle.device)).device
        if device != handle.device:
            handle.move(device)
    return module


def _dense_state(module, state, prefix, metadata):
    """Puts decoded weights into a state dictionary, in memory of their own; one for all names of a tied weight."""
    for attribute, parameter in module._parameters.items():
        if not isinstance(parameter, CompressedParameter) or prefix + attribute not in state:
            continue
        weight, key = parameter.ecf8, prefix + attribute
        mine = next((name for name in weight.names if key.endswith(name)), key)
        others = (key[: len(key) - len(mine)] + name for name in weight.names if name != mine)
        tied = (state.get(name) for name in others)
        state[key] = next((x for x in tied if isinstance(x, torch.Tensor) and type(x) is torch.Tensor), None)
        if state[key] is None:
            state[key] = weight.dense()
