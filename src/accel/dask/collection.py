"""`accel.dask.Array`: a collection of Dask's, whose chunks are arrays on the devices of the processes that compute."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from dask.array.optimization import optimize
from dask.base import DaskMethodsMixin
from dask.threaded import get as threaded

from .. import registry
from ..array import Array as Memory
from ..dtypes import DType
from ..errors import ArgumentError, ShapeError
from ..layout import Shape
from ..operators import BINARY, EQUALITY, ORDER, UNARY
from ..ops.primitive.pointwise import clip
from ..ops.views import permute_dims, reshape, squeeze
from . import cluster, work
from .chunks import Chunks, normalized
from .grid import Grid, Layer
from .movement import rechunked
from .parts import grid_of
from .recorder import described, written


class Array(DaskMethodsMixin):
    """An n-dimensional array in chunks, which is computed when it is asked for, with the bits of accel on one array.

    Made by `from_array` and its kin, and by every function of this package; not by its constructor. Operators, methods
    and functions are those of `accel.Array` and `accel`. Dask's ``compute``, ``persist`` and ``visualize`` serve, as
    methods and as functions: `compute` gives an `accel.Array` on the default device of this process.
    """

    __slots__ = ("grid",)
    __array_priority__ = 2000  # NumPy's and accel's operators leave mixed expressions to this one's
    __array_ufunc__ = None  # as do NumPy's functions, which would compute the elements, and refuse
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    # attributes

    @property
    def chunks(self) -> Chunks:
        """Lengths of the chunks along each axis."""
        return self.grid.chunks

    @property
    def numblocks(self) -> Shape:
        """Chunks along each axis."""
        return self.grid.counts

    @property
    def npartitions(self) -> int:
        """Chunks."""
        return prod(self.grid.counts)

    @property
    def dtype(self) -> DType:
        """The dtype of the elements."""
        return self.grid.dtype

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return self.grid.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.grid.chunks)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.grid.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"accel.dask.Array(shape={self.shape}, dtype={self.dtype}, chunks={self.chunks})"

    def __len__(self) -> int:
        if not self.chunks:
            raise ArgumentError("len() of an array without axes")
        return self.shape[0]

    # Dask's protocol of collections

    def __dask_graph__(self) -> Any:
        return self.grid.graph

    def __dask_layers__(self) -> Sequence[str]:
        return (self.grid.name,)

    def __dask_keys__(self) -> list[Any]:
        return [(self.grid.name, *place) for place in self.grid.places()]

    def __dask_tokenize__(self) -> Any:
        return self.grid.name

    __dask_optimize__ = staticmethod(optimize)
    __dask_scheduler__ = staticmethod(threaded)

    def __dask_postcompute__(self) -> Any:
        cluster.before_computing()
        return _assembled, (self.grid.counts,)

    def __dask_postpersist__(self) -> Any:
        cluster.before_computing()
        return _rebuilt, (self.grid.name, self.chunks, self.dtype)

    # elements

    def to_numpy(self, **options: Any) -> np.ndarray:
        """The elements as a NumPy array, computed now. options: those of `compute`."""
        (found,) = _computed(Array(_on_host(self.grid)), **options)
        return found  # type: ignore[no-any-return]

    numpy = to_numpy

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("copy=False: the elements are computed now")
        made = self.to_numpy()
        return made if dtype is None else made.astype(dtype)

    def item(self) -> bool | int | float | complex:
        """The one element as a Python scalar, computed now. Raises ShapeError."""
        if self.size != 1:
            raise ShapeError(f"item: expected one element, got shape {self.shape}")
        return self.to_numpy().reshape(-1)[0].item()  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())  # type: ignore[arg-type]

    def __float__(self) -> float:
        return float(self.item())  # type: ignore[arg-type]

    def rechunk(self, chunks: Any) -> Array:
        """The same elements in other chunks, said as in `from_array`; in a dict, by axis. Raises ShapeError,
        ArgumentError."""
        return Array(rechunked(self.grid, normalized("rechunk", chunks, self.shape, self.dtype, self.chunks)))

    def __setitem__(self, key: Any, value: Any) -> None:
        """As of `accel.Array`, of which chunks are made anew: arrays that were made of this one before stay as they
        are. key: numbers, slices and arrays of positions."""
        found: list[Array] = []
        self.grid = written(self.grid, _entered(key, found), _entered(value, found))

    def __getitem__(self, key: Any) -> Array:
        return _item(self, key)  # type: ignore[no-any-return]

    @property
    def T(self) -> Array:
        """The transpose of a matrix."""
        return _transposed(self)  # type: ignore[no-any-return]

    @property
    def mT(self) -> Array:
        """The last two axes exchanged."""
        return _matrices_transposed(self)  # type: ignore[no-any-return]

    def reshape(self, *shape: Any) -> Array:
        """`accel.reshape`; shape: lengths, or one tuple of them."""
        return lifted(reshape)(self, shape[0] if len(shape) == 1 else shape)  # type: ignore[no-any-return]

    def transpose(self, *axes: Any) -> Array:
        """The axes in this order, or in the reverse one."""
        given = (axes[0] if len(axes) == 1 else axes) if axes else tuple(reversed(range(self.ndim)))
        return lifted(permute_dims)(self, given)  # type: ignore[no-any-return]

    def squeeze(self, axis: Any = None) -> Array:
        """Without these axes of length 1; None: without all of them."""
        axes = tuple(a for a, n in enumerate(self.shape) if n == 1) if axis is None else axis
        return lifted(squeeze)(self, axes)  # type: ignore[no-any-return]

    def astype(self, dtype: Any) -> Array:
        """`accel.astype` of the array."""
        return lifted(registry.OPS["astype"].function)(self, dtype)  # type: ignore[no-any-return]

    def clip(self, min: Any = None, max: Any = None) -> Array:
        """`accel.clip` of the array."""
        return lifted(clip)(self, min, max)  # type: ignore[no-any-return]


def _assembled(results: Sequence[Any], counts: Shape) -> Any:
    """What Dask computed, as one array: of accel, or of NumPy where chunks were."""
    parts = list(map(work.arrived, results))
    if not isinstance(parts[0], np.ndarray):
        return work.assembled(counts, *parts)
    for axis in reversed(range(len(counts))):
        n = counts[axis]
        parts = [np.concatenate(parts[i : i + n], axis=axis) if n > 1 else parts[i] for i in range(0, len(parts), n)]
    return parts[0]


def _rebuilt(graph: Any, name: str, chunks: Chunks, dtype: DType, *, rename: dict[str, str] | None = None) -> Array:
    from dask.highlevelgraph import HighLevelGraph

    named = (rename or {}).get(name, name)
    if not isinstance(graph, HighLevelGraph):
        graph = HighLevelGraph.from_collections(named, graph, dependencies=())
    return Array(Grid(named, chunks, dtype, graph))


def _computed(*arrays: Array, **options: Any) -> tuple[Any, ...]:
    import dask

    return dask.compute(*arrays, **options)  # type: ignore[no-any-return]


def _on_host(x: Grid) -> Grid:
    """The chunks as NumPy arrays, which any process can take."""
    layer = Layer("host", x.chunks, x.dtype, (x,))
    for place in x.places():
        layer.put(place, work.to_host, x.ref(place))
    return layer.grid()


def lifted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of accel's arrays as one of chunked ones, beside which there may be arrays in memory and numbers."""

    @functools.wraps(function)
    def called(*arguments: Any, **keywords: Any) -> Any:
        found: list[Array] = []
        given = [_entered(x, found) for x in arguments]
        named = {name: _entered(x, found) for name, x in keywords.items()}
        if not found:
            name = getattr(function, "__name__", "the function")
            raise ArgumentError(f"{name}: expected a chunked array among the arguments; from_array makes one")
        return _left(described(function, *given, **named))

    return called


