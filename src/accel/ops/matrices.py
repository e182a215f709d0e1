"""Products and views of matrices and vectors, with the names and signatures of the array API standard's `linalg`."""

from __future__ import annotations

from math import prod
from typing import Any

from .. import interop
from ..arguments import integer, integers, refuse, unshown
from ..array import Array
from ..errors import ArgumentError, DtypeError, ShapeError, shown
from ..layout import Shape, broadcast_shapes
from ..ranges import eye
from .complex.part import conj
from .composed.checked_factorization import inv
from .composed.matrices import cross as of_vectors
from .manipulation import moveaxis, one_axis
from .primitive.matmul import matmul
from .primitive.pointwise import astype, copy
from .primitive.reduce import sum as total
from .rearranging import diagonals, products
from .views import broadcast_to, expand_dims, permute_dims, reshape, viewed


@unshown
def diagonal(x: Any, /, *, offset: int = 0, **others: Any) -> Any:
    """A view of the diagonals of matrices (…, m, n), along a last axis: x[…, i, i + offset]. Raises ShapeError."""
    if others:
        refuse("diagonal", others)
    array, restore = viewed("diagonal", x)
    return restore(_of_matrices("diagonal", array, offset))


@unshown
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None, **others: Any) -> Any:
    """Sums of the diagonals of matrices (…, m, n), as `sum` adds. Raises ShapeError, DtypeError."""
    if others:
        refuse("trace", others)
    (array,), restore = interop.adopt("trace", x=x)
    return restore(total(_of_matrices("trace", array, offset), axis=-1, dtype=dtype))


def _of_matrices(op: str, x: Array, offset: Any) -> Array:
    if x.ndim < 2:
        raise ShapeError(f"{op}: x: expected (…, m, n), got shape {x.shape}")
    return diagonals(op, x, offset, -2, -1)


def outer(x1: Any, x2: Any, /) -> Any:
    """All products of elements of two vectors: x1[i] * x2[j]. Raises ShapeError, DtypeError."""
    (a, b), restore = interop.arrays("outer", x1=x1, x2=x2)
    for name, x in (("x1", a), ("x2", b)):
        if x.ndim != 1:
            raise ShapeError(f"outer: {name}: expected a vector, got shape {x.shape}")
    return restore(products(a, b))


@unshown
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, **others: Any) -> Any:
    """Products of vectors along an axis, which has one length in both; the other axes broadcast. As `matmul` adds.
    Complex elements of x1 are conjugated.

    axis: negative, or counted in operands of as many axes. Raises ShapeError, DtypeError, AxisError.
    """
    if others:
        refuse("vecdot", others)
    (a, b), restore = interop.arrays("vecdot", x1=x1, x2=x2)
    first, second = one_axis("vecdot", axis, a), one_axis("vecdot", axis, b)
    if a.shape[first] != b.shape[second]:
        raise ShapeError(f"vecdot: x1, x2: shapes {a.shape} and {b.shape} differ along axis {axis}")
    a, b = moveaxis(conj(a) if a.dtype.kind == "c" else a, first, -1), moveaxis(b, second, -1)
    common = broadcast_shapes(a.shape, b.shape, what="vecdot")
    a, b = (broadcast_to(x, common) for x in (a, b))
    return restore(reshape(matmul(expand_dims(a, -2), expand_dims(b, -1)), common[:-1]))


@unshown
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2, **others: Any) -> Any:
    """Sums of products over axes of both arrays, as `matmul` adds; the other axes of x1, then those of x2, remain.

    axes: how many, the last of x1 and the first of x2; or a pair of tuples of axes. Raises ShapeError, AxisError,
    ArgumentError, DtypeError.
    """
    if others:
        refuse("tensordot", others)
    (a, b), restore = interop.arrays("tensordot", x1=x1, x2=x2)
    if isinstance(axes, (tuple, list)):
        if len(axes) != 2:
            raise ArgumentError(f"tensordot: axes: expected an integer or a pair of tuples, got {shown(axes)}")
        first, second = (
            tuple(one_axis("tensordot", i, x) for i in integers("tensordot", "axes", each))
            for each, x in zip(axes, (a, b), strict=True)
        )
    else:
        n = integer("tensordot", "axes", axes)
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ArgumentError(f"tensordot: axes: expected 0 to {min(a.ndim, b.ndim)}, got {n}")
        first, second = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    if len(set(first)) < len(first) or len(set(second)) < len(second):
        raise ArgumentError(f"tensordot: axes: an axis is there twice: {first}, {second}")
    over = tuple(a.shape[i] for i in first)
    if len(first) != len(second) or over != tuple(b.shape[i] for i in second):
        raise ShapeError(f"tensordot: x1, x2: axes {first} of {a.shape} and {second} of {b.shape} have other lengths")
    kept_a = [i for i in range(a.ndim) if i not in first]
    kept_b = [i for i in range(b.ndim) if i not in second]
    left = reshape(permute_dims(a, (*kept_a, *first)), (prod(a.shape[i] for i in kept_a), prod(over)))
    right = reshape(permute_dims(b, (*second, *kept_b)), (prod(over), prod(b.shape[i] for i in kept_b)))
    shape: Shape = (*(a.shape[i] for i in kept_a), *(b.shape[i] for i in kept_b))
    return restore(reshape(matmul(left, right), shape))


def matrix_power(x: Any, n: int, /) -> Any:
    """Square matrices (…, m, m) multiplied by themselves n times, by repeated squaring, as `matmul` adds.

    n: 0 gives the identity, and below 0 the inverses (`inv`) are multiplied, of float32 and float64 only. 16-bit floats
    are multiplied as float32 and rounded once. Raises ShapeError, DtypeError, ArgumentError, LinAlgError.
    """
    (array,), restore = interop.adopt("matrix_power", x=x)
    times = integer("matrix_power", "n", n)
    if array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        raise ShapeError(f"matrix_power: x: expected square matrices (…, m, m), got shape {array.shape}")
    if array.dtype.kind not in "iufc" or (times < 0 and array.dtype.name not in ("float32", "float64")):
        raise DtypeError(f"matrix_power: x: takes numeric dtypes, got {array.dtype}; cast with astype")
    if times < 0:
        array, times = inv(array), -times
    if times == 0:
        one = eye(array.shape[-1], dtype=array.dtype, device=array.device)
        return restore(copy(broadcast_to(one, array.shape)))
    square = astype(array, array.dtype.accumulator, copy=False) if array.dtype.kind == "f" else array
    result = None
    while times:
        if times & 1:
            result = square if result is None else matmul(result, square)
        times >>= 1
        square = matmul(square, square) if times else square
    return restore(copy(array) if result is array else astype(result, array.dtype, copy=False))


def cross(x1: Any, x2: Any, /, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross products of vectors of three elements, as NumPy has them: axisa and axisb are the axes of the vectors
    in x1 and x2, axisc that in the result; axis stands for all three. Else as `linalg.cross`."""
    (a, b), restore = interop.arrays("cross", x1=x1, x2=x2)
    axes = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    names = ("axisa", "axisb", "axisc") if axis is None else ("axis",) * 3
    axes = tuple(integer("cross", name, each) for name, each in zip(names, axes, strict=True))
    a, b = (moveaxis(x, each, -1) for x, each in zip((a, b), axes, strict=False))
    return restore(moveaxis(of_vectors(a, b), -1, axes[2]))
