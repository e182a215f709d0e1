"""The journal of a run: JSON lines beside the result file, each on the disk before the run goes on.

Its first line says what is run. A process or machine that dies in the middle of a write leaves a last line without its
end, which is dropped; every whole line counts.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TextIO

from ...errors import AccelError, ArgumentError
from ...system import require_posix


class OtherRunError(AccelError, ValueError):
    """The journal belongs to a run of something else."""


class Journal:
    """An open journal, locked against a second run. entries: its lines but for the first, as they were written."""

    def __init__(self, path: Path, file: TextIO, head: dict[str, Any], entries: list[dict[str, Any]]) -> None:
        self.path, self._file, self.head, self.entries = path, file, head, entries

    @classmethod
    def create(cls, path: Path, head: dict[str, Any]) -> Journal:
        """A new journal. Raises ArgumentError where there is one, or where the folder cannot be written to;
        UnsupportedError on Windows."""
        require_posix("accel bench run")
        try:
            file = path.open("x", encoding="utf-8")
        except FileExistsError:
            raise ArgumentError(
                f"{path.name} is there, the journal of an interrupted run; continue it with --resume, or remove it"
            ) from None
        except OSError as error:
            raise ArgumentError(
                f"{path}: the journal cannot be written: {error.strerror}; name a file in another folder (-o)"
            ) from None
        _lock(file, path)
        journal = cls(path, file, head, [])
        journal._write({"head": head})
        _sync_folder(path.parent)
        return journal

    @classmethod
    def resume(cls, path: Path, head: dict[str, Any] | None) -> Journal:
        """The journal of an interrupted run, at its end. A journal that has not even its first line starts anew.

        head: None takes any. Raises ArgumentError where there is none, where a whole line is damaged, or where any head
        would do and it has none; OtherRunError where its head is another; UnsupportedError on Windows.
        """
        require_posix("accel bench run")
        try:
            file = path.open("r+", encoding="utf-8", newline="")
        except FileNotFoundError:
            raise ArgumentError(f"there is no {path.name}: no interrupted run to resume") from None
        except OSError as error:
            raise ArgumentError(f"{path}: the journal cannot be opened: {error.strerror}") from None
        _lock(file, path)
        lines, size = whole_lines(path)
        file.truncate(size)
        file.seek(size)
        if not lines:
            if head is None:
                file.close()
                raise ArgumentError(f"{path.name}: nothing was measured")
            journal = cls(path, file, head, [])
            journal._write({"head": head})
            return journal
        theirs = lines[0].get("head")
        if head is not None and theirs != head:
            file.close()
            raise OtherRunError(f"{path.name} is the journal of another run: {difference(theirs, head)}")
        return cls(path, file, theirs, lines[1:])

    def append(self, entry: dict[str, Any]) -> None:
        """Adds a line, which is on the disk on return."""
        self._write(entry)
        self.entries.append(entry)

    def close(self) -> None:
        """Leaves the file for a later `resume`."""
        self._file.close()

    def remove(self) -> None:
        """Ends the journal of a run whose result is written."""
        self.path.unlink(missing_ok=True)
        self._file.close()

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry, allow_nan=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def whole_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The lines of a journal that were written to their end, and their bytes together.

    Raises ArgumentError for one that is no JSON object, which an interrupted write cannot leave."""
    data = path.read_bytes()
    size = data.rfind(b"\n") + 1
    found = []
    for number, line in enumerate(data[:size].splitlines(), 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise ArgumentError(f"{path.name}: line {number} is damaged: expected a JSON object")
        found.append(entry)
    return found, size


def difference(theirs: Any, ours: dict[str, Any]) -> str:
    """What two heads differ in, for a message."""
    if not isinstance(theirs, dict):
        return "its first line does not say of which"
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    return "; ".join(f"{key}: it has {theirs.get(key)!r}, this run {ours.get(key)!r}" for key in keys)


def _lock(file: TextIO, path: Path) -> None:
    import fcntl  # which Windows has not

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ArgumentError(f"{path.name} is in use: another run writes to it") from None


def _sync_folder(folder: Path) -> None:
    """Makes a new file's name last, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
