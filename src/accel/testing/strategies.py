"""What `draw` draws as hypothesis strategies, which shrink: for tests. The kit itself does without hypothesis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from ..dtypes import DType
from . import draw as drawn
from .values import REGIMES


def choices(draw: st.DrawFn) -> drawn.Draw:
    """The choices of a hypothesis test."""
    return drawn.Draw(lambda low, high: draw(st.integers(low, high)))


@st.composite
def arrays(draw: st.DrawFn, dtype: DType, shape: tuple[int, ...], regimes: Sequence[str] = REGIMES) -> np.ndarray:
    """See `accel.testing.draw.array`."""
    return drawn.array(choices(draw), dtype, shape, regimes)


@st.composite
def shapes(draw: st.DrawFn, most: int = 4, least: int = 0, elements: int = 2000) -> tuple[int, ...]:
    """See `accel.testing.draw.shape`."""
    return drawn.shape(choices(draw), most, least, elements)
