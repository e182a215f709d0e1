"""Scalar programs over strided, broadcast operands, in two-dimensional tiles."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import offset_of


@triton.jit
def pointwise(
    outs, inputs, outer, rows, columns, down, across, out_strides, strides,
    PROGRAM: tl.constexpr, BY: tl.constexpr, BX: tl.constexpr, INDEX: tl.constexpr,
):  # fmt: skip
    """outs[o, y, x]… = PROGRAM(inputs[o, y, x]…). outer: lengths of the other axes; down, across: tiles along y and x.

    Strides of an operand: (those of the outer axes, y's, x's).
    """
    tile = tl.program_id(0).to(INDEX)
    x = tile % across * BX + tl.arange(0, BX)[None, :].to(INDEX)
    y = tile // across % down * BY + tl.arange(0, BY)[:, None].to(INDEX)
    rest = tile // across // down
    mask = (y < rows) & (x < columns)
    values = ()
    for i in tl.static_range(len(inputs)):
        at = inputs[i] + offset_of(rest, outer, strides[i][0]) + (y * strides[i][1] + x * strides[i][2])
        values = values + (tl.load(at, mask=mask, other=0),)  # noqa: RUF005
    results = PROGRAM(*values)
    if len(outs) == 1:
        results = (results,)
    for i in tl.static_range(len(outs)):
        at = outs[i] + offset_of(rest, outer, out_strides[i][0]) + (y * out_strides[i][1] + x * out_strides[i][2])
        tl.store(at, results[i], mask=mask)
