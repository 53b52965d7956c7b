"""Tiny models, and what they compute."""

import contextlib
import json
import os

from conftest import need

torch = need("torch")

# For models as small as these, threads only wait for each other, on a busy machine for long.
torch.set_num_threads(1)

F8 = torch.float8_e4m3fn
TOKENS = torch.arange(24)[None]
SIZES = dict(
    vocab_size=512,
    hidden_size=256,
    intermediate_size=512,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
)


@contextlib.contextmanager
def unpatched_after():
    """Undoes what importing `ecf8.diffusers` does to all users of safetensors in this process, so that other tests meet stock ones."""
    import ecf8.safetensors as own

    try:
        yield
    finally:
        if own._is_patched_for_good:
            own._is_patched_for_good = False
            own._want(-1)


def llama(tie=False, **sizes):
    """A Llama of three layers in BF16."""
    transformers = need("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SIZES | sizes, tie_word_embeddings=tie)
    return transformers.LlamaForCausalLM(config).to(torch.bfloat16).eval()


def to_linear8(model, part="layers"):
    """Casts the linear layers of a part of a model to FP8; they compute in the dtype of their input."""
    import ecf8.torch

    for name, module in model.named_modules():
        if type(module) is torch.nn.Linear and part in name:
            module.__class__ = ecf8.torch.Linear8
            module.weight = torch.nn.Parameter(module.weight.data.to(F8), requires_grad=False)
    return model


def fp8_llama(tie=False):
    return to_linear8(llama(tie))


def blocks(weight, size=128):
    """A weight in FP8 with a scale for each block, and the scales."""
    rows, columns = weight.shape
    tiles = weight.float().view(rows // size, size, columns // size, size)
    scales = tiles.abs().amax((1, 3)).clamp(min=1e-12) / 448
    return (tiles / scales[:, None, :, None]).view(rows, columns).to(F8), scales


def saved(folder, kind="bf16", tie=False):
    """Saves a Llama as people publish them: in BF16, plainly `cast` to FP8, or in FP8 with a scale per `block`."""
    from safetensors.torch import load_file, save_file

    folder = str(folder)
    llama(tie).save_pretrained(folder)
    if kind == "bf16":
        return folder
    path = os.path.join(folder, "model.safetensors")
    tensors = {}
    for name, tensor in load_file(path).items():
        if "layers" not in name or tensor.dim() != 2:
            tensors[name] = tensor
        elif kind == "cast":
            tensors[name] = tensor.to(F8)
        else:
            tensors[name], tensors[name + "_scale_inv"] = blocks(tensor)
    save_file(tensors, path, metadata={"format": "pt"})
    if kind == "block":
        path = os.path.join(folder, "config.json")
        with open(path) as file:
            config = json.load(file)
        config["quantization_config"] = {
            "quant_method": "fp8",
            "activation_scheme": "dynamic",
            "weight_block_size": [128, 128],
            "modules_to_not_convert": ["lm_head"],
        }
        with open(path, "w") as file:
            json.dump(config, file, indent=2)
    return folder


@torch.no_grad()
def logits(model):
    return model(TOKENS).logits


class Block(torch.nn.Module):
    """A layer without transformers: a residual one of two linear layers."""

    def __init__(self, width):
        super().__init__()
        self.up, self.down = torch.nn.Linear(width, 2 * width), torch.nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(torch.relu(self.up(x)))


class Stack(torch.nn.Module):
    """Four such layers."""

    def __init__(self, width=192, dtype=torch.bfloat16):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.ModuleList(Block(width) for _ in range(4))
        self.to(dtype)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def inputs(width=192, dtype=torch.bfloat16):
    torch.manual_seed(1)
    return torch.randn(3, width).to(dtype)
