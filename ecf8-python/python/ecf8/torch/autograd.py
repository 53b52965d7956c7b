"""Gradients of adapters through weights that are decoded again in the backward pass."""

import contextlib

import torch

from .handle import handles_of


@contextlib.contextmanager
def training(model):
    """Around the forward pass of a model whose adapters learn: what autograd would keep of compressed weights is decoded again
    in the backward pass, which costs one more decoding per layer. Without it PyTorch raises, because the weights that it kept
    have been overwritten since.

        with ecf8.torch.training(model):
            loss = model(**batch).loss
        loss.backward()
    """
    handles = list(handles_of(model))

    def pack(tensor):
        for handle in handles:
            slot = handle.slot_of(tensor)
            if slot is not None:
                form = tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset()
                return slot, slot.now, form
        return tensor

    def unpack(packed):
        if isinstance(packed, torch.Tensor):
            return packed
        slot, group, (dtype, shape, stride, offset) = packed
        group.handle.require(group)
        # Only until the operator that asked for it has run, which is before anything else is decoded.
        return slot.buffer.view(dtype).as_strided(shape, stride, offset)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield
