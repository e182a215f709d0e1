"""Products of many small matrices, several to a program instance, in the canonical order, every fma in the source."""

import triton
import triton.language as tl

from accel.kernels.triton.device.index import offset_of
from accel.kernels.triton.device.matmul import finish_at


@triton.jit
def several(
    out, a, b, extras, m, n, k, chunks, count, batch, a_strides, b_strides, out_strides, extra_strides,
    WIDEN: tl.constexpr, EPILOGUE: tl.constexpr, ACC: tl.constexpr, NOTHING: tl.constexpr, FUSED: tl.constexpr,
    MATRICES: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, STEPS: tl.constexpr, KC: tl.constexpr,
    INDEX: tl.constexpr,
):  # fmt: skip
    """out = EPILOGUE(a @ b, extras…) of MATRICES of count matrices, none larger than BM by BN. The rest is as in
    `matmul.chain`. STEPS: of k that are written out; they divide k."""
    number = tl.program_id(0).to(INDEX) * MATRICES + tl.arange(0, MATRICES).to(INDEX)
    rows, columns = tl.arange(0, BM).to(INDEX)[None, :], tl.arange(0, BN).to(INDEX)[None, :]
    there = (number < count)[:, None]
    a_there, b_there = there & (rows < m), there & (columns < n)
    a_rows = a + offset_of(number, batch, a_strides[0])[:, None] + rows * a_strides[1]
    b_columns = b + offset_of(number, batch, b_strides[0])[:, None] + columns * b_strides[2]
    total = tl.full([MATRICES, BM, BN], NOTHING, ACC)
    for chunk in range(chunks):
        part = tl.full([MATRICES, BM, BN], 0, ACC)
        for start in range(chunk * KC, min(chunk * KC + KC, k), STEPS):
            for step in tl.static_range(STEPS):
                left = WIDEN(tl.load(a_rows + (start + step) * a_strides[2], mask=a_there, other=0))
                right = WIDEN(tl.load(b_columns + (start + step) * b_strides[1], mask=b_there, other=0))
                left, right = tl.broadcast(left[:, :, None], right[:, None, :])
                part = tl.fma(left, right, part) if FUSED else part + left * right
        total = total + part
    number, y, x = number[:, None, None], rows[:, :, None], columns[:, None, :]
    mask = (number < count) & (y < m) & (x < n)
    finish_at(total, out, extras, number, y, x, mask, batch, out_strides, extra_strides, EPILOGUE)
