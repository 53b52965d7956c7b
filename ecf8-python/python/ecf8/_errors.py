"""The errors of ecf8, apart from those that Python has already: OSError for files, KeyError for names, MemoryError."""

import os


class Error(ValueError):
    """Something is wrong with a container, or with what was asked of it. `path` and `tensor` say where, if that is known."""

    path: str | None
    tensor: str | None

    def __init__(self, message: str, path: str | os.PathLike | None = None, tensor: str | None = None):
        super().__init__(message)
        self.path = None if path is None else os.fspath(path)
        self.tensor = tensor

    def __reduce__(self):
        return type(self), (str(self), self.path, self.tensor)


class Damaged(Error):
    """Bytes are not those that were written: fetch or make the file again."""


class NotAContainer(Error):
    """The file is plain safetensors, not compressed by ecf8."""


for _class in (Error, Damaged, NotAContainer):
    _class.__module__ = "ecf8"
