"""Products of groups of rows, each with a matrix of its own. One primitive, ``grouped_matmul``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...array import Array, Symbol
from ...checks import Check
from ...composition import RECORDER
from ...config import config
from ...conversion import from_numpy, on_host, table
from ...dtypes import FLOATS, INT32, INT64, INTEGERS, UINT64, DType, as_dtype, promote
from ...errors import ArgumentError, DtypeError, ShapeError, shown
from ...graph.bounded import Bounded
from ...layout import Layout
from ..derivative import Cotangents
from ..parameters import Groups, Product
from ..spec import Inferred, OpSpec, Output, Primitive
from .gather import as_positions, checked, look
from .matmul import bits, bound_matmul, canonical_matmul, exact_matmul, result_dtype
from .pointwise import astype, fn
from .reduce import max as largest
from .scan import cumulative_sum

if TYPE_CHECKING:
    from ...graph.bound import Analysis

OP = "grouped_matmul"


def _infer(inputs: tuple[Layout, ...], asked: DType | None) -> Inferred:
    a, b, ends = inputs
    output = result_dtype(OP, a.dtype, asked)
    if ends.ndim != 1 or ends.dtype not in (INT32, INT64):
        raise ShapeError(f"{OP}: ends: expected int32 or int64 of one axis, got {ends}")
    groups, contracted = ends.shape[0], b.ndim == 2
    if a.ndim != 2 or b.ndim not in (2, 3):
        raise ShapeError(f"{OP}: expected x (rows, k) and weights (groups, k, n), or (m, rows) and (rows, n); {a}, {b}")
    if a.shape[1] != b.shape[-2]:
        raise ShapeError(
            f"{OP}: x has shape {a.shape}, weights {b.shape}: {a.shape[1]} columns meet {b.shape[-2]} rows of weights"
        )
    if not contracted and b.shape[0] != groups:
        raise ShapeError(f"{OP}: weights: expected those of {groups} groups, got shape {b.shape}")
    if not contracted and a.shape[0] and not groups:
        raise ShapeError(f"{OP}: x has {a.shape[0]} rows, and there is no group")
    shape = (groups, a.shape[0], b.shape[1]) if contracted else (a.shape[0], b.shape[2])
    return Inferred(((shape, output),), Groups(contracted))


def _adapt(inputs: tuple[Layout, ...], asked: DType | None) -> Callable[..., Array] | None:
    a, b, ends = inputs
    dispatch.one_device(inputs, OP)
    if a.dtype is b.dtype and ends.contiguous:
        return None
    common = promote(a.dtype, b.dtype)
    result_dtype(OP, common, asked)

    def adapted(a: Array, b: Array, ends: Array) -> Array:
        wide = (astype(x, common, copy=False) for x in (a, b))
        result: Array = dispatch.call(GROUPED_MATMUL, (*wide, ends.contiguous()), asked)
        return result

    return adapted


def grouped_matmul(x: Any, weights: Any, counts: Any = None, *, offs: Any = None, dtype: Any = None) -> Any:
    """As `accel.nn.grouped_matmul` has it, of arrays."""
    (a, b), restore = interop.adopt(OP, x=x, weights=weights)
    for name, value, ranks in (("x", a, (2,)), ("weights", b, (3, 2))):
        if not isinstance(value, Array) or value.ndim not in ranks:
            what = value.layout if isinstance(value, Array) else f"the scalar {shown(value)}"
            wanted = "two axes, as (rows, k)" if name == "x" else "(groups, k, n), or (rows, n)"
            raise ShapeError(f"{OP}: {name}: expected {wanted}, got {what}")
    asked = None if dtype is None else as_dtype(dtype, f"{OP}: dtype")
    if a.shape[1] != b.shape[-2]:
        raise ShapeError(
            f"{OP}: x has shape {a.shape}, weights {b.shape}: {a.shape[1]} columns meet {b.shape[-2]} rows of weights"
        )
    groups, rows = (b.shape[0], a.shape[0]) if b.ndim == 3 else (None, a.shape[1])
    ends = ends_of(counts, offs, groups, rows, a)
    if isinstance(ends, list):
        ends = _placed(ends, a)
    return restore(dispatch.call(GROUPED_MATMUL, (a, b, ends), asked))


def ends_of(counts: Any, offs: Any, groups: int | None, rows: int, beside: Array) -> Array | list[int]:
    """Where each of the groups ends, from what says so: a list where it is not on an array's device. groups: how many;
    None: any number. Raises ArgumentError, ShapeError, DtypeError, IndexError."""
    if (counts is None) == (offs is None):
        raise ArgumentError(f"{OP}: expected counts or offs, got {'neither' if counts is None else 'both'}")
    name, given = ("counts", counts) if offs is None else ("offs", offs)
    if isinstance(given, (list, tuple)):
        try:
            numbers = [operator.index(c) for c in given]
        except TypeError:
            raise ArgumentError(f"{OP}: {name}: expected integers, got {shown(given)}") from None
        _same_number(name, len(numbers), groups)
        return _of_host(name, numbers, rows)
    (array,), _ = interop.adopt(OP, **{name: given})
    if not isinstance(array, Array) or array.ndim != 1:
        raise ShapeError(f"{OP}: {name}: expected a vector or a sequence, got {shown(given)}")
    if array.dtype.kind not in "iu":
        raise DtypeError(f"{OP}: {name}: takes integers, got {array.dtype}")
    _same_number(name, array.shape[0], groups)
    if array.device is not beside.device:
        return _of_host(name, on_host(array).tolist(), rows)
    if offs is None:
        ends = cumulative_sum(as_positions(OP, name, array))
        words = f"expected numbers from 0 on that sum to {rows}, the rows in groups"
    else:
        ends = array if array.dtype is INT32 else as_positions(OP, name, array)
        words = f"expected numbers that ascend from 0 to {rows}, the rows in groups"
    check_ends(f"{OP}: {name}: {words}", ends, rows)
    return ends


def _same_number(name: str, have: int, groups: int | None) -> None:
    if groups is not None and have != groups:
        raise ShapeError(f"{OP}: {name}: expected one for each of {groups} groups, got {have}")


def _of_host(name: str, numbers: list[int], rows: int) -> list[int]:
    ends = list(accumulate(numbers)) if name == "counts" else numbers
    if any(b < a for a, b in pairwise([0, *ends])) or (ends[-1] if ends else 0) != rows:
        what = f"numbers from 0 on that sum to {rows}" if name == "counts" else f"numbers that ascend from 0 to {rows}"
        raise ArgumentError(f"{OP}: {name}: expected {what}, the rows in groups, got {numbers}")
    return ends


def _placed(ends: list[int], beside: Array) -> Array:
    """The same on an array's device; a constant of its trace."""
    made, device = partial(np.array, ends, np.int64), beside.device
    if isinstance(beside.buffer, Symbol):
        return table((OP, *ends), made, device)
    return from_numpy(made(), device)


