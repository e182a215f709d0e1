"""Offsets of elements, and the numbers of program instances."""

import triton
import triton.language as tl


@triton.jit
def offset_of(index, shape, strides):
    """Element offset of a row-major index into a shape; strides: one for each axis."""
    offset = index * 0
    for a in tl.static_range(len(shape)):
        if a == len(shape) - 1:
            offset += index * strides[0]
        else:
            offset += index % shape[len(shape) - 1 - a] * strides[len(shape) - 1 - a]
            index = index // shape[len(shape) - 1 - a]
    return offset


@triton.jit
def instance(DIES: tl.constexpr, INDEX: tl.constexpr):
    """The number of a program instance. The hardware deals instances to DIES dies in turn; numbered by this, a die's
    are neighbours, so that its cache has once what they share."""
    pid = tl.program_id(0)
    if DIES > 1:
        each = tl.num_programs(0) // DIES
        pid = tl.where(pid < each * DIES, pid % DIES * each + pid // DIES, pid)
    return pid.to(INDEX)
