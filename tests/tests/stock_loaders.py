"""Gives containers to loaders that do not know ecf8: python3 stock_loaders.py ECF8 FOLDER

Prints a line for each: `NAME refuses …` or `NAME loads`.
"""

import os
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import diffusers
import torch
import transformers
from safetensors.torch import load_file, save_file

ECF8, FOLDER = sys.argv[1:]


def compress(original, packed):
    subprocess.run([ECF8, "compress", original, "-o", packed], check=True, stdout=subprocess.DEVNULL)


def to_fp8(path):
    weights = load_file(path)
    weights = {name: w.to(torch.float8_e4m3fn) if w.dim() >= 2 else w for name, w in weights.items()}
    save_file(weights, path, metadata={"format": "pt"})


def report(name, load):
    try:
        load()
    except (RuntimeError, ValueError) as error:
        print(name, "refuses", type(error).__name__, str(error)[:200].replace("\n", " "))
    else:
        print(name, "loads")


def models():
    size = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4)
    config = transformers.LlamaConfig(vocab_size=512, tie_word_embeddings=False, **size)
    yield "transformers", transformers.LlamaForCausalLM(config).to(torch.bfloat16), "model.safetensors"
    small = dict(sample_size=16, layers_per_block=1, block_out_channels=(64, 64), norm_num_groups=8)
    blocks = dict(down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2)
    yield "diffusers", diffusers.UNet2DModel(**small, **blocks), "diffusion_pytorch_model.safetensors"


for name, model, file in models():
    original, packed = f"{FOLDER}/{name}", f"{FOLDER}/{name}-packed"
    model.save_pretrained(original)
    to_fp8(f"{original}/{file}")
    compress(original, packed)
    for folder in (original, packed):
        title = name if folder == packed else f"{name} of the original"
        report(title, lambda: type(model).from_pretrained(folder, torch_dtype=torch.bfloat16))

linear = torch.nn.Linear(200, 300)
state = {key: w.detach().to(torch.float8_e4m3fn) for key, w in linear.state_dict().items()}
# Any bits are equally likely, so nothing gets smaller and all is kept.
noise = {key: torch.randint(-32768, 32768, w.shape, dtype=torch.int16).view(torch.bfloat16) for key, w in state.items()}
for name, tensors in (("fp8", state), ("noise", noise)):
    original, packed = f"{FOLDER}/{name}.safetensors", f"{FOLDER}/{name}-packed.safetensors"
    save_file(tensors, original)
    compress(original, packed)
    report(f"load_state_dict of {name}", lambda: linear.load_state_dict(load_file(packed), strict=name == "noise"))
