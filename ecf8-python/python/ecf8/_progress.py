"""Telling how far long work is."""

from __future__ import annotations

import sys
from collections.abc import Callable

Progress = bool | Callable[[str, int, int], object]
"""True for a line on standard error, or a function of what is done (a text), bytes done and bytes in all."""


def function_of(progress: Progress) -> Callable[[str, int, int], object] | None:
    """The function that the compiled module calls, if there is one."""
    if progress is True:
        return _Line()
    return progress or None


class _Line:
    """One line on standard error, which is written over."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        share = done / total if total else 1.0
        text = f"{what} [{'=' * int(30 * share):30}] {done / 1e9:.2f}/{total / 1e9:.2f} GB"
        sys.stderr.write("\r" + text.ljust(self._width))
        if done == total:
            sys.stderr.write("\n")
        sys.stderr.flush()
        self._width = 0 if done == total else len(text)
