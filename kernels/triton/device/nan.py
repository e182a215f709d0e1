"""Whether a tile that a matrix unit has made holds a NaN, which may come of a 0 times what is to be skipped."""

import triton
import triton.language as tl

from accel.kernels.triton.device.factor import either


@triton.jit
def no_nan(x, COUNT: tl.constexpr):
    """Of a tile of COUNT elements."""
    strange = tl.where(x != x, tl.full((), 1, tl.int32), tl.full((), 0, tl.int32))
    return tl.reduce(tl.reshape(strange, [COUNT]), 0, either) == 0
