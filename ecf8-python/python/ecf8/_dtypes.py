"""The dtypes of safetensors as those of numpy and torch, which is imported when it is asked for."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

NUMPY = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}

# Those that the package ml_dtypes has for numpy.
ML_DTYPES = {
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}

# Two numbers to a byte: torch counts bytes in the last dimension, safetensors numbers.
PACKED = {"F4": "float4_e2m1fn_x2"}

TORCH = NUMPY | ML_DTYPES | PACKED

BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E4M3FNUZ", "F8_E5M2", "F8_E5M2FNUZ", "F8_E8M0", "I8", "U8", "BOOL"), 8),
    "F4": 4,
}


@lru_cache
def numpy_dtype(name: str) -> np.dtype:
    """numpy's dtype for one of safetensors; for BF16 and the types of 8 bits that of ml_dtypes, which must be installed."""
    import numpy as np

    if name in NUMPY:
        return np.dtype(NUMPY[name])
    if name not in ML_DTYPES:
        raise TypeError(f"numpy has no dtype for {name}")
    try:
        import ml_dtypes
    except ImportError:
        raise TypeError(f"numpy has no dtype for {name}; `pip install ml_dtypes` gives it one") from None
    return np.dtype(getattr(ml_dtypes, ML_DTYPES[name]))


@lru_cache
def torch_dtype(name: str) -> Any:
    """torch's dtype for one of safetensors."""
    import torch

    dtype = getattr(torch, TORCH.get(name, ""), None)
    if dtype is None:
        raise TypeError(f"torch {torch.__version__} has no dtype for {name}")
    return dtype


def name_of(dtype: Any) -> str:
    """The name that safetensors has for a dtype of numpy or torch."""
    name = str(dtype).removeprefix("torch.")
    for known, own in TORCH.items():
        if own == name:
            return known
    raise TypeError(f"safetensors has no dtype for {dtype}")


def little_endian(array: np.ndarray) -> np.ndarray:
    """The same numbers with their least byte first, as safetensors has them."""
    is_big = array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big")
    return array.astype(array.dtype.newbyteorder("<")) if is_big else array
