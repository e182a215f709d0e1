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

    kind: ``b`` boolean, ``i`` signed, ``u`` unsigned, ``f`` floating. itemsize: bytes.
    accumulator: name of the dtype that sums and dot products accumulate in.
    """

    __slots__ = ("__weakref__", "_hash", "accumulator", "itemsize", "kind", "name", "numpy")

    name: str
    kind: str
    itemsize: int
    numpy: np.dtype
    accumulator: str

    def __init__(self, name: str, kind: str, itemsize: int, numpy: np.dtype, accumulator: str) -> None:
        for attribute, value in zip(self.__annotations__, (name, kind, itemsize, numpy, accumulator), strict=True):
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

FLOATS = tuple(row for row in TABLE.values() if row.kind == "f")
INTEGERS = tuple(row for row in TABLE.values() if row.kind in "iu")
BOOL, INT32, INT64, UINT64 = (TABLE[name] for name in ("bool", "int32", "int64", "uint64"))
FLOAT16, BFLOAT16, FLOAT32, FLOAT64 = FLOATS

_BY_NUMPY = {row.numpy: row for row in TABLE.values()}
_BY_PYTHON = {bool: BOOL, int: INT64, float: FLOAT32}


def as_dtype(value: Any, argument: str = "dtype") -> DType:
    """The row that a DType, a name, a NumPy dtype or scalar type, a torch dtype, or bool, int or float stands for."""
    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in TABLE:
        return TABLE[value]
    if isinstance(value, type) and value in _BY_PYTHON:
        return _BY_PYTHON[value]
    if hasattr(value, "shape") and not isinstance(value, (np.dtype, type)):
        raise ArgumentError(f"{argument}: expected a dtype, got {shown(value)}; pass its dtype")
    if type(value).__module__ == "torch":
        value = str(value).removeprefix("torch.")
        if value in TABLE:
            return TABLE[value]
    else:
        try:
            row = None if value is None else _BY_NUMPY.get(np.dtype(value).newbyteorder("="))
        except (TypeError, ValueError):  # NumPy's own message may not print an integer
            row = None
        if row is not None:
            return row
    raise DtypeError(f"{argument}: {shown(value)} is not a dtype of accel; it has {', '.join(TABLE)}")


@lru_cache(maxsize=1024)
def promote(*dtypes: DType) -> DType:
    """The dtype that these promote to.

    Within one kind, the standard's table. A boolean gives way to any number and an integer to any floating dtype.
    float16 with bfloat16 gives float32. uint64 with a signed integer raises DtypeError, as no integer dtype holds both.
    """
    try:
        return TABLE[promote_names(*(dtype.name for dtype in dtypes))]
    except TypeError as error:
        raise DtypeError(f"{error}: no dtype holds both; cast one with astype") from None


def scalar_dtype(value: bool | int | float, dtype: DType) -> DType:
    """The dtype that a Python scalar takes beside an array of the given dtype (the scalar is weak: only its kind
    counts)."""
    if isinstance(value, (bool, np.bool_)):
        return dtype
    if isinstance(value, int):
        return INT64 if dtype is BOOL else dtype
    return dtype if dtype.kind == "f" else FLOAT32


def check_scalar(value: bool | int | float, dtype: DType, argument: str) -> None:
    """Raises RangeError where an integer dtype cannot hold a Python number: one outside its range, NaN, an infinity.

    A fraction is no reason: it is cut off, as astype does.
    """
    if dtype.kind not in "iu":
        return
    info = np.iinfo(dtype.numpy)
    whole = value if isinstance(value, int) else math.trunc(value) if math.isfinite(value) else None
    if whole is None or not info.min <= whole <= info.max:
        raise RangeError(f"{argument}: {shown(value)} is outside {dtype}, which holds {info.min} to {info.max}")
