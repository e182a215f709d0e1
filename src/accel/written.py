"""Writing a file that others read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .errors import ArgumentError


def write_whole(path: str | Path, text: str) -> None:
    """Writes a text in UTF-8 whole or not at all: a reader never sees a half, and a crash leaves the old file.

    Raises ArgumentError where it cannot be written.
    """
    target = Path(path)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}.", suffix=".partial", delete=False
        ) as file:
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                file.close()  # Windows replaces nothing by a file that is open
                os.chmod(file.name, 0o644)  # the file is made to be shared
                os.replace(file.name, target)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be written: {error.strerror}") from None
