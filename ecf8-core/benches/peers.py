"""ecf8's codec beside zstd -3, ZipNN and OpenZL: one tensor in memory, best of several rounds, all in one run.

    python3 -m venv target/peers && target/peers/bin/pip install numpy zstandard zipnn
    target/peers/bin/python ecf8-core/benches/peers.py --mib 128 --threads 1 2 --json target/peers.json

The data are Gaussian: E4M3 scaled in 128x128 blocks, E4M3 cast at sigma .02, and BF16 at sigma .02. Speeds are GB/s of weights. A peer
that is not installed is named as absent. ZipNN takes a thread's share of the processor by its own `threads`.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def e4m3(values):
    """Rounds float32 to E4M3, ties to even, as bytes; what is too large becomes 448."""
    table = np.array([from_e4m3(byte) for byte in range(127)], np.float32)
    magnitude = np.minimum(np.abs(values), 448).astype(np.float32)
    above = np.searchsorted(table, magnitude).clip(1, 126)
    low, high = table[above - 1], table[above]
    middle = (low + high) / 2
    up = (magnitude > middle) | ((magnitude == middle) & (above % 2 == 0))
    return (np.where(up, above, above - 1) | np.signbit(values) * 128).astype(np.uint8)


def from_e4m3(byte):
    exponent, mantissa = byte >> 3 & 15, byte & 7
    return mantissa * 2.0**-9 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)


def data(mib):
    rng = np.random.default_rng(7)
    count = mib << 20
    blocks = rng.standard_normal((count >> 14, 1 << 14), np.float32)
    blocks *= 448 / np.abs(blocks).max(1, keepdims=True)
    yield "E4M3, blocks", "F8_E4M3", np.concatenate([e4m3(rows) for rows in np.array_split(blocks.ravel(), 16)]).tobytes()
    cast = rng.standard_normal(count, np.float32) * np.float32(0.02)
    yield "E4M3, cast at .02", "F8_E4M3", np.concatenate([e4m3(rows) for rows in np.array_split(cast, 16)]).tobytes()
    bits = cast[: count // 2].view(np.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    yield "BF16 at .02", "BF16", rounded.astype("<u2").tobytes()


def best(rounds, size, work):
    fastest = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        result = work()
        fastest = min(fastest, time.perf_counter() - start)
    return size / fastest / 1e9, result


def zstd(bytes_, dtype, threads, rounds):
    import zstandard

    # Decoding has no threads of its own.
    encode, small = best(rounds, len(bytes_), lambda: zstandard.ZstdCompressor(level=3, threads=threads if threads > 1 else 0).compress(bytes_))
    decode, back = best(rounds, len(bytes_), lambda: zstandard.ZstdDecompressor().decompress(small))
    assert back == bytes_
    return encode, decode, len(small)


def zipnn(bytes_, dtype, threads, rounds):
    import zipnn

    coder = zipnn.ZipNN(bytearray_dtype={"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn"}[dtype], threads=threads)
    # It changes what it is given.
    encode, small = best(rounds, len(bytes_), lambda: coder.compress(bytearray(bytes_)))
    decode, back = best(rounds, len(bytes_), lambda: coder.decompress(small))
    assert bytes(back) == bytes_
    return encode, decode, len(small)


def openzl(bytes_, dtype, threads, rounds):
    import openzl.ext as zl

    compressor = zl.Compressor()
    compressor.select_starting_graph(zl.graphs.Compress()(compressor))
    context = zl.CCtx()
    context.ref_compressor(compressor)
    context.set_parameter(zl.CParam.FormatVersion, zl.MAX_FORMAT_VERSION)
    encode, small = best(rounds, len(bytes_), lambda: context.compress([zl.Input(zl.Type.Serial, bytes_)]))
    decode, back = best(rounds, len(bytes_), lambda: zl.DCtx().decompress(small)[0].content.as_bytes())
    assert back == bytes_
    return encode, decode, len(small)


def ecf8(path, dtype, threads, rounds):
    words = [ROOT / "target/release/examples/codec", path, dtype, "--threads", str(threads), "--rounds", str(rounds)]
    report = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return report["encode"], report["decode"], report["size"] * os.path.getsize(path), report["scheme"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mib", type=int, default=128)
    options.add_argument("--threads", type=int, nargs="+", default=[1])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", type=pathlib.Path)
    options = options.parse_args()
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "ecf8-core", "--example", "codec"], cwd=ROOT, check=True)
    peers = {"zstd -3": (zstd, "zstandard"), "ZipNN": (zipnn, "zipnn"), "OpenZL": (openzl, "openzl")}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, dtype, bytes_ in data(options.mib):
            path = pathlib.Path(folder, "weights.bin")
            path.write_bytes(bytes_)
            for threads in options.threads:
                found = {"ecf8": ecf8(path, dtype, threads, options.rounds)}
                for peer, (work, module) in peers.items():
                    if importlib.util.find_spec(module) is None:
                        print(f"{peer}: absent, `pip install {module}`", file=sys.stderr)
                        continue
                    found[peer] = work(bytes_, dtype, threads, options.rounds)
                for who, (encode, decode, size, *scheme) in found.items():
                    row = {"data": name, "threads": threads, "who": who, "encode": encode, "decode": decode, "size": size / len(bytes_)}
                    rows.append(row | {"scheme": scheme[0]} if scheme else row)
                    print(f"{name:18} {threads} threads  {' '.join([who, *scheme]):18} encode {encode:5.2f}  decode {decode:5.2f}  size {size / len(bytes_):.4f}", flush=True)
    if options.json:
        about = {"machine": platform.processor() or platform.machine(), "date": time.strftime("%Y-%m-%d"), "command": " ".join(sys.argv)}
        options.json.write_text(json.dumps(about | {"mib": options.mib, "rounds": options.rounds, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
