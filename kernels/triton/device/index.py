"""Offsets of elements."""

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
