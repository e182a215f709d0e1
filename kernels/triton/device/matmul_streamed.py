"""Matrix products for large outputs on GPUs that copy whole tiles into shared memory by descriptors (NVIDIA, sm_90 and
later): as many program instances as multiprocessors, each with one tile after the other.

One k after the other is added to one total, from 0, as `matmul.dot` does where the order is not promised; the parts of
a tile past an edge are zeros. So the bits are those of `matmul.dot` with the same BK.
"""

import triton
import triton.language as tl

from accel.kernels.triton.device.matmul import finish, tile_of


@triton.jit
def described(x, rows, columns, strides, ALONG: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """The descriptor of a matrix's tiles. strides: as `matmul.dot` has an operand's. ALONG: the axis along which
    elements are neighbours."""
    if ALONG == 1:
        return tl.make_tensor_descriptor(x, [rows, columns], [strides[1].to(tl.int64), 1], [HEIGHT, WIDTH])
    else:
        return tl.make_tensor_descriptor(x, [columns, rows], [strides[2].to(tl.int64), 1], [WIDTH, HEIGHT])


@triton.jit
def tile_at(described, row, column, ALONG: tl.constexpr):
    """The tile that begins at a row and a column."""
    if ALONG == 1:
        return described.load([row, column])
    else:
        return described.load([column, row]).T


@triton.jit
def tile_of_pointers(x, row, column, rows, columns, strides, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """The same without a descriptor."""
    y, across = row + tl.arange(0, HEIGHT)[:, None], column + tl.arange(0, WIDTH)[None, :]
    return tl.load(x + (y * strides[1] + across * strides[2]), mask=(y < rows) & (across < columns), other=0)


@triton.jit
def streamed(
    out, a, b, extras, scratch, m, n, k, tiles_m, tiles_n, a_strides, b_strides, out_strides, extra_strides,
    EPILOGUE: tl.constexpr, ACC: tl.constexpr, PRECISION: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr,
    BK: tl.constexpr, GROUP: tl.constexpr, A_ALONG: tl.constexpr, B_ALONG: tl.constexpr, DIVIDED: tl.constexpr,
    ALIGNED: tl.constexpr,
):  # fmt: skip
    """out = EPILOGUE(a @ b, extras…) of matrices, by tl.dot.

    A_ALONG, B_ALONG: see `described`; an operand's other stride is a multiple of 16 bytes. ALIGNED: the operands begin
    at multiples of 16 bytes; otherwise no descriptor can be made. scratch: where the compiler keeps descriptors.
    DIVIDED: some warps copy, others multiply, others finish (sm_100 and later).
    """
    if ALIGNED:
        a_tiles = described(a, m, k, a_strides, A_ALONG, BM, BK)
        b_tiles = described(b, k, n, b_strides, B_ALONG, BK, BN)
    for tile in tl.range(
        tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=ALIGNED, warp_specialize=DIVIDED and ALIGNED
    ):
        _, row, column = tile_of(tile, tiles_m, tiles_n, GROUP)
        total = tl.full([BM, BN], 0, ACC)
        for start in range(0, k, BK):
            if ALIGNED:
                left = tile_at(a_tiles, row * BM, start, A_ALONG)
                right = tile_at(b_tiles, start, column * BN, B_ALONG)
            else:
                left = tile_of_pointers(a, row * BM, start, m, k, a_strides, BM, BK)
                right = tile_of_pointers(b, start, column * BN, k, n, b_strides, BK, BN)
            total = tl.dot(left, right, total, input_precision=PRECISION, out_dtype=ACC)
        rows, columns = row * BM + tl.arange(0, BM), column * BN + tl.arange(0, BN)
        finish(total, out, extras, row * 0, rows, columns, m, n, (), out_strides, extra_strides, EPILOGUE)
