"""What became of files that were compressed or restored."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from typing import Any


@dataclass(frozen=True)
class Report:
    """What became of a file or of a folder's files."""

    input_bytes: int
    """Bytes of all `.safetensors` files read."""
    output_bytes: int
    """Bytes of all `.safetensors` files written."""
    files: list[dict[str, Any]]
    """Of each `.safetensors` file: name, input_bytes, output_bytes, compressed_tensors, kept_tensors, and kept: by dtype, why."""
    copied: list[str] = field(default_factory=list)
    """Other files of a folder, copied as they are."""
    copied_bytes: int = 0
    """Their bytes."""
    unchecked: list[str] = field(default_factory=list)
    """Of a restored folder, files of which nothing is known, so that they could not be checked."""
    skipped: list[str] = field(default_factory=list)
    """Tuning caches, which are not restored."""
    lost: list[str] = field(default_factory=list)
    """What was not restored of a damaged file or folder, a sentence each."""
    notes: list[str] = field(default_factory=list)
    """What one should know and is no error, each on one line."""

    @classmethod
    def of_json(cls, text: str) -> Report:
        """A report as the compiled module writes it."""
        return cls(**json.loads(text))

    @property
    def ratio(self) -> float:
        """Output by input bytes; 1.0 without any input."""
        return self.output_bytes / self.input_bytes if self.input_bytes else 1.0

    def __str__(self) -> str:
        compressed = sum(file["compressed_tensors"] for file in self.files)
        kept = sum(file["kept_tensors"] for file in self.files)
        return (
            f"{self.input_bytes:,} -> {self.output_bytes:,} bytes ({self.ratio:.4f}); "
            f"{compressed} tensors compressed, {kept} kept as they are"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(file['name'])}</td><td>{file['input_bytes']:,}</td><td>{file['output_bytes']:,}</td>"
            f"<td>{file['compressed_tensors']}</td><td>{file['kept_tensors']}</td></tr>"
            for file in self.files
        )
        return (
            f"<p>{escape(str(self))}</p><table><tr><th>file</th><th>bytes read</th><th>bytes written</th>"
            f"<th>tensors compressed</th><th>kept</th></tr>{rows}</table>"
        )
