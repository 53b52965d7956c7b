"""Decodes a file of ECF8's authors: python3 ecf8_paper.py FILE OUT

Written from docs/formats/ecf8-paper.md alone. OUT gets the weights of all blocks, one after the other, as bytes.
"""

import json
import struct
import sys


def stored_tensors(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    start = 8 + length
    return {name: (e["dtype"], e["shape"], data[start + e["data_offsets"][0] : start + e["data_offsets"][1]]) for name, e in header.items()}


def bits_of(stream):
    return int.from_bytes(stream, "big"), 8 * len(stream)


def decode(block, B=8, T=512):
    luts, rows = block["luts"][2], block["luts"][1][0]
    assert len(luts) == 256 * rows and rows >= 2
    lengths = luts[256 * (rows - 1) :]
    stream, packed, gaps = block["encoded"][2], block["packed_other_4bits"][2], block["gaps"][2]
    positions = [p for (p,) in struct.iter_unpack("<Q", block["output_positions"][2])]
    count, out, at = positions[-1], bytearray(), 0
    assert len(packed) == (count + 1) // 2
    windows = -(-len(stream) // B)
    blocks = -(-windows // T)
    assert len(positions) == blocks + 1 and len(gaps) == blocks * T // 2
    padded = stream + bytes(4)
    thread = 0
    for i in range(count):
        # Gaps and positions are only needed by threads; here they are checked.
        while thread * B * 8 <= at:
            gap = gaps[thread // 2] >> (0 if thread % 2 else 4) & 15
            assert gap == at - thread * B * 8, f"thread {thread}"
            if thread % T == 0:
                assert positions[thread // T] == i
            thread += 1
        (word,) = struct.unpack_from(">I", padded, at // 8)
        window = word << at % 8 & 0xFFFFFFFF
        value = luts[window >> 24]
        if value >= 240:
            value = luts[256 * (256 - value) + (window >> 16 & 255)]
        nibble = packed[i // 2] >> (0 if i % 2 else 4) & 15
        out.append((nibble & 8) << 4 | value << 3 | nibble & 7)
        at += lengths[value]
    assert -(-at // 8) == len(stream)
    splits = [p for (p,) in struct.iter_unpack("<q", block["split_positions"][2])]
    assert splits == sorted(splits) and all(0 <= p <= count for p in splits)
    return bytes(out)


def main(path, out):
    blocks = {}
    for name, tensor in stored_tensors(path).items():
        block, _, part = name.rpartition(".")
        blocks.setdefault(block, {})[part] = tensor
    coded = [block for block in blocks.values() if "packed_other_4bits" in block]
    assert coded
    open(out, "wb").write(b"".join(map(decode, coded)))


main(*sys.argv[1:])
