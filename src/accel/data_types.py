"""The array API standard's data type functions (2025.12), but for astype, which is an operation (ops/pointwise.py).

Where an array is asked for, any array that accel's functions take will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from . import interop
from ._core import FloatEnvironment
from .array import Array
from .dtypes import DType, as_dtype, promote, scalar_dtype
from .errors import ArgumentError, DtypeError, shown

KINDS: dict[str, str] = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "",
    "numeric": "iuf",
}
"""The standard's kinds, as letters of `DType.kind`; float16 and bfloat16 are ``real floating``, no dtype is complex."""


@dataclass(frozen=True)
class FloatInfo:
    """Limits of a floating dtype.

    bits: its size. eps: from 1.0 to the next larger number. smallest_normal: smallest positive one of full precision.
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IntegerInfo:
    """Limits of an integer dtype. bits: its size."""

    bits: int
    max: int
    min: int
    dtype: DType


def finfo(type: Any, /) -> FloatInfo:
    """Limits of a floating dtype, or of an array's. Raises DtypeError for a dtype that is not floating."""
    dtype = interop.dtype_of("finfo: type", type)
    if dtype.kind != "f":
        raise DtypeError(f"finfo: type: expected a floating dtype, got {dtype}")
    with FloatEnvironment():
        info = ml_dtypes.finfo(dtype.numpy)
        eps, smallest = float(info.eps), float(info.smallest_normal)
        return FloatInfo(int(info.bits), eps, float(info.max), float(info.min), smallest, dtype)


def iinfo(type: Any, /) -> IntegerInfo:
    """Limits of an integer dtype, or of an array's. Raises DtypeError for a dtype that is not an integer one."""
    dtype = interop.dtype_of("iinfo: type", type)
    if dtype.kind not in "iu":
        raise DtypeError(f"iinfo: type: expected an integer dtype, got {dtype}")
    info = np.iinfo(dtype.numpy)
    return IntegerInfo(int(info.bits), int(info.max), int(info.min), dtype)


def is_kind(dtype: DType, kind: str, argument: str) -> bool:
    """Whether a dtype is of one of the standard's kinds. Raises ArgumentError for anything that is not one."""
    if kind not in KINDS:
        raise ArgumentError(f"{argument}: {shown(kind)} is not a kind of dtype; the kinds are {', '.join(KINDS)}")
    return dtype.kind in KINDS[kind]


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind: a dtype, a name of KINDS, or a tuple of these, of which one must fit."""
    row = as_dtype(dtype, "isdtype: dtype")
    kinds = kind if isinstance(kind, tuple) else (kind,)
    found = [
        is_kind(row, each, "isdtype: kind") if isinstance(each, str) else row is as_dtype(each, "isdtype: kind")
        for each in kinds
    ]
    return any(found)


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether from_, a dtype or an array, promotes to a dtype, so that a cast loses nothing but digits.

    For an array, to must also be a dtype that its device computes in.
    """
    source, target = interop.dtype_of("can_cast: from_", from_), as_dtype(to, "can_cast: to")
    if isinstance(from_, Array) and from_.device.missing(target.name) is not None:
        return False
    try:
        return promote(source, target) is target
    except DtypeError:
        return False


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The dtype that these promote to in one operation. Python scalars among them are weak: only their kind counts.

    Raises ArgumentError where there are scalars only, DtypeError where the dtypes do not promote.
    """
    scalars = [x for x in arrays_and_dtypes if type(x) in (bool, int, float)]
    dtypes = [interop.dtype_of("result_type", x) for x in arrays_and_dtypes if type(x) not in (bool, int, float)]
    if not dtypes:
        raise ArgumentError("result_type: expected at least one array or dtype")
    common = promote(*dtypes)
    return promote(common, *(scalar_dtype(x, common) for x in scalars))


__all__ = ["can_cast", "finfo", "iinfo", "isdtype", "result_type"]