def check_ends(words: str, ends: Array, rows: int) -> None:
    """Has the ends of groups looked at: IndexError where they do not ascend from 0 on to the number of rows. At once or
    later, as `check_positions` does, which this is of differences, in one look."""
    if config.check == "off" or getattr(RECORDER.get(), "run", True) is False:
        return
    off = " one is off by "
    if not ends.size:
        if rows:
            raise IndexError(f"{words};{off}{-rows}")
        return
    if ends.device.host and not isinstance(ends.buffer, Symbol):
        read = on_host(ends).astype(np.int64)
        far = max(*np.diff(read, prepend=0).tolist(), -abs(rows - int(read[-1])), key=lambda step: step % 2**64)
        if not 0 <= far <= rows:
            raise IndexError(f"{words};{off}{far}")
        return
    far = dispatch.call(STEPS, (astype(ends, INT64, copy=False),), rows)
    checked(Check(0, rows + 1, f"{words};{off}", ""), far)


def _steps(ends: Array, rows: int) -> Array:
    """The largest of the differences of neighbouring ends, as a number without a sign: those below 0 come last, and so
    does that of the last end and the number of rows."""

    def unsigned(x: Array) -> Array:
        return astype(x, UINT64)

    short = fn.subtract(rows, ends[-1:])
    made = fn.maximum(unsigned(ends[:1]), unsigned(fn.negative(fn.abs(short))))
    if ends.shape[0] > 1:
        made = fn.maximum(made, largest(unsigned(ends[1:] - ends[:-1]), keepdims=True))
    result: Array = made.view((), ())
    return result


# what the tests compare with

Group = tuple[Any, np.ndarray, np.ndarray]
"""Where the result of a group is in the whole result, and its two operands."""


def parts(a: np.ndarray, b: np.ndarray, ends: np.ndarray) -> Iterator[Group]:
    """Every group's product; the first group begins with the first row, the last one ends with the last."""
    rows = a.shape[1] if b.ndim == 2 else a.shape[0]
    edges = [0, *(min(max(int(end), 0), rows) for end in ends[:-1]), rows]
    for g, (start, end) in enumerate(pairwise(edges) if len(ends) else ()):
        its = slice(start, max(start, end))
        yield (g, a[:, its], b[its]) if b.ndim == 2 else (its, a[its], b[g])


