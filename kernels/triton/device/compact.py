"""Places of the true elements of a vector, in blocks of which it is known how many come before them."""

import triton
import triton.language as tl

from accel.kernels.triton.device.scan import before_groups, joined, spread, tree


@triton.jit
def add(a, b):
    """The sum, of counts."""
    return a + b


@triton.jit
def compact(
    out, mask, before, n, count, step, before_step, out_step,
    GROUPS: tl.constexpr, COUNTS: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """out[before[block] + k] = the place of the k-th true element of each block of 16 GROUPS elements; COUNTS:
    out[block] = how many are true."""
    block = tl.program_id(0).to(INDEX)
    here = tl.arange(0, GROUPS * 16).to(INDEX)[None, :]
    i = block * (GROUPS * 16) + here
    true = tl.load(mask + i * step, mask=i < n, other=0) != 0
    scanned, groups = tree(true.to(tl.int32), add, False, 1, GROUPS)
    earlier, total = before_groups(groups, False, tl.full([1, 1], 0, tl.int32), add, 1, GROUPS)
    if COUNTS:
        tl.store(out + block * out_step + tl.full([1, 1], 0, INDEX), total.to(tl.int64))
    else:
        number = joined(here >= 16, spread(earlier, 1, GROUPS), here >= 0, scanned, add)
        place = tl.load(before + block * before_step) + number - 1
        tl.store(out + place.to(INDEX) * out_step, i.to(tl.int64), mask=true & (place >= 0) & (place < count))
