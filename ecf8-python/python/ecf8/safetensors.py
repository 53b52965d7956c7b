"""`safetensors.safe_open` for containers, and `patch`, by which programs that use safetensors read containers, too."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from safetensors import safe_open as _plain

from . import _dtypes
from ._ecf8 import File
from ._errors import Error, NotAContainer

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Slice", "patch", "patched", "safe_open"]

# Bytes of tensors that are decoded together.
_BATCH = 1 << 30


class _Numpy:
    """Arrays of numpy."""

    def room(self, nbytes: int) -> tuple[Any, np.ndarray]:
        """Memory for a tensor, and the same as an array of bytes."""
        import numpy as np

        data = np.empty(nbytes, np.uint8)
        return data, data

    def made(self, data: Any, dtype: str, shape: list[int]) -> Any:
        """The array that such memory is."""
        return data.view(_dtypes.numpy_dtype(dtype)).reshape(shape)

    def whole(self, part: Any) -> Any:
        """The same numbers without others in between."""
        return part.copy(order="C")


class _Torch:
    """Tensors of torch on some device; they are decoded on the CPU."""

    def __init__(self, device: Any):
        self.device = f"cuda:{device}" if isinstance(device, int) else device

    def room(self, nbytes: int) -> tuple[Any, np.ndarray]:
        """Memory for a tensor, and the same as an array of bytes."""
        import torch

        # On the CPU also where the caller's tensors are made on another device, or on none.
        data = torch.empty(nbytes, dtype=torch.uint8, device="cpu")
        return data, data.numpy()

    def made(self, data: Any, dtype: str, shape: list[int]) -> Any:
        """The tensor that such memory is."""
        kind = _dtypes.torch_dtype(dtype)
        if dtype in _dtypes.PACKED:
            shape = [*shape[:-1], shape[-1] // 2]
        return data.view(kind).reshape(shape).to(self.device)

    def whole(self, part: Any) -> Any:
        """The same numbers without others in between."""
        import torch

        return part.clone(memory_format=torch.contiguous_format)


def _framework(name: str, device: Any) -> _Numpy | _Torch:
    name = str(name)
    if name in ("pt", "torch", "pytorch"):
        return _Torch(device)
    if name in ("np", "numpy"):
        return _Numpy()
    raise ValueError(f'a container is read with framework "pt" or "np", not {name!r}')


class safe_open:
    """An opened file of tensors, read as with `safetensors.safe_open`: a container's tensors are decoded when they are asked
    for. A plain safetensors file is opened by safetensors itself.

    framework: "pt" for tensors of torch, "np" for arrays of numpy.
    device: where torch's tensors go, for example "cuda:0"; they are decoded on the CPU.
    backend: for plain files only, see safetensors.

    Raises OSError, Damaged, or Error; for names KeyError. May be shared between threads and processes, copied and pickled.
    """

    # safetensors has the last word on plain files, so what it opens is its own object.
    def __new__(cls, filename: str | os.PathLike[str], framework: str = "pt", device: Any = "cpu", **options: Any) -> Any:
        try:
            file = File(filename)
        except NotAContainer:
            return _plain(filename, framework, device, **options)
        except Error:
            plain = _opened_plain(filename, framework, device, options)
            if plain is None:
                raise
            return plain
        if unknown := options.keys() - {"backend"}:
            raise TypeError(f"safe_open has no option {min(unknown)!r}")
        self = super().__new__(cls)
        self._arguments = (os.fspath(filename), framework, device)
        self._tensors = _framework(framework, device)
        self._opened = file
        return self

    @property
    def _file(self) -> File:
        if self._opened is None:
            raise Error(f"{self._arguments[0]} is closed", self._arguments[0])
        return self._opened

    def keys(self) -> list[str]:
        """The names of the tensors, sorted."""
        return sorted(self._file.names())

    def offset_keys(self) -> list[str]:
        """The names of the tensors, in the order of the original's data."""
        return self._file.names()

    def metadata(self) -> dict[str, str] | None:
        """The original's metadata; None if there is none."""
        return self._file.metadata()

    def get_tensor(self, name: str) -> Any:
        """A tensor, decoded and checked."""
        return self.get_slice(name)[...]

    def get_tensors(self) -> dict[str, Any]:
        """All tensors by name, in the order of the original's data."""
        file, tensors, names = self._file, {}, deque(self.offset_keys())
        while names:
            batch, nbytes = [], 0
            while names and (not batch or nbytes + file.nbytes(names[0]) <= _BATCH):
                name = names.popleft()
                nbytes += file.nbytes(name)
                batch.append((name, *self._tensors.room(file.nbytes(name))))
            file.decode_all_into([(name, out) for name, _, out in batch])
            for name, data, _ in batch:
                tensors[name] = self._tensors.made(data, file.dtype(name), file.shape(name))
        return tensors

    def get_slice(self, name: str) -> Slice:
        """A tensor that is decoded as far as it is indexed."""
        return Slice(self._file, name, self._tensors)

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def __repr__(self) -> str:
        path, framework, device = self._arguments
        return f"ecf8.safe_open({path!r}, framework={framework!r}, device={device!r})"


