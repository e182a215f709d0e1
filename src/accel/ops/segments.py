"""The public functions of segments: the ops of composed/segments.py, after a look at the segments' numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from .. import interop
from .composed import segments
from .composed.segments import checked_count
from .primitive.gather import as_positions, check_positions


def _checked(op: Callable[..., Any]) -> Callable[..., Any]:
    name = op.__name__

    @wraps(op)
    def function(data: Any, segment_ids: Any, num_segments: int) -> Any:
        (data, numbers), restore = interop.arrays(name, data=data, segment_ids=segment_ids)
        count = checked_count(name, data, numbers, num_segments)
        check_positions(f"{name}: segment_ids", as_positions(name, "segment_ids", numbers), count, least=0)
        return restore(op(data, numbers, count))

    return function


segment_max = _checked(segments.segment_max)
segment_mean = _checked(segments.segment_mean)
segment_min = _checked(segments.segment_min)
segment_sum = _checked(segments.segment_sum)
