"""What is compiled of ecf8. People call the functions of `ecf8`; its other modules call these.

Arrays of bytes are contiguous numpy arrays of one dimension and dtype uint8; dtypes are safetensors' names, for example "BF16" or
"F8_E4M3"; bytes of a tensor are little endian, rows first. All calls let other Python threads go on, and all objects may be
shared between threads. A forked process gets threads of its own.

Raises: `ecf8.Error` and its kinds `ecf8.Damaged` and `ecf8.NotAContainer`; OSError for files, KeyError for names of tensors,
ValueError or TypeError for arrays and options that do not fit, MemoryError.
"""

import os
from collections.abc import Callable, Sequence
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

__version__: str

StrPath = str | os.PathLike[str]
Bytes = NDArray[np.uint8]
Progress = Callable[[str, int, int], object] | None

@final
class File:
    """A container, mapped into memory. It never changes; pickled, it is its path."""

    def __init__(self, path: StrPath) -> None:
        """Opens a container and checks what it says of itself; tensors are checked when they are decoded.

        Raises OSError, `ecf8.NotAContainer`, `ecf8.Damaged`, or `ecf8.Error` for what no version of ecf8 has written yet.
        """

    @property
    def path(self) -> str:
        """Where it is."""

    def names(self) -> list[str]:
        """The names of the original's tensors, in the order of their data."""

    def metadata(self) -> dict[str, str] | None:
        """The original's metadata; None if it has none."""

    def dtype(self, name: str) -> str:
        """A tensor's dtype. Raises KeyError."""

    def shape(self, name: str) -> list[int]:
        """A tensor's dimensions; none for a scalar. Raises KeyError."""

    def nbytes(self, name: str) -> int:
        """Bytes of a tensor when it is decoded. Raises KeyError."""

    def is_compressed(self, name: str) -> bool:
        """Whether a tensor is compressed, or kept as it is. Raises KeyError."""

    def stored_nbytes(self, name: str) -> int:
        """Bytes that a tensor takes in the file. Raises KeyError."""

    def decode_into(self, name: str, out: Bytes) -> None:
        """Puts a tensor's bytes into `out`, which has just as many, and checks them there.

        Raises KeyError, ValueError with both lengths, or `ecf8.Damaged`; `out` then holds bytes without meaning.
        """

    def decode_all_into(self, tensors: Sequence[tuple[str, Bytes]]) -> None:
        """Puts the bytes of several tensors, each given by its name, into an array each, in parallel. Raises as `decode_into`."""

    def decode_range_into(self, name: str, first_byte: int, out: Bytes) -> None:
        """Puts as many of a tensor's bytes as `out` has room for into it, from `first_byte` on, and decodes little more than
        these, where the scheme permits. What is stored of the tensor is checked the first time.

        Raises KeyError, `ecf8.Error` for bytes that it does not have or that cut its numbers, or `ecf8.Damaged`.
        """

    def encoded(self, name: str) -> Encoded:
        """A tensor as it is stored in this file, which stays mapped as long as it is needed. Raises KeyError."""

    def __len__(self) -> int: ...
    def __contains__(self, name: str) -> bool: ...

