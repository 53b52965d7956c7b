"""Lossless compression of neural-network weights: files, and tensors in memory.

    ecf8.compress("model.safetensors", "model.ecf8.safetensors")
    with ecf8.safe_open("model.ecf8.safetensors", framework="pt") as file:
        tensor = file.get_tensor("model.embed_tokens.weight")

`ecf8.numpy` and `ecf8.torch` load and save whole files, `ecf8.torch` also keeps a model's weights compressed in memory;
`ecf8.transformers`, `ecf8.diffusers`, `ecf8.vllm` and `ecf8.sglang` are for those. This module imports none of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, Literal

from . import _ecf8
from ._ecf8 import __version__
from ._errors import Damaged, Error, NotAContainer
from ._progress import Progress, function_of
from ._report import Report
from .safetensors import patch, patched, safe_open

__all__ = [
    "Damaged",
    "Error",
    "NotAContainer",
    "Report",
    "__version__",
    "compress",
    "decompress",
    "inspect",
    "is_container",
    "patch",
    "patched",
    "safe_open",
    "verify",
]

StrPath = str | os.PathLike[str]


def is_container(path: StrPath) -> bool:
    """Whether a file is compressed by ecf8, as far as its header tells; of a folder, whether a `.safetensors` file in it is.

    Raises OSError if it cannot be read, and Damaged if it is a safetensors file with a damaged header.
    """
    return _ecf8.is_container(path)


def compress(
    input: StrPath,
    output: StrPath,
    *,
    scheme: str | None = None,
    optimize: Literal["size", "speed"] | None = None,
    codebooks: int | None = None,
    code_bits: int | None = None,
    threads: int | None = None,
    overwrite: bool = False,
    allow_missing_shards: bool = False,
    base: StrPath | Sequence[StrPath] | None = None,
    progress: Progress = False,
) -> Report:
    """Compresses a `.safetensors` file, or all in a folder, into `output`, which appears only when whole.

    Every tensor is decoded again and compared. What would not get smaller is kept as it is; other files of a folder are
    copied. `ecf8 compress --help` says more of the options.

    scheme: the name of one for all tensors that it takes; by default what fits the data is chosen.
    optimize: "size" compares several ways, "speed" chooses what decodes fastest.
    codebooks: the most that tensors share.
    code_bits: the most bits of a codeword, 10 to 13.
    threads: how many to use; by default all cores.
    overwrite: whether an existing output is replaced.
    base: an earlier state of the model, or the one that it was fine-tuned from: only the difference from that is stored, and
        `decompress` needs the same base again. If it is a difference itself, a list: the base, its own base, and so on.
    progress: True for a line on standard error; or a function of what is done (a text), bytes done and bytes in all, called
        several times a second. If it raises something, the work is given up and nothing is left of it.

    Raises OSError (FileExistsError, for example), Error, or ValueError for an option.
    """
    return Report.of_json(
        _ecf8.compress(
            input,
            output,
            scheme=scheme,
            optimize=optimize,
            codebooks=codebooks,
            code_bits=code_bits,
            threads=threads,
            overwrite=overwrite,
            allow_missing_shards=allow_missing_shards,
            base=_bases(base),
            progress=function_of(progress),
        )
    )


def decompress(
    input: StrPath,
    output: StrPath,
    *,
    threads: int | None = None,
    overwrite: bool = False,
    partial: bool = False,
    base: StrPath | Sequence[StrPath] | None = None,
    progress: Progress = False,
) -> Report:
    """Restores the file or folder that `input` was compressed from, byte for byte, into `output`, which appears only when
    whole and checked.

    `partial` saves what is good of a damaged file or folder: damaged tensors and files are left out, and `lost` of the report
    names them. `base` is what `input` was compressed as the difference from. Other options as those of `compress`. Raises OSError,
    NotAContainer, Damaged, or Error, for example for another base.
    """
    options: dict[str, Any] = {
        "threads": threads,
        "overwrite": overwrite,
        "partial": partial,
        "base": _bases(base),
        "progress": function_of(progress),
    }
    return Report.of_json(_ecf8.decompress(input, output, **options))


def verify(
    path: StrPath,
    *,
    against: StrPath | None = None,
    base: StrPath | Sequence[StrPath] | None = None,
    threads: int | None = None,
    progress: Progress = False,
) -> int:
    """Checks that a container, or a folder of them, is intact and that every tensor decodes to the bytes that it was made
    from; with `against`, also that these are the original's. What is the difference from `base` is restored with that. Gives how many
    bytes the original has; without `base`, of a difference, how many that has.

    Raises Damaged with what is wrong, OSError, NotAContainer, or Error.
    """
    return _ecf8.verify(path, against, base=_bases(base), threads=threads, progress=function_of(progress))


def _bases(base: StrPath | Sequence[StrPath] | None) -> list[StrPath] | None:
    """One base, or a base and its own ones, as a list."""
    if base is None:
        return None
    return [base] if isinstance(base, (str, os.PathLike)) else list(base)


def inspect(path: StrPath) -> dict[str, Any]:
    """Sizes, entropies and codebooks of a container or a folder of them: what `ecf8 inspect --json` prints.

    Raises OSError, NotAContainer, Damaged, or Error.
    """
    return json.loads(_ecf8.inspect(path))
