"""A linear layer whose weight has eight bits and which computes in the dtype of its input."""

import torch
from torch import nn


@torch.library.custom_op("ecf8::weight_for", mutates_args=())
def weight_for(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """`weight` in the dtype of `x`. A compiler sees that it needs `x`, and so does not convert a weight before `x` is there,
    which is when its layer has been decoded."""
    return weight.to(x.dtype, copy=True)


@weight_for.register_fake
def _(weight, x):
    return torch.empty_like(weight, dtype=x.dtype)


def is_float8(dtype: torch.dtype) -> bool:
    """Whether numbers are floating-point ones of eight bits."""
    return dtype.is_floating_point and dtype.itemsize == 1


class Linear8(nn.Linear):
    """`nn.Linear` with an FP8 weight that is converted to the dtype of the input when it is used: for checkpoints that were
    plainly cast to FP8, without scales. `module.__class__ = Linear8` makes one of an `nn.Linear`."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        weight = self.weight
        if torch.compiler.is_compiling():
            weight = torch.ops.ecf8.weight_for(weight, input)
        elif weight.dtype != input.dtype:
            weight = weight.to(input.dtype)
        return nn.functional.linear(input, weight, self.bias)