class Slice:
    """A tensor of a container, decoded when it is indexed, and only the rows that are asked for.

    It stays good when its file was closed, and may be copied and pickled.
    """

    def __init__(self, file: File, name: str, tensors: _Numpy | _Torch):
        self._file, self._name, self._tensors = file, name, tensors
        self._dtype, self._shape, self._nbytes = file.dtype(name), file.shape(name), file.nbytes(name)

    def get_shape(self) -> list[int]:
        """The tensor's dimensions, as safetensors counts them."""
        return list(self._shape)

    def get_dtype(self) -> str:
        """The tensor's dtype as safetensors calls it, for example "BF16"."""
        return self._dtype

    def __getitem__(self, index: Any) -> Any:
        """Part of the tensor, or with `...` all of it, by an index as torch or numpy take it."""
        index = index if isinstance(index, tuple) else (index,)
        rows = self._rows(index)
        if rows is None:
            tensor = self._all()
            return tensor if index == (...,) or not index else self._tensors.whole(tensor[index])
        part = self._some(rows)
        rest = index[1:]
        if isinstance(index[0], slice):
            return self._tensors.whole(part[(slice(None), *rest)]) if rest else part
        return self._tensors.whole(part[(0, *rest)])

    def _rows(self, index: tuple[Any, ...]) -> range | None:
        """The rows in which all is that is asked for, unless these are all, or cannot be told."""
        if not index or not self._shape or self._nbytes == 0:
            return None
        first, count = index[0], self._shape[0]
        if isinstance(first, slice):
            rows = range(*first.indices(count))
            rows = rows if rows.step == 1 and len(rows) < count else None
        elif isinstance(first, int) and not isinstance(first, bool) and -count <= first < count:
            rows = range(first % count, first % count + 1)
        else:
            rows = None
        # Rows of numbers that are smaller than a byte may share one.
        return rows if self._nbytes % count == 0 else None

    def _all(self) -> Any:
        data, out = self._tensors.room(self._nbytes)
        self._file.decode_into(self._name, out)
        return self._tensors.made(data, self._dtype, self._shape)

    def _some(self, rows: range) -> Any:
        row = self._nbytes // self._shape[0]
        data, out = self._tensors.room(len(rows) * row)
        self._file.decode_range_into(self._name, rows.start * row, out)
        return self._tensors.made(data, self._dtype, [len(rows), *self._shape[1:]])

    def __reduce__(self) -> tuple[Any, ...]:
        return Slice, (self._file, self._name, self._tensors)

    def __repr__(self) -> str:
        return f"ecf8.Slice({self._name!r}, {self._dtype} {self._shape})"


def _opened_plain(filename: Any, framework: str, device: Any, options: dict[str, Any]) -> Any:
    """A file that ecf8 finds wrong, opened by safetensors if that finds it right and it is no container."""
    try:
        plain = _plain(filename, framework, device, **options)
        return None if "ecf8" in (plain.metadata() or {}) else plain
    except Exception:
        return None


_lock = threading.Lock()
# How many want safetensors' users to have ours.
_wanted = 0
_is_patched_for_good = False


def patch() -> list[str]:
    """From now on, all programs that use `safetensors.safe_open` read containers, too; gives the modules that were changed.

    A module that holds safetensors' own gets ours instead, and so does who imports it later; plain files are read as before.
    """
    global _is_patched_for_good
    with _lock:
        is_first, _is_patched_for_good = not _is_patched_for_good, True
    return _want(1 if is_first else 0)


@contextmanager
def patched() -> Iterator[list[str]]:
    """The same within a `with` block."""
    changed = _want(1)
    try:
        yield changed
    finally:
        _want(-1)


def _want(more: int) -> list[str]:
    global _wanted
    with _lock:
        _wanted += more
        return _replace(_plain, safe_open) if _wanted else _replace(safe_open, _plain)


def _replace(old: Any, new: Any) -> list[str]:
    """Puts one object into the place of another in all modules but ours; gives the modules' names."""
    changed = []
    for module_name, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict) or module_name.partition(".")[0] == "ecf8":
            continue
        held = [name for name, value in list(names.items()) if value is old]
        for name in held:
            setattr(module, name, new)
        if held:
            changed.append(module_name)
    return sorted(changed)
