"""nextafter: the neighbours of floats, of 16-bit ones too."""

from __future__ import annotations

from collections.abc import Callable

from .binary_format import nan, raw
from .convert import HALVES, narrow, widen
from .expr import WIDTH, Expr, bitcast, eq, ne, select
from .scalar_function import ScalarFunction


def nextafter(x: Expr, y: Expr) -> Expr:
    return _settled(x, y, bitcast(_step(x, y, raw(x), raw(y)), x.dtype))


def _of_half(dtype: str) -> Callable[[Expr, Expr], Expr]:
    """nextafter of values of a 16-bit dtype that are held as float32."""

    def build(x: Expr, y: Expr) -> Expr:
        return _settled(x, y, widen(_step(x, y, narrow(x, dtype), narrow(y, dtype)), dtype))

    return build


def _step(x: Expr, y: Expr, bits: Expr, other: Expr) -> Expr:
    """The bits of x's neighbour on the side of y; of a zero, the smallest subnormal of y's sign."""
    sign = 1 << (WIDTH[bits.dtype] - 1)
    larger = ((x < y) & (x > 0.0)) | ((x > y) & (x < 0.0))
    of_zero = (other & sign) | 1
    return select(eq(x, 0.0), of_zero, select(larger, bits + 1, bits - 1))


def _settled(x: Expr, y: Expr, neighbour: Expr) -> Expr:
    return select(ne(x, x) | ne(y, y), nan(x.dtype), select(eq(x, y), y, neighbour))


DOC = "Gives the float beside x1 on the side of x2, and x2 where they are equal."
NAN = "NaN in any argument -> NaN"
SOURCE = "the next integer in the bits"

ROWS = (
    ScalarFunction(
        "nextafter", 2, ("float",), nextafter, DOC,
        special=(NAN, "equal arguments -> x2", "0, x -> the smallest subnormal with the sign of x2"), source=SOURCE,
        derivative=lambda fn, g, y, a, b: (g, None),
    ),
)  # fmt: skip

HALF_ROWS = tuple(
    ScalarFunction(f"nextafter_{dtype}", 2, ("single",), _of_half(dtype), DOC, special=(NAN,), source=SOURCE)
    for dtype in HALVES
)
"""nextafter of values of 16-bit dtypes."""