@final
class Encoded:
    """One tensor's compressed form, in memory or in a mapped file; or its bytes, if they are kept as they are. It never changes."""

    @staticmethod
    def encode(
        data: Bytes,
        dtype: str,
        shape: Sequence[int],
        *,
        scheme: str | None = None,
        optimize: Literal["size", "speed"] | None = None,
    ) -> Encoded:
        """Encodes a tensor's bytes, decodes them again and compares. Where nothing makes them smaller, they are kept as they are.

        Raises ValueError if dtype and shape do not give as many bytes, or for an option.
        """

    @property
    def dtype(self) -> str:
        """The tensor's dtype."""

    @property
    def shape(self) -> list[int]:
        """The tensor's dimensions."""

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor when it is decoded."""

    @property
    def stored_nbytes(self) -> int:
        """Bytes that it takes, codebooks not counted."""

    @property
    def is_compressed(self) -> bool:
        """Whether it is compressed, or kept as it is."""

    @property
    def scheme(self) -> str | None:
        """The scheme that it is compressed by; None if it is kept as it is."""

    def decode_into(self, out: Bytes) -> None:
        """Puts the tensor's bytes into `out`, which has just as many. In a file, they are checked.

        Raises ValueError with both lengths, or `ecf8.Damaged`.
        """

@final
class Decoder:
    """Layers of tensors, decoded into one buffer, in which each tensor has its place."""

    def __init__(
        self,
        device: str,
        layers: Sequence[Sequence[tuple[str, int, Encoded]]],
        allocate: Callable[[int], int] | None = None,
    ) -> None:
        """Prepares layers for a device: "cpu", "emulator" or "cuda:N". Of each tensor: its name, its first byte in the buffer, and
        what it is decoded from. Kernels put tensors at places of their own instead: ask `places`; and take only compressed ones.

        On a GPU everything compressed is uploaded now, kernels are compiled or taken from the cache, and each is launched once.
        `allocate` takes a number of bytes and gives the address of as many on the GPU, at a multiple of 256; they are kept by
        the caller as long as the decoder. It is called on another thread. Without it the driver allocates.

        Raises ValueError if two tensors of a layer overlap, or for what is no device; `ecf8.Error` if there is no GPU, or no NVRTC
        and a kernel that is not in the cache; MemoryError if `allocate` raises.
        """

    def places(self, layer: int) -> list[int]:
        """The first byte of each of a layer's tensors in the buffer, in the order in which they were given.

        Raises IndexError.
        """

    def decode(self, layer: int, out: Bytes) -> None:
        """Decodes a layer into the buffer `out`, and waits for it. Between its tensors, `out` stays as it is.

        Raises IndexError, ValueError with both lengths if `out` is too short, or `ecf8.Damaged`.
        """

    def decode_at(self, layer: int, address: int, nbytes: int, stream: int) -> None:
        """Decodes a layer into the buffer of `nbytes` bytes at an address of the GPU, at a multiple of 256, on a stream (a CUstream
        as `torch.cuda.current_stream().cuda_stream` is; 0 for the default one), and does not wait for it. Tensors of one dtype
        and scheme take one launch. Nothing that is forbidden while a graph is captured is done.

        Address and stream are used as they are: a wrong one is for the driver to find out.

        Raises IndexError, or `ecf8.Error` if the buffer is too short, or on "cpu" and "emulator".
        """

    def launches(self, layer: int) -> int:
        """How many kernels are launched for a layer; 0 on "cpu"."""

    def verify(self) -> int:
        """Decodes every layer and compares it with what the CPU decodes. Gives the number of bytes.

        Raises `ecf8.Error` naming the first tensor that differs.
        """

    def __len__(self) -> int:
        """How many layers there are."""

def encode_all(
    tensors: Sequence[tuple[str, str, Sequence[int], Bytes]],
    *,
    scheme: str | None = None,
    optimize: Literal["size", "speed"] | None = None,
    codebooks: int | None = None,
    code_bits: int | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> list[Encoded]:
    """Encodes tensors, each given as name (for messages), dtype, dimensions and bytes. Those of one dtype get one scheme, so
    that one launch decodes them together on a GPU, and may share codebooks.

    Raises ValueError as `Encoded.encode`.
    """

def save(
    tensors: Sequence[tuple[str, str, Sequence[int], Bytes]],
    metadata: Sequence[tuple[str, str]] | None,
    output: StrPath,
    *,
    scheme: str | None = None,
    optimize: Literal["size", "speed"] | None = None,
    codebooks: int | None = None,
    code_bits: int | None = None,
    overwrite: bool | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> str:
    """Compresses tensors in memory into a file, in which they are in this order; gives an `ecf8.Report` as JSON.

    Raises OSError, ValueError as `Encoded.encode`, or `ecf8.Error`.
    """

def compress(
    input: StrPath,
    output: StrPath,
    *,
    scheme: str | None = None,
    optimize: Literal["size", "speed"] | None = None,
    codebooks: int | None = None,
    code_bits: int | None = None,
    overwrite: bool | None = None,
    allow_missing_shards: bool | None = None,
    base: Sequence[StrPath] | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> str:
    """As `ecf8.compress`; gives an `ecf8.Report` as JSON."""

def decompress(
    input: StrPath,
    output: StrPath,
    *,
    overwrite: bool | None = None,
    partial: bool | None = None,
    base: Sequence[StrPath] | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> str:
    """As `ecf8.decompress`; gives an `ecf8.Report` as JSON."""

def verify(
    path: StrPath,
    against: StrPath | None = None,
    *,
    base: Sequence[StrPath] | None = None,
    threads: int | None = None,
    progress: Progress = None,
) -> int:
    """As `ecf8.verify`."""

def inspect(path: StrPath) -> str:
    """As `ecf8.inspect`, as JSON."""

def is_container(path: StrPath) -> bool:
    """As `ecf8.is_container`."""

def run_cli(args: Sequence[str]) -> int:
    """Runs the command `ecf8` with these arguments and gives its exit status: 0, 1 if data are wrong, 2 if the request is.

    For a process that does nothing else: signals are handled as the command needs it.
    """
