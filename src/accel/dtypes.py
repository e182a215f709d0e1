"""The table of dtypes and the rules of type promotion (array API standard, with float16 and bfloat16 added)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from .errors import ArgumentError, DtypeError, RangeError, shown
from .scalar.program import promote as promote_names


class DType:
    """One dtype. Rows are singletons, which equal NumPy's dtype and scalar type of the same elements; copied and
    unpickled they are the same. No dataclass, as `dataclasses.asdict` would take a dtype that is a field to pieces.

    kind: ``b`` boolean, ``i`` signed, ``u`` unsigned, ``f`` floating, ``c`` complex. itemsize: bytes.
    accumulator: name of the dtype that sums and dot products accumulate in.
    component: the dtype of real and imaginary parts; of one that is not complex, itself.
    """

    __slots__ = ("__weakref__", "_hash", "accumulator", "component", "itemsize", "kind", "name", "numpy")

    name: str
    kind: str
    itemsize: int
    numpy: np.dtype
    accumulator: str
    component: DType

    def __init__(
        self, name: str, kind: str, itemsize: int, numpy: np.dtype, accumulator: str, component: DType | None = None
    ) -> None:
        given = (name, kind, itemsize, numpy, accumulator, component or self)
        for attribute, value in zip(self.__annotations__, given, strict=True):
            object.__setattr__(self, attribute, value)
        object.__setattr__(self, "_hash", hash(numpy))  # keys of plans and layouts hold dtypes

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a dtype does not change")

    @property
    def dtype(self) -> np.dtype:
        """NumPy's dtype: NumPy asks for it where this row is given as a dtype."""
        return self.numpy

    def __eq__(self, other: object) -> bool:
        if isinstance(other, np.dtype):
            return self.numpy == other
        if isinstance(other, type) and issubclass(other, np.generic):
            return self.numpy.type is other
        return self is other

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"accel.{self.name}"

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)


def _row(name: str, kind: str, accumulator: str | None = None) -> DType:
    storage = np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)
    return DType(name, kind, storage.itemsize, storage, accumulator or name)


TABLE: dict[str, DType] = {
    row.name: row
    for row in (
        _row("bool", "b"),
        _row("int8", "i", "int32"),
        _row("int16", "i", "int32"),
        _row("int32", "i"),
        _row("int64", "i"),
        _row("uint8", "u", "uint32"),
        _row("uint16", "u", "uint32"),
        _row("uint32", "u"),
        _row("uint64", "u"),
        _row("float16", "f", "float32"),
        _row("bfloat16", "f", "float32"),
        _row("float32", "f"),
        _row("float64", "f"),
    )
}
"""The dtypes that kernels compute in."""

FLOATS = tuple(row for row in TABLE.values() if row.kind == "f")
INTEGERS = tuple(row for row in TABLE.values() if row.kind in "iu")
BOOL, INT32, INT64, UINT64 = (TABLE[name] for name in ("bool", "int32", "int64", "uint64"))
FLOAT16, BFLOAT16, FLOAT32, FLOAT64 = FLOATS

COMPLEX64, COMPLEX128 = COMPLEX = tuple(
    DType(name, "c", np.dtype(name).itemsize, np.dtype(name), name, part)
    for name, part in (("complex64", FLOAT32), ("complex128", FLOAT64))
)
DTYPES: dict[str, DType] = TABLE | {row.name: row for row in COMPLEX}
"""All dtypes. Complex ones are pairs of real ones, one beside the other in memory; kernels see the parts."""

BY_NUMPY = {row.numpy: row for row in DTYPES.values()}
"""The dtypes by NumPy's, in the byte order of this machine."""

_BY_PYTHON = {bool: BOOL, int: INT64, float: FLOAT32, complex: COMPLEX64}


def as_dtype(value: Any, argument: str = "dtype") -> DType:
    """The row that a DType, a name, a NumPy dtype or scalar type, a torch dtype, or bool, int, float or complex stands
    for."""
    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in DTYPES:
        return DTYPES[value]
    if isinstance(value, type) and value in _BY_PYTHON:
        return _BY_PYTHON[value]
    if hasattr(value, "shape") and not isinstance(value, (np.dtype, type)):
        raise ArgumentError(f"{argument}: expected a dtype, got {shown(value)}; pass its dtype")
    if type(value).__module__ == "torch":
        value = str(value).removeprefix("torch.")
        if value in DTYPES:
            return DTYPES[value]
    else:
        try:
            row = None if value is None else BY_NUMPY.get(np.dtype(value).newbyteorder("="))
        except (TypeError, ValueError):  # NumPy's own message may not print an integer
            row = None
        if row is not None:
            return row
    raise DtypeError(f"{argument}: {shown(value)} is not a dtype of accel; it has {', '.join(DTYPES)}")


@lru_cache(maxsize=1024)
def promote(*dtypes: DType) -> DType:
    """The dtype that these promote to.

    Within one kind, the standard's table. A boolean gives way to any number and an integer to any floating dtype.
    float16 with bfloat16 gives float32. uint64 with a signed integer raises DtypeError, as no integer dtype holds both.
    Any number gives way to a complex dtype, of parts that hold both.
    """
    if any(dtype.kind == "c" for dtype in dtypes):
        return complex_of(promote(*(dtype.component for dtype in dtypes)))
    try:
        return TABLE[promote_names(*(dtype.name for dtype in dtypes))]
    except TypeError as error:
        raise DtypeError(f"{error}: no dtype holds both; cast one with astype") from None


def complex_of(component: DType) -> DType:
    """The complex dtype whose parts hold the numbers of a real one; complex64 for all but float64."""
    return COMPLEX128 if component is FLOAT64 else COMPLEX64


def scalar_dtype(value: bool | int | float | complex, dtype: DType) -> DType:
    """The dtype that a Python scalar takes beside an array of the given dtype (the scalar is weak: only its kind
    counts). A real one beside complex numbers takes the dtype of their parts."""
    if isinstance(value, complex):
        return dtype if dtype.kind == "c" else complex_of(dtype)
    dtype = dtype.component
    if isinstance(value, (bool, np.bool_)):
        return dtype
    if isinstance(value, int):
        return INT64 if dtype is BOOL else dtype
    return dtype if dtype.kind == "f" else FLOAT32


def check_scalar(value: bool | int | float | complex, dtype: DType, argument: str) -> None:
    """Raises RangeError where an integer dtype cannot hold a Python number: one outside its range, NaN, an infinity.

    A fraction is no reason: it is cut off, as astype does. Raises DtypeError for a complex number where the dtype is
    not complex.
    """
    if isinstance(value, complex):
        if dtype.kind != "c":
            raise DtypeError(f"{argument}: the complex number {value} does not become {dtype}; take its real part")
        return
    if dtype.kind not in "iu":
        return
    info = np.iinfo(dtype.numpy)
    whole = value if isinstance(value, int) else math.trunc(value) if math.isfinite(value) else None
    if whole is None or not info.min <= whole <= info.max:
        raise RangeError(f"{argument}: {shown(value)} is outside {dtype}, which holds {info.min} to {info.max}")
