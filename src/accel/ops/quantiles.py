"""`quantile` and `percentile`, whose shares may come in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import registry
from ..array import Array
from ..conversion import to_numpy
from ..errors import ArgumentError, shown
from ..interop import is_array
from .composed.order import shares_of
from .primitive.reduce import Axes

_QUANTILE = registry.OPS["quantile"].function


def quantile(
    x: Any, /, q: float | Sequence[float], axis: Axes = None, *, method: str = "linear", keepdims: bool = False
) -> Any:
    return _QUANTILE(x, _plain("quantile", q), axis=axis, method=method, keepdims=keepdims)


quantile.__doc__ = _QUANTILE.__doc__


def percentile(
    x: Any, /, q: float | Sequence[float], axis: Axes = None, *, method: str = "linear", keepdims: bool = False
) -> Any:
    """`quantile` of shares in percent: of q / 100, which says what the arguments are. Raises ArgumentError."""
    given = _plain("percentile", q)
    shares = shares_of("percentile", given, 100.0)
    return _QUANTILE(x, shares if isinstance(given, tuple) else shares[0], axis=axis, method=method, keepdims=keepdims)


def _plain(op: str, q: Any) -> Any:
    """A number, or a tuple of them, as Python has them. Raises ArgumentError."""
    if isinstance(q, list):
        return tuple(q)
    if not is_array(q) or isinstance(q, np.generic):
        return q
    if q.ndim > 1:
        raise ArgumentError(f"{op}: q: expected numbers along at most one axis, got {shown(q)}")
    host = to_numpy(q) if isinstance(q, Array) else np.asarray(q)
    return tuple(host.tolist()) if host.ndim else host.item()
