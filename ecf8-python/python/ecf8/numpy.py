"""Containers and arrays of numpy. For BF16 and numbers of 8 bits, the package ml_dtypes must be installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import _dtypes, _ecf8
from ._progress import function_of
from ._report import Report
from .safetensors import safe_open

if TYPE_CHECKING:
    import numpy as np

__all__ = ["load_file", "save_file"]


def load_file(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """All tensors of a container or a plain safetensors file, by name.

    Raises OSError, Damaged, Error, or TypeError for a dtype that numpy has not.
    """
    with safe_open(path, framework="np") as file:
        return file.get_tensors()


def save_file(
    tensors: Mapping[str, np.ndarray],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    **options: Any,
) -> Report:
    """Compresses arrays into a new file. They lie in it in the order in which safetensors would write them.

    options: those of `ecf8.compress`: scheme, optimize, codebooks, code_bits, threads, overwrite, progress.

    Raises OSError, Error, or TypeError for a dtype that safetensors has not.
    """
    import numpy as np

    given = []
    for name, array in tensors.items():
        array = np.ascontiguousarray(_dtypes.little_endian(array)).reshape(array.shape)
        given.append((name, _dtypes.name_of(array.dtype), list(array.shape), array.reshape(-1).view(np.uint8)))
    return save(given, path, metadata, options)


def save(
    tensors: list[tuple[str, str, list[int], np.ndarray]],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None,
    options: dict[str, Any],
) -> Report:
    """Compresses tensors, each given as name, dtype as safetensors calls it, dimensions and bytes, into a new file."""
    # Large numbers first, so that each is aligned to its own size in a plain file, too.
    tensors = sorted(tensors, key=lambda tensor: (-_dtypes.BITS[tensor[1]], tensor[0]))
    if "progress" in options:
        options = {**options, "progress": function_of(options["progress"])}
    pairs = None if metadata is None else sorted(metadata.items())
    return Report.of_json(_ecf8.save(tensors, pairs, path, **options))
