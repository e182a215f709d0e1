"""Where chunked arrays come from: arrays in memory, tasks of the user's, files; and files that they go to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from dask.delayed import Delayed
from dask.task_spec import TaskRef
from dask.tokenize import tokenize

from ..arguments import integers
from ..array import Array as Memory
from ..conversion import to_numpy
from ..creation import asarray as in_memory
from ..dtypes import FLOAT32, as_dtype, check_scalar
from ..errors import ArgumentError, FileError, ShapeError, shown
from ..files import RAW
from . import work
from .chunks import Chunks, normalized
from .collection import Array
from .grid import Grid, Layer, begins


def _boxes(chunks: Chunks) -> list[tuple[tuple[int, ...], tuple[tuple[int, int], ...]]]:
    """Places, and from where to where each chunk goes along each axis."""
    grid = Grid("", chunks, FLOAT32, None)
    return [
        (place, tuple((at, at + n) for at, n in zip(begin, grid.lengths(place), strict=True)))
        for place, begin in begins(grid).items()
    ]


def from_array(x: Any, chunks: Any = "auto", *, dtype: Any = None) -> Array:
    """An array in memory, cut into chunks, which are copied: what is written to x later changes nothing.

    x: an array of any kind that `accel.asarray` takes, or nested lists. chunks: a length, a length or lengths for each
    axis, -1 or None for whole axes, "auto" (of Dask's setting array.chunk-size), or bytes such as "64 MiB". dtype: to
    which x is cast first. Each chunk is moved to the device of the process that computes with it.
    Raises ShapeError for chunks that do not fill x or whose lengths are unknown, DtypeError, ArgumentError.
    """
    if isinstance(x, Array):
        made = x if dtype is None else x.astype(dtype)
        return made if chunks == "auto" else made.rechunk(chunks)
    array = x if isinstance(x, Memory) and dtype is None else in_memory(x, dtype=dtype, device="cpu")
    its = array.dtype
    elements = np.array(to_numpy(array), copy=True)
    cut = normalized("from_array", chunks, array.shape, its)
    layer = Layer("array", cut, its, (), tokenize(elements.reshape(-1).view(np.uint8), elements.shape))
    for place, spans in _boxes(cut):
        layer.put(place, work.chunk, elements[tuple(slice(*span) for span in spans)], its.name)
    return Array(layer.grid())


def asarray(x: Any, /, *, dtype: Any = None, chunks: Any = "auto") -> Array:
    """`from_array`; a chunked array is itself."""
    return from_array(x, chunks, dtype=dtype)


def from_delayed(parts: Any, chunks: Any, dtype: Any) -> Array:
    """Chunks that tasks of the user's make, as `dask.delayed` gives them.

    parts: a Delayed, or nested lists of them, a level for each axis. chunks: lengths of the chunks along each axis, as
    ((2, 2), (3, 1)). dtype: of all of them. What a task gives is an array on the worker's own device, or a NumPy array;
    its shape and dtype are looked at when it is there.
    Raises ShapeError where parts do not lie as chunks say, DtypeError, ArgumentError.
    """
    its = as_dtype(dtype, "from_delayed: dtype")
    if not isinstance(chunks, (tuple, list)) or not all(isinstance(c, (tuple, list)) for c in chunks):
        raise ShapeError(
            f"from_delayed: chunks: expected the lengths of chunks along each axis, as ((2, 2), (3,)), got "
            f"{shown(chunks)}; unknown lengths cannot be computed with"
        )
    unknown = any(isinstance(n, float) for lengths in chunks for n in lengths)
    if unknown:
        raise ShapeError(f"from_delayed: chunks: {shown(chunks)} has unknown lengths; say how long every chunk is")
    plain = tuple(integers("from_delayed", "chunks", tuple(lengths)) for lengths in chunks)
    cut = normalized("from_delayed", plain, tuple(map(sum, plain)), its)
    flat = _flat(parts, tuple(map(len, cut)))
    layer = Layer("delayed", cut, its, (), [part.key for part in flat])
    for (place, spans), part in zip(_boxes(cut), flat, strict=True):
        shape = tuple(stop - start for start, stop in spans)
        layer.put(place, work.checked, TaskRef(part.key), place, shape, its.name)
    return Array(layer.grid(flat))


def _flat(parts: Any, counts: tuple[int, ...]) -> list[Delayed]:
    """The tasks, row-major. Raises ShapeError, ArgumentError."""
    if not counts:
        if not isinstance(parts, Delayed):
            raise ArgumentError(f"from_delayed: parts: expected what dask.delayed gives, got {shown(parts)}")
        return [parts]
    if not isinstance(parts, (tuple, list)) or len(parts) != counts[0]:
        given = f"one of {len(parts)}" if isinstance(parts, (tuple, list)) else type(parts).__qualname__
        raise ShapeError(f"from_delayed: parts: expected a list of {counts[0]} at this level, got {given}")
    return [found for part in parts for found in _flat(part, counts[1:])]


def from_npy(path: Any, chunks: Any = "auto") -> Array:
    """A .npy file, of which each task reads its own part; every worker must see the file at this path.

    chunks: as in `from_array`. bfloat16 is read as `accel.load` does. Raises FileError, OSError, ShapeError,
    DtypeError.
    """
    name = os.path.abspath(os.fspath(path))
    try:
        mapped = np.load(name, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise FileError(f"from_npy: {name}: {error}") from None
    if not isinstance(mapped, np.ndarray):
        raise FileError(f"from_npy: {name}: expected a .npy file with one array")
    its = as_dtype("bfloat16" if mapped.dtype == RAW else mapped.dtype, "from_npy")
    cut = normalized("from_npy", chunks, mapped.shape, its)
    layer = Layer("npy", cut, its, (), name, os.stat(name).st_mtime_ns)
    for place, spans in _boxes(cut):
        layer.put(place, work.read_npy, name, spans, its.name)
    return Array(layer.grid())


def to_npy(x: Array, path: Any) -> None:
    """Computes an array and writes it to a .npy file, each task its own part; every worker must see the path. Raises
    ArgumentError, OSError."""
    if not isinstance(x, Array):
        raise ArgumentError(f"to_npy: x: expected a chunked array, got {shown(x)}")
    name = os.path.abspath(os.fspath(path))
    np.lib.format.open_memmap(name, mode="w+", dtype=x.dtype.numpy, shape=x.shape).flush()
    layer = Layer("to-npy", tuple((1,) * len(c) for c in x.chunks), x.dtype, (x.grid,), name)
    for place, begin in begins(x.grid).items():
        layer.put(place, work.write_npy, name, begin, x.grid.ref(place))
    import dask

    dask.compute(Written(layer.grid()))


class Written(Array):
    """Chunks that were written: how many bytes of each."""

    __slots__ = ()

    def __dask_postcompute__(self) -> Any:
        super().__dask_postcompute__()
        return sum, ()


def from_zarr(store: Any, chunks: Any = None, *, path: str | None = None) -> Array:
    """A Zarr array, of which each task reads its own part: needs the package zarr.

    store: a zarr.Array, or what zarr.open_array takes; path: of the array in it. chunks: as in `from_array`; None: the
    array's own. Raises ImportError, ShapeError, DtypeError.
    """
    import zarr

    array = store if isinstance(store, zarr.Array) else zarr.open_array(store, mode="r", path=path)
    its = as_dtype(array.dtype, "from_zarr")
    cut = normalized("from_zarr", array.chunks if chunks is None else chunks, tuple(array.shape), its)
    layer = Layer("zarr", cut, its, (), str(array.store), array.path)
    for place, spans in _boxes(cut):
        layer.put(place, work.read_zarr, array, spans, its.name)
    return Array(layer.grid())


def full(shape: int | Sequence[int], fill_value: Any, *, dtype: Any = None, chunks: Any = "auto") -> Array:
    """An array of one number, which workers make. dtype: by default what the number is, as in `accel.full`. Raises
    ShapeError, DtypeError, RangeError."""
    lengths = integers("full", "shape", shape)
    if not isinstance(fill_value, (bool, int, float, complex)) or isinstance(fill_value, np.generic):
        raise ArgumentError(f"full: fill_value: expected a Python number, got {shown(fill_value)}")
    its = as_dtype(
        {bool: "bool", int: "int64", float: "float32", complex: "complex64"}[type(fill_value)]
        if dtype is None
        else dtype,
        "full",
    )
    check_scalar(fill_value, its, "full: fill_value")
    if any(n < 0 for n in lengths):
        raise ShapeError(f"full: shape: expected no negative length, got {shown(lengths)}")
    cut = normalized("full", chunks, lengths, its)
    number = work.Number(fill_value, its.name)
    layer = Layer("full", cut, its, (), number)
    for place, spans in _boxes(cut):
        layer.put(place, work.full, tuple(stop - start for start, stop in spans), number)
    return Array(layer.grid())


def zeros(shape: int | Sequence[int], *, dtype: Any = FLOAT32, chunks: Any = "auto") -> Array:
    """`full` of 0."""
    return full(shape, False if as_dtype(dtype, "zeros").kind == "b" else 0, dtype=dtype, chunks=chunks)


def ones(shape: int | Sequence[int], *, dtype: Any = FLOAT32, chunks: Any = "auto") -> Array:
    """`full` of 1."""
    return full(shape, True if as_dtype(dtype, "ones").kind == "b" else 1, dtype=dtype, chunks=chunks)
