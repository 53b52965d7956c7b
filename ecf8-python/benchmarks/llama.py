"""A Llama of 1 GB in BF16 with random weights, on the CPU: memory and time per token, dense and with weights that stay compressed; and how
fast containers are read. Prints JSON. Needs torch, transformers, 4 GB of disk for what it makes, and ten minutes on two cores.

    python ecf8-python/benchmarks/llama.py /tmp/llama
"""

import json
import os
import subprocess
import sys
import time

SIZES = dict(
    vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=9, num_attention_heads=16, num_key_value_heads=4,
    max_position_embeddings=256, tie_word_embeddings=False,
)  # fmt: skip
PROMPT, TOKENS = 16, 6


def make(folder):
    import torch
    import transformers

    import ecf8

    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)).to(torch.bfloat16)
    model.save_pretrained(folder + "/dense")
    ecf8.compress(folder + "/dense", folder + "/compressed", overwrite=True)


def memory():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return {key: int(status[key].split()[0]) / 1024 for key in ("VmRSS", "RssAnon", "RssFile")}


def run(folder, kind):
    """In a process of its own: loads the model in one way, and generates."""
    import torch
    import transformers

    import ecf8.torch

    torch.set_grad_enabled(False)
    before = memory()
    if kind == "dense":
        model = transformers.LlamaForCausalLM.from_pretrained(folder + "/dense", dtype="auto")
    else:
        config = transformers.AutoConfig.from_pretrained(folder + "/dense")
        with torch.device("meta"):
            model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
        # What is no parameter is computed from the configuration, not read.
        model.model.rotary_emb = type(model.model.rotary_emb)(config)
        handle = ecf8.torch.attach(model, folder + "/compressed", device="cpu")
    model.eval()
    tokens = torch.arange(PROMPT)[None]
    logits = model(tokens).logits
    times = []
    cache = transformers.DynamicCache()
    token = model(tokens, past_key_values=cache).logits[:, -1:].argmax(-1)
    for _ in range(TOKENS):
        start = time.perf_counter()
        token = model(token, past_key_values=cache).logits[:, -1:].argmax(-1)
        times.append(time.perf_counter() - start)
    after = memory()
    told = {
        "resident_mb": {key: round(after[key] - before[key]) for key in after},
        "seconds_per_token": sorted(times)[len(times) // 2],
        "logits": int(logits.view(torch.int16).to(torch.int64).sum()),
    }
    if kind != "dense":
        told |= {"stored_mb": handle.bytes / 2**20, "dense_mb": handle.dense_bytes / 2**20, "buffer_mb": handle.buffer_bytes / 2**20}
    print(json.dumps(told))


def read(folder):
    """Processor time of reading all tensors from the page cache by one thread, beside that of the command's `decompress`."""
    import resource

    import ecf8
    import ecf8.torch

    path = next(folder + "/compressed/" + name for name in os.listdir(folder + "/compressed") if name.endswith(".safetensors"))
    rates = {"load_file": [], "decompress": []}
    for _ in range(3):
        for what in rates:
            out = folder + "/restored.safetensors"
            start = resource.getrusage(resource.RUSAGE_SELF)
            if what == "load_file":
                size = sum(tensor.nbytes for tensor in ecf8.torch.load_file(path).values())
            else:
                ecf8.decompress(path, out, overwrite=True, threads=1)
                size = os.path.getsize(out)
            end = resource.getrusage(resource.RUSAGE_SELF)
            rates[what].append(size / 1e9 / (end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime))
    print(json.dumps({f"{what}_gb_per_cpu_second": sorted(values)[1] for what, values in rates.items()}))


def main():
    folder = sys.argv[1]
    if len(sys.argv) > 2:
        return read(folder) if sys.argv[2] == "read" else run(folder, sys.argv[2])
    if not os.path.exists(folder + "/compressed"):
        make(folder)
    results = {}
    for kind in ("dense", "attach", "read"):
        threads = {"RAYON_NUM_THREADS": "1"} if kind == "read" else {}
        words = [sys.executable, __file__, folder, kind]
        done = subprocess.run(words, capture_output=True, text=True, env=os.environ | threads)
        if done.returncode:
            sys.exit(done.stderr)
        results[kind] = json.loads(done.stdout.splitlines()[-1])
    assert results["dense"]["logits"] == results["attach"]["logits"]
    print(json.dumps(results, indent=1))


main()
