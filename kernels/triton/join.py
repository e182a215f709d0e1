"""Arrays side by side in one: a copy for each."""

from __future__ import annotations

from accel.backends.copies import of_copies
from accel.kernels.triton.pointwise import KERNELS as POINTWISE

KERNELS = (of_copies("triton.join", POINTWISE),)
