"""Products of groups of rows: rule 3 for each, and which rows and matrix are a group's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from accel.backends.base import Call
from accel.dtypes import as_dtype
from accel.numerics import KC
from accel.ops import canonical
from accel.ops.primitive.grouped_matmul import parts

from .fault import Run, fault

FLOAT = "grouped_matmul float32"

Ends = Callable[[np.ndarray], np.ndarray]


def _products(ends_of: Ends = np.array, only: Callable[[np.ndarray], bool] = lambda a: True, **changes: Any) -> Run:
    """The canonical products, with a change of those of some groups, of rows up to other ends."""

    def run(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
        a, b, ends = inputs
        right()
        if a.size == 0 or out.size == 0 or as_dtype(out.dtype).kind != "f":
            return
        with np.errstate(all="ignore"):
            for at, x, w in parts(a, b, ends_of(ends)):
                wide = [its.astype(as_dtype(a.dtype).accumulator) for its in (x, w)]
                if only(x):
                    out[at] = canonical.narrow(canonical.accumulate(*wide, **changes), as_dtype(out.dtype))

    return run


def _late(ends: np.ndarray) -> np.ndarray:
    """Every group has the first row of the next one."""
    return np.minimum(ends + 1, ends[-1])


def _filled_up(ends: np.ndarray) -> np.ndarray:
    """Groups without rows are left out of the count."""
    kept = ends[np.diff(ends, prepend=0) > 0]
    return np.concatenate([kept, np.full(len(ends) - len(kept), ends[-1])])


def _in_tiles(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """Rows of a group behind the tiles that a whole one of its length would have are left as they were."""
    a, b, ends = inputs
    kept = np.array(out)
    right()
    for at, x, _ in parts(a, b, ends):
        if b.ndim == 3 and len(x) > 64:
            out[at.start + len(x) // 64 * 64 : at.stop] = kept[at.start + len(x) // 64 * 64 : at.stop]


def _without_terms(call: Call, inputs: Any, out: np.ndarray, right: Callable[[], None]) -> None:
    """Results of groups without rows are left as they were."""
    a, b, ends = inputs
    kept = np.array(out)
    right()
    for at, x, _ in parts(a, b, ends):
        if b.ndim == 2 and x.shape[1] == 0:
            out[at] = kept[at]


FAULTS = {
    "grouped-chunk-512": fault("chunks of KC", FLOAT, _products(kc=2 * KC)),
    "grouped-unfused": fault("products are fused", FLOAT, _products(fused=False)),
    "grouped-long-chunk-512": fault(
        "batch invariance: another order of long groups",
        FLOAT,
        _products(only=lambda a: a.shape[0] > 64, kc=2 * KC),
    ),
    "grouped-one-row-chunk-512": fault(
        "batch invariance: another order of single rows",
        FLOAT,
        _products(only=lambda a: a.shape[0] == 1, kc=2 * KC),
    ),
    "grouped-late": fault("a group ends before the next one's first row", FLOAT, _products(_late)),
    "grouped-filled-up": fault("groups without rows count", FLOAT, _products(_filled_up)),
    "grouped-in-tiles": fault("every row of a group is written", f"{FLOAT}, grouped_matmul int32", _in_tiles),
    "grouped-without-terms": fault("a group of no terms gives zeros", f"{FLOAT}, grouped_matmul int8", _without_terms),
}
