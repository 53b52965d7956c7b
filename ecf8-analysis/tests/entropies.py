"""Entropies of bit fields by numpy, of each tensor of the safetensors files named: as JSON, by file and tensor.

Written from the documentation of `BitFieldEntropies` and `row_length`, for tests/entropies.rs.
"""

import json
import sys

import numpy as np

# Bits of sign, exponent and mantissa.
FLOATS = {
    "F8_E4M3": (1, 4, 3),
    "F8_E4M3FNUZ": (1, 4, 3),
    "F8_E5M2": (1, 5, 2),
    "F8_E5M2FNUZ": (1, 5, 2),
    "F8_E8M0": (0, 8, 0),
    "BF16": (1, 8, 7),
    "F16": (1, 5, 10),
    "F32": (1, 8, 23),
    "F64": (1, 11, 52),
}
INTEGERS = {"I8": 1, "U8": 1, "BOOL": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8}


def entropy(*columns):
    if columns[0].size == 0:
        return 0.0
    # No column has more than 16 bits, and there are three at most.
    key = columns[0].astype(np.uint64)
    for column in columns[1:]:
        key = key << np.uint64(16) | column.astype(np.uint64)
    _, counts = np.unique(key, return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0


def row_length(shape):
    if len(shape) < 2:
        return shape[0] if shape else 1
    length = shape[-1]
    for dimension in shape[-2:0:-1]:
        if length >= 16:
            break
        length *= dimension
    return max(length, 1)


def of_float(raw, width, fields, shape):
    sign_bits, exponent_bits, mantissa_bits = fields
    bits = raw.view(f"<u{width}").astype(np.uint64)
    dropped = max(sign_bits + exponent_bits + mantissa_bits - 16, 0)
    sign = bits >> np.uint64(exponent_bits + mantissa_bits) if sign_bits else np.zeros_like(bits)
    exponent = bits >> np.uint64(mantissa_bits) & np.uint64(2**exponent_bits - 1)
    mantissa = (bits & np.uint64(2**mantissa_bits - 1)) >> np.uint64(dropped)
    lower = sum(entropy(bits >> np.uint64(8 * byte) & np.uint64(255)) for byte in range(dropped // 8))
    row = row_length(shape)
    place = np.arange(bits.size)
    first = place[place % row > 0]
    below = place[place >= row]

    def given(places, step):
        if places.size == 0:
            return entropy(exponent)
        before = exponent[places - step]
        return entropy(before, exponent[places]) - entropy(before)

    return {
        "sign": entropy(sign),
        "exponent": entropy(exponent),
        "mantissa": entropy(mantissa) + lower,
        "sign_mantissa": entropy(sign, mantissa) + lower,
        "element": entropy(sign, exponent, mantissa) + lower,
        "exponent_given_previous": given(first, 1),
        "exponent_given_above": given(below, row),
        "mutual_information_exponent_mantissa": entropy(exponent) + entropy(mantissa) - entropy(exponent, mantissa),
    }


def of_file(path):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        data = np.frombuffer(file.read(), dtype=np.uint8)
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        raw = data[slice(*about["data_offsets"])]
        fields = FLOATS.get(about["dtype"])
        width = sum(fields) // 8 if fields else INTEGERS[about["dtype"]]
        found[name] = {
            "bytes": [entropy(raw[byte::width]) for byte in reversed(range(width))],
            "fields": of_float(raw, width, fields, about["shape"]) if fields else None,
        }
    return found


print(json.dumps({path: of_file(path) for path in sys.argv[1:]}))
