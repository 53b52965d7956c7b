"""`ecf8::decode`, which puts a layer's weights into the buffer within a compiled graph."""

import torch

from .handle import HANDLES


@torch.library.custom_op("ecf8::decode", mutates_args=("activations",))
def decode(activations: list[torch.Tensor], handle: int, group: int) -> None:
    """Decodes a layer. It says that it changes the activations that the layer is about to use, though it does not: so a
    compiler computes with the weights neither before it, as that needs the activations, nor after the next layer's, as that
    changes what comes of them. To say that it changes the buffer does not compile, because weights are views of several dtypes."""
    one = HANDLES[handle]
    one.require(one.groups[group - one.groups[0].index])


@decode.register_fake
def _(activations, handle, group):
    pass
