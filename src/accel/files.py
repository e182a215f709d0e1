"""Arrays in files: `save`, `savez` and `load`, in NumPy's formats .npy and .npz, as NumPy itself writes and reads them.

bfloat16 is what NumPy makes of ml_dtypes' arrays: elements of two bytes without a meaning (``V2``), which `load` takes
for bfloat16, and which in NumPy ``numpy.load(file).view(ml_dtypes.bfloat16)`` gives back. Pickles are neither written
nor read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import interop
from ._core import FloatEnvironment
from .arguments import word
from .array import Array
from .conversion import from_numpy, to_numpy
from .creation import device_of
from .devices import device as device_named
from .dtypes import BFLOAT16
from .errors import AccelError, ArgumentError, DtypeError, FileError, shown
from .memory import Device, host_memory_for

MODES = ("r", "r+", "c")
RAW = np.dtype("V2")


def save(file: Any, x: Any, /) -> None:
    """Writes an array to a .npy file.

    file: a path, which gets the ending .npy where it has none, or a file that is open for writing bytes. x: an array of
    any kind that accel takes. Raises ArgumentError, and OSError where the file cannot be written.
    """
    _writable("save", file)
    (array,), _ = interop.adopt("save", x=x)
    np.save(_named(file, ".npy"), to_numpy(array), allow_pickle=False)


def savez(file: Any, /, *arrays: Any, **named: Any) -> None:
    """Writes several arrays to a .npz file, by their keywords, or as arr_0, arr_1, … in their order.

    file: as in `save`, with the ending .npz. Raises ArgumentError, and OSError where the file cannot be written.
    """
    _save_several("savez", file, arrays, named, compressed=False)


def savez_compressed(file: Any, /, *arrays: Any, **named: Any) -> None:
    """`savez`, compressed by zip's deflate."""
    _save_several("savez_compressed", file, arrays, named, compressed=True)


def _save_several(op: str, file: Any, arrays: tuple[Any, ...], named: dict[str, Any], compressed: bool) -> None:
    import zipfile  # only here: few programs need it, and it takes milliseconds

    _writable(op, file)
    every = {f"arr_{i}": x for i, x in enumerate(arrays)}
    if twice := every.keys() & named.keys():
        raise ArgumentError(f"{op}: {min(twice)}: that is the name of an array without a keyword")
    parts = {}
    for name, x in (every | named).items():
        (array,), _ = interop.adopt(op, **{name: x})
        parts[name] = to_numpy(array)
    how = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(_named(file, ".npz"), "w", how) as archive:
        for name, part in parts.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, part, allow_pickle=False)


def load(file: Any, /, *, mmap_mode: str | None = None, device: str | Device | None = None) -> Any:
    """The array of a .npy file, or an `Archive` of those of a .npz file.

    file: a path, or a file that is open for reading bytes and can go back.
    mmap_mode: elements are not read but mapped into memory, from the path of a .npy file, as an array on the CPU that
    shares them: ``r``, read-only; ``r+``, what is written goes to the file; ``c``, it stays in memory.
    device: where arrays are, by default the default device.
    Raises FileError where a file is neither, is cut off, or has pickles; DtypeError for dtypes that accel does not
    have; ArgumentError, DeviceError, OutOfMemoryError, and OSError where it cannot be read.
    """
    if mmap_mode is not None:
        return _mapped(file, word("load", "mmap_mode", mmap_mode, MODES), device)
    target = device_of(device)
    if not _is_path(file) and not (hasattr(file, "read") and hasattr(file, "seek")):
        raise ArgumentError(f"load: file: expected a path, or a file that is open for reading, got {shown(file)}")
    with _readable(file):
        found = np.load(file, allow_pickle=False)
    return Archive(file, found, target) if isinstance(found, np.lib.npyio.NpzFile) else _adopted(file, found, target)


class Archive(Mapping[str, Array]):
    """The arrays of a .npz file by name, each read when it is asked for. A context manager, which closes the file."""

    def __init__(self, file: Any, found: Any, target: Device) -> None:
        self._file, self._found, self._target = file, found, target

    def __getitem__(self, name: str) -> Array:
        if name not in self._found.files:
            raise KeyError(name)
        with _readable(self._file):
            part = self._found[name]
        return _adopted(self._file, part, self._target)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found.files)

    def __len__(self) -> int:
        return len(self._found.files)

    def __repr__(self) -> str:
        return f"accel.files.Archive of {', '.join(self) or 'nothing'}"

    def close(self) -> None:
        """Closes the file; arrays that were read stay."""
        self._found.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _mapped(file: Any, mode: str, device: str | Device | None) -> Array:
    target = device_named("cpu" if device is None else device)
    if not target.host:
        raise ArgumentError(f"load: mmap_mode: the memory of {target} is not the host's; load without mmap_mode")
    if not _is_path(file):
        raise ArgumentError(f"load: file: expected a path, as mmap_mode={mode!r} maps a file, got {shown(file)}")
    with _readable(file):
        found = np.lib.format.open_memmap(file, mode)
    return _adopted(file, found, target)


def _adopted(file: Any, found: np.ndarray, target: Device) -> Array:
    if found.dtype == RAW:
        found = found.view(BFLOAT16.numpy)
    try:
        with FloatEnvironment():
            return from_numpy(found, target, argument="load: file")
    except DtypeError as error:
        raise DtypeError(f"{error} ({shown(file)})") from None


@contextmanager
def _readable(file: Any) -> Iterator[None]:
    """Around NumPy's readers: what they raise for bad contents becomes FileError."""
    try:
        with host_memory_for("load: file"):
            yield
    except (AccelError, OSError):
        raise
    except Exception as error:  # whatever parsers of headers and zips raise for bytes that are none
        text = str(error).partition("\n")[0]
        if "pickle" in text or "Object arrays" in text:
            text = "it is neither .npy nor .npz, or holds pickled objects, which are not read"
        raise FileError(f"load: file: {shown(file)}: {text or 'nothing is in it'}") from error


def _is_path(file: Any) -> bool:
    return isinstance(file, (str, os.PathLike)) or (isinstance(file, bytes) and bool(file))


def _writable(op: str, file: Any) -> None:
    if not _is_path(file) and not hasattr(file, "write"):
        raise ArgumentError(f"{op}: file: expected a path, or a file that is open for writing, got {shown(file)}")


def _named(file: Any, ending: str) -> Any:
    """A path with an ending; other files as they are."""
    if not _is_path(file):
        return file
    path = os.fsdecode(file)
    return path if path.endswith(ending) else path + ending
