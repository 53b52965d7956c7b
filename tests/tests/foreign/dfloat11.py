"""Decodes and encodes files of DFloat11, written from docs/formats/dfloat11.md alone.

python3 dfloat11.py decode FILE OUT: OUT gets the weights of all blocks, one after the other, as bytes
python3 dfloat11.py encode RAW OUT BLOCK COUNT...: RAW are BF16 numbers, of which each weight of the block has so many
"""

import heapq
import json
import struct
import sys

PARTS = ["encoded_exponent", "gaps", "luts", "output_positions", "sign_mantissa"]


def stored_tensors(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    start = 8 + length
    return {name: data[start + e["data_offsets"][0] : start + e["data_offsets"][1]] for name, e in header.items()}


def decode(block, B=8, T=512):
    luts, stream, raw = block["luts"], block["encoded_exponent"], block["sign_mantissa"]
    rows = len(luts) // 256
    lengths = luts[256 * (rows - 1) :]
    positions = [p for (p,) in struct.iter_unpack("<I", block["output_positions"])]
    blocks = -(-len(stream) // (B * T))
    assert len(positions) == blocks + 1 and positions[-1] == len(raw)
    gap_bits = int.from_bytes(block["gaps"], "big")
    unused = 8 * len(block["gaps"]) - 5
    assert len(block["gaps"]) == -(-blocks * T * 5 // 8)
    padded, at, thread, out = stream + bytes(8), 0, 0, bytearray()
    for i, other in enumerate(raw):
        while thread * B * 8 <= at:
            assert gap_bits >> (unused - 5 * thread) & 31 == at - thread * B * 8, f"thread {thread}"
            if thread % T == 0:
                assert positions[thread // T] == i
            thread += 1
        (word,) = struct.unpack_from(">Q", padded, at // 8)
        window = word << at % 8 & 0xFFFFFFFFFFFFFFFF
        row, level = 0, 0
        while True:
            value = luts[256 * row + (window >> (56 - 8 * level) & 255)]
            if value < 240:
                break
            row, level = 256 - value, level + 1
        out += struct.pack("<H", (other & 0x80) << 8 | value << 7 | other & 0x7F)
        at += lengths[value]
    assert -(-at // 8) == len(stream)
    return bytes(out)


def tree(counts):
    """Codewords as texts, in the order of leaves; the end is -1 and occurs once."""
    heap = [(n, symbol, [(symbol, "")]) for symbol, n in counts.items()] + [(1, -1, [(-1, "")])]
    heapq.heapify(heap)
    while len(heap) > 1:
        (n, first, zeros), (m, _, ones) = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (n + m, first, [(s, "0" + c) for s, c in zeros] + [(s, "1" + c) for s, c in ones]))
    return dict(heap[0][2])


def tables(codes):
    prefixes = [""]
    for symbol, code in codes.items():
        prefix = code[: (len(code) - 1) // 8 * 8]
        if symbol >= 0 and prefix not in prefixes:
            prefixes.append(prefix)
    prefixes.sort(key=len)
    rows = []
    for prefix in prefixes:
        reached = {}
        for symbol, code in codes.items():
            if symbol >= 0 and code.startswith(prefix) and len(code) > len(prefix):
                rest = code[len(prefix) :]
                pointer = 256 - prefixes.index(code[: len(prefix) + 8]) if len(rest) > 8 else symbol
                reached[int(rest[:8].ljust(8, "0"), 2)] = pointer
        value, row = min(s for s in codes if s >= 0), []
        for index in range(256):
            value = reached.get(index, value)
            row.append(value)
        rows.append(bytes(row))
    return b"".join(rows) + bytes(len(codes.get(symbol, "")) for symbol in range(256)), len(rows) + 1


def encode(numbers, B=8, T=512):
    exponents = [n >> 7 & 255 for n in numbers]
    counts = {e: exponents.count(e) for e in sorted(set(exponents))}
    codes = tree(counts)
    stream, gaps, positions, pieces = 0, [], [], []
    for i, exponent in enumerate(exponents):
        if stream // (8 * B) + 1 > len(gaps):
            gaps.append(stream % (8 * B))
        if stream // (8 * B * T) + 1 > len(positions):
            positions.append(i)
        pieces.append(codes[exponent])
        stream += len(codes[exponent])
    if stream % 8:
        if stream // (8 * B) + 1 > len(gaps):
            gaps.append(stream % (8 * B))
        if stream // (8 * B * T) + 1 > len(positions):
            positions.append(len(numbers))
        pieces.append(codes[-1][: -stream % 8].ljust(-stream % 8, "0"))
    positions.append(len(numbers))
    text = "".join(pieces)
    encoded = int(text, 2).to_bytes(len(text) // 8, "big")
    threads = -(-len(encoded) // (B * T)) * T
    gap_text = "".join(f"{gap:05b}" for gap in gaps).ljust(5 * threads, "0")
    luts, rows = tables(codes)
    raw = bytes(n >> 8 & 0x80 | n & 0x7F for n in numbers)
    packed = int(gap_text, 2).to_bytes(len(gap_text) // 8, "big")
    return [encoded, packed, luts, struct.pack(f"<{len(positions)}I", *positions), raw], rows


def write(raw, out, block, *counts):
    data = open(raw, "rb").read()
    numbers = [n for (n,) in struct.iter_unpack("<H", data)]
    counts = list(map(int, counts))
    assert sum(counts) == len(numbers)
    parts, rows = encode(numbers)
    splits = [sum(counts[: i + 1]) for i in range(len(counts) - 1)]
    tensors = [("split_positions", "I64", [len(splits)], struct.pack(f"<{len(splits)}q", *splits))]
    for name, part in zip(PARTS, parts):
        tensors.append((name, "U8", [rows, 256] if name == "luts" else [len(part)], part))
    header, at = {}, 0
    for name, dtype, shape, part in tensors:
        header[f"{block}.{name}"] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(part)]}
        at += len(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    open(out, "wb").write(struct.pack("<Q", len(text)) + text + b"".join(part for *_, part in tensors))


def read(path, out):
    blocks = {}
    for name, tensor in stored_tensors(path).items():
        block, _, part = name.rpartition(".")
        blocks.setdefault(block, {})[part] = tensor
    open(out, "wb").write(b"".join(decode(block) for block in blocks.values() if "sign_mantissa" in block))


{"decode": read, "encode": write}[sys.argv[1]](*sys.argv[2:])