def _entered(x: Any, found: list[Array]) -> Any:
    if isinstance(x, Array):
        found.append(x)
        return x.grid.array()
    if type(x) in (tuple, list):
        return type(x)(_entered(item, found) for item in x)
    if isinstance(x, Memory) and not x.device.host:
        return Memory.to_device(x, "cpu")  # type: ignore[attr-defined]
    return x


def _left(x: Any) -> Any:
    if isinstance(x, Memory):
        return Array(grid_of(x))
    if isinstance(x, (tuple, list)):
        made = [_left(item) for item in x]
        return type(x)(*made) if hasattr(x, "_fields") else type(x)(made)
    return x


_item = lifted(lambda x, key: x[key])
_transposed = lifted(lambda x: x.T)
_matrices_transposed = lifted(lambda x: x.mT)


def _method(op: str) -> Callable[..., Any]:
    function = lifted(registry.OPS[op].function)

    def method(self: Array, axis: Any = None, **keywords: Any) -> Any:
        return function(self, axis=axis, **keywords)

    method.__name__ = op
    method.__doc__ = f"`accel.{op}` of the array; the axis may be given by position."
    return method


for _name in ("sum", "prod", "mean", "std", "var", "max", "min", "any", "all", "argmax", "argmin"):
    setattr(Array, _name, _method(_name))


def _taken(other: Any) -> bool:
    return isinstance(other, (Array, Memory, np.ndarray, np.generic, bool, int, float, complex))


def _binary(op: str, swapped: bool = False) -> Callable[[Array, Any], Any]:
    function = lifted(registry.OPS[op].function)

    def method(self: Array, other: Any) -> Any:
        if not _taken(other):
            return NotImplemented
        return function(other, self) if swapped else function(self, other)

    return method


def _unary(op: str) -> Callable[[Array], Any]:
    function = lifted(registry.OPS[op].function)
    return lambda self: function(self)


for _name, _op in {**BINARY, **EQUALITY, **ORDER}.items():
    setattr(Array, f"__{_name}__", _binary(_op))
for _name, _op in BINARY.items():
    setattr(Array, f"__r{_name}__", _binary(_op, swapped=True))
for _name, _op in UNARY.items():
    setattr(Array, f"__{_name}__", _unary(_op))
