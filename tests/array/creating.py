"""Arrays of NumPy that arrays of ours are made from, and what is in these."""

from __future__ import annotations

from hypothesis import strategies as st

from accel.array import Array
from accel.conversion import to_numpy
from accel.dtypes import TABLE
from accel.testing.strategies import arrays, shapes

DTYPES = tuple(TABLE.values())


def values(x: Array) -> list:
    assert type(x) is Array
    return to_numpy(x).tolist()


@st.composite
def sources(draw):
    return draw(arrays(draw(st.sampled_from(DTYPES)), draw(shapes())))
