"""A Llama of eight layers of an 8B model in BF16 with random weights, on a GPU: memory, time of a forward pass and of a token, and the logits,
dense and with weights that stay compressed, also in a CUDA graph. Prints JSON. Needs torch, transformers and a GPU with 12 GB.

    python ecf8-python/benchmarks/gpu.py
"""

import json
import statistics
import sys
import tempfile
import time
import traceback

import torch
import transformers

import ecf8.torch

SIZES = dict(
    vocab_size=32000, hidden_size=4096, intermediate_size=14336, num_hidden_layers=8, num_attention_heads=32, num_key_value_heads=8,
    max_position_embeddings=4096, tie_word_embeddings=False,
)  # fmt: skip
DEVICE = "cuda:0"
LENGTHS = (1, 16, 128, 512, 2048)
RUNS = 20


def timed(work):
    """Median milliseconds on the GPU's clock."""
    for _ in range(3):
        work()
    times = []
    for _ in range(RUNS):
        begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begun.record()
        work()
        ended.record()
        torch.cuda.synchronize()
        times.append(begun.elapsed_time(ended))
    return statistics.median(times)


def measure(model, tokens):
    """What a model needs and gives."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    told = {"memory_mb": torch.cuda.memory_allocated() / 2**20}
    logits = model(tokens).logits
    told["forward_ms"] = {length: timed(lambda: model(tokens[:, :length])) for length in LENGTHS}
    told["peak_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return told, logits


def graphed(model, tokens):
    """One token by a CUDA graph: its logits, and its time."""
    static = tokens[:, :1].clone()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            model(static, use_cache=False)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = model(static, use_cache=False).logits
    answers = []
    for token in range(4):
        static.copy_(tokens[:, token : token + 1])
        graph.replay()
        answers.append(out.clone())
    return torch.cat(answers), timed(graph.replay)


def main():
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    results = {
        "gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "transformers": transformers.__version__,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": " ".join(sys.argv), "sizes": SIZES,
    }  # fmt: skip
    with torch.device(DEVICE):
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)).to(torch.bfloat16).eval()
        tokens = torch.randint(0, SIZES["vocab_size"], (1, max(LENGTHS)))
    results["dense"], logits = measure(model, tokens)
    graph_logits, results["dense"]["graph_ms"] = graphed(model, tokens)
    state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}

    def attempt(name, part):
        """The others are worth having if one fails."""
        try:
            results[name] = part()
        except Exception:
            results[name] = {"failed": traceback.format_exc()[-1500:]}
        print(name, json.dumps(results[name]), file=sys.stderr, flush=True)

    def files():
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/weights.ecf8.safetensors"
            part = {name: tensor for name, tensor in state.items() if ".layers.0." in name}
            ecf8.torch.save_file(part, path)
            loaded = ecf8.torch.load_file(path, device=DEVICE)
            return {"equal": all(torch.equal(loaded[name].cpu(), part[name]) for name in part), "on": str(loaded[name_of(part)].device)}

    def name_of(part):
        return next(iter(part))

    attempt("files", files)

    def compressed():
        begun = time.perf_counter()
        handle = ecf8.torch.compress(model, dtypes=(torch.bfloat16,))
        seconds = time.perf_counter() - begun
        torch.cuda.empty_cache()
        told, own = measure(model, tokens)
        told |= {
            "compress_seconds": seconds, "logits_equal": torch.equal(own, logits), "stored_mb": handle.bytes / 2**20,
            "dense_mb": handle.dense_bytes / 2**20, "buffer_mb": handle.buffer_bytes / 2**20,
        }  # fmt: skip
        return told

    attempt("compressed", compressed)

    def graph():
        own, ms = graphed(model, tokens)
        return {"equal": torch.equal(own, graph_logits), "token_ms": ms}

    attempt("graph", graph)

    def dense_again():
        ecf8.torch.decompress(model)
        now = model.state_dict()
        return {"equal": all(torch.equal(now[name].cpu(), tensor) for name, tensor in state.items())}

    attempt("dense_again", dense_again)

    def two_buffers():
        handle = ecf8.torch.compress(model, dtypes=(torch.bfloat16,), buffers=2)
        told, own = measure(model, tokens)
        return told | {"logits_equal": torch.equal(own, logits), "buffer_mb": handle.buffer_bytes / 2**20}

    attempt("two_buffers", two_buffers)
    print(json.dumps(results, indent=1))


main()
