"""Elements that index arrays select, in blocks of the output's elements."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import offset_of


@triton.jit
def gather(
    out, x, indices, size, shape, out_strides, base, index_strides, lengths, steps,
    BLOCK: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """out[o] = x[base . o + the sum of every position at o times its step], o in row-major order of shape.

    A position below 0 counts from the end of its axis; one out of range gives 0 and reads nothing.
    """
    o = tl.program_id(0).to(INDEX) * BLOCK + tl.arange(0, BLOCK).to(INDEX)
    mask = o < size
    at = offset_of(o, shape, base)
    good = mask
    for k in tl.static_range(len(indices)):
        position = tl.load(indices[k] + offset_of(o, shape, index_strides[k]), mask=mask, other=0)
        position += tl.where(position < 0, tl.full([BLOCK], 0, tl.int64) + lengths[k], 0)
        good = good & (position >= 0) & (position < lengths[k])
        at += tl.where(good, position, 0).to(INDEX) * steps[k]
    value = tl.load(x + at, mask=good, other=0)
    tl.store(out + offset_of(o, shape, out_strides), value, mask=mask)