def _ends(counts: np.ndarray | None, offs: np.ndarray | None) -> np.ndarray:
    return np.cumsum(counts.astype(np.int64)) if offs is None else offs


def _shape(a: np.ndarray, b: np.ndarray, ends: np.ndarray) -> tuple[int, ...]:
    return (len(ends), a.shape[0], b.shape[1]) if b.ndim == 2 else (a.shape[0], b.shape[2])


def _canonical(
    x: np.ndarray, weights: np.ndarray, counts: Any = None, offs: Any = None, dtype: Any = None, **variant: Any
) -> np.ndarray:
    ends, common = _ends(counts, offs), promote(as_dtype(x.dtype), as_dtype(weights.dtype))
    made = np.zeros(_shape(x, weights, ends), as_dtype(common if dtype is None else dtype).numpy)
    for at, a, b in parts(x, weights, ends):
        made[at] = canonical_matmul(a, b, dtype, **variant)
    return made


def _exact(x: np.ndarray, weights: np.ndarray, counts: Any = None, offs: Any = None, dtype: Any = None) -> np.ndarray:
    ends = _ends(counts, offs)
    found = [(at, exact_matmul(a, b, dtype)) for at, a, b in parts(x, weights, ends)]
    made = np.zeros(_shape(x, weights, ends), found[0][1].dtype if found else x.dtype)
    for at, part in found:
        made[at] = part
    return made


def _bound(
    exact: np.ndarray, x: np.ndarray, weights: np.ndarray, counts: Any = None, offs: Any = None, dtype: Any = None
) -> np.ndarray:
    made = np.zeros(np.shape(exact))
    for at, a, b in parts(x, weights, _ends(counts, offs)):
        made[at] = bound_matmul(exact[at], a, b, dtype)
    return made


def _samples(dtype: DType) -> Any:
    from ...testing import grouped_family

    return grouped_family.products(dtype)


GROUPED_MATMUL = registry.register(
    OpSpec(
        name=OP,
        primitive=OP,
        summary="Rows in consecutive groups, each times the matrix of its group: (rows, n)",
        function=grouped_matmul,
        infer=_infer,
        arguments=("x", "weights", "counts", "offs"),
        namespace="nn",
        adapt=_adapt,
        canonical=_canonical,
        reference=_exact,
        bound=_bound,
        bits=bits,
        samples=_samples,
        dtypes=(*INTEGERS, *FLOATS),
        flops=lambda inputs, outputs, params: 2 * inputs[0].size * inputs[1].shape[-1],
    )
)

STEPS = look("steps", "How far the ends that a check looks at are apart.", _steps, "ends")
"""What `check_ends` looks at."""


def _answer(params: Groups, outputs: tuple[Output], a: np.ndarray, b: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
    ((_, dtype),) = outputs
    return [_canonical(a, b, offs=ends, dtype=dtype)]


def _analysed(
    analysis: Analysis, params: Groups, outputs: tuple[Output], a: Bounded, b: Bounded, ends: Bounded
) -> Sequence[Bounded]:
    """Each group's product by itself."""
    ((shape, dtype),) = outputs
    product = registry.primitive("matmul").analysed
    assert callable(product)
    value, error = np.zeros(shape, dtype.numpy), np.zeros(shape)
    places = zip(parts(a.value, b.value, ends.value), parts(a.error, b.error, ends.value), strict=True)
    for (at, left, right), (_, left_error, right_error) in places:
        outs = ((value[at].shape, dtype),)
        (made,) = product(analysis, Product(), outs, Bounded(left, left_error), Bounded(right, right_error))
        value[at], error[at] = made.value, made.error
    return [Bounded(value, error)]


def _vjp(params: Groups, cotangents: Cotangents, results: Sequence[Array], operands: Sequence[Array]) -> Cotangents:
    """Of rows: products of the cotangent's rows with the matrices transposed; of the matrices: x.T g of each group's
    rows. The latter are products of the same primitive, and so are their own cotangents."""
    (g,), (a, b, ends) = cotangents, operands
    assert g is not None
    call = partial(_wide, g.dtype, ends)
    if not params.contracted:
        found = call(g, b.mT), call(a.mT, g)
    else:
        found = call(b, g.mT).mT, call(a.mT, g)
    return [*(astype(made, x.dtype, copy=False) for made, x in zip(found, (a, b), strict=True)), None]


def _wide(dtype: DType, ends: Array, a: Array, b: Array) -> Array:
    operands = (*(astype(x, dtype, copy=False) for x in (a, b)), ends)
    result: Array = dispatch.call(GROUPED_MATMUL, operands, None)
    return result


registry.register_primitive(Primitive(OP, _answer, _analysed, _vjp))
