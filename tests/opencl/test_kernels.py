"""Every shape that the OpenCL kernels take (geometry, access, index width, edges), against the canonical algorithms,
bit for bit."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from canonical_calls import run, same
from primitive_calls import serve

import accel
from accel.dtypes import TABLE
from accel.kernels.opencl import build, matmul, matmul_tiles, pointwise, reduce
from accel.ops import canonical
from accel.scalar import Program, Step
from accel.testing.compare import differing

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, scale: float = 1.0) -> np.ndarray:
    """Random elements of a dtype, integers over its whole range."""
    row = TABLE[dtype]
    if row.kind == "b":
        return rng.random(shape) < 0.5
    if row.kind in "iu":
        info = np.iinfo(row.numpy)
        return rng.integers(info.min, info.max, shape, row.numpy, endpoint=True)
    return (scale * rng.standard_normal(shape)).astype(row.numpy)


# pointwise


def test_work_groups_have_few_rows_where_those_are_long() -> None:
    """On CPU devices, where a row begins with a division for each of its axes."""
    assert pointwise.local_size((320, 16384), "loops") == (2048, 1)
    assert pointwise.local_size((24576, 384), "loops") == (512, 2)
    assert pointwise.local_size((20011, 3), "loops") == (4, 256)
    assert pointwise.local_size((70003,), "loops") == (1024, 1)
    assert pointwise.local_size((24576, 384), "lanes") == (256, 1)


def _flat(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return numbers(rng, (70003,), "float32"), numbers(rng, (70003,), "float32")


def _row_and_scalar(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return numbers(rng, (5, 1), "float32"), numbers(rng, (1, 20011), "float32")


def _many_short_rows(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return numbers(rng, (20011, 3), "float32"), numbers(rng, (3,), "float32")


def _transposed(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return numbers(rng, (67, 130), "float32").T, numbers(rng, (130, 67), "float32")


def _reversed_and_stepped(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    x, y = numbers(rng, (6, 5, 14, 9), "float32"), numbers(rng, (9, 5, 6), "float32")
    return x[::-1, :, ::2, ::-2], y.transpose(2, 1, 0)[:, :, None, ::2]


def _one(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return numbers(rng, (), "float32"), numbers(rng, (1, 1), "float32")


@pytest.mark.parametrize(
    "operands", [_flat, _row_and_scalar, _many_short_rows, _transposed, _reversed_and_stepped, _one]
)
def test_pointwise_walks(variant: accel.Device, operands: Any) -> None:
    run("subtract", variant, *operands(np.random.default_rng(1)))


def test_pointwise_of_several_dtypes(variant: accel.Device) -> None:
    rng = np.random.default_rng(2)
    for dtype in ("float16", "bfloat16", "float64", "int8", "uint64"):
        run("multiply", variant, numbers(rng, (33, 7), dtype)[:, ::2], numbers(rng, (4,), dtype))
    run(
        "where",
        variant,
        numbers(rng, (40, 3), "bool")[::2],
        numbers(rng, (3,), "int16"),
        numbers(rng, (20, 1), "int16"),
    )
    run("logical_not", variant, numbers(rng, (41,), "bool"))


def test_pointwise_into_views(variant: accel.Device) -> None:
    """Strided outputs, an output that is one of the inputs, and one that overlaps an input."""
    rng = np.random.default_rng(3)
    want = numbers(rng, (12, 10), "float32")
    x = accel.asarray(want, device=variant)
    want = want.copy()
    x[::2, ::-3] = x[1::2, ::3] - 1
    want[::2, ::-3] = want[1::2, ::3] - 1
    same(x, want)
    x[1:] = x[:-1]
    want[1:] = want[:-1].copy()
    same(x, want)
    x += x
    same(x, want + want)


def test_pointwise_with_several_results(variant: accel.Device) -> None:
    """Three results of one program, one of them an input, each with its own dtype and strides."""
    rng = np.random.default_rng(13)
    x, y = numbers(rng, (37, 90), "float32"), numbers(rng, (90,), "bfloat16")
    steps = (
        Step("cast", "float32", (1,)),
        Step("multiply", "float32", (0, 2)),
        Step("less", "float32", (3, 0)),
        Step("cast", "float16", (3,)),
    )
    program = Program(("float32", "bfloat16"), steps, "float16", results=(5, 4, 0))
    product = x * y.astype(np.float32)
    want = [product.astype(np.float16), product < x, x]
    out = [np.empty((90, 37), np.float16).T, np.empty((37, 180), bool)[:, ::-2], np.empty((37, 90), np.float32)]
    for got, expected in zip(serve(variant, "pointwise", program, [x, y], out), want, strict=True):
        same(got, expected)


def test_wide_offsets(variant: accel.Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels compiled for 64-bit offsets give the same results: arrays that need them are too large for a test."""
    monkeypatch.setattr(build, "index_types", lambda *values: {"INDEX": "long", "UINDEX": "ulong"})
    accel.dispatch.forget()
    rng = np.random.default_rng(4)
    run("add", variant, *_reversed_and_stepped(rng))
    run("sum", variant, numbers(rng, (3, 4, 1100), "float32"), axis=(0, 2))
    run("matmul", variant, numbers(rng, (2, 9, 270), "float32"), numbers(rng, (270, 11), "float32").T.copy().T)
    accel.dispatch.forget()


# reductions

BLOCKS = (1, 2, 63, 64, 65, 127, 4095, 4096, 4097, 8262)


@pytest.mark.parametrize("n", BLOCKS)
def test_sum_at_the_edges_of_lanes_and_blocks(variant: accel.Device, n: int) -> None:
    rng = np.random.default_rng(n)
    run("sum", variant, numbers(rng, (3, n), "float32"), axis=1)
    run("sum", variant, numbers(rng, (n, 19), "float32"), axis=0)


def test_sum_of_every_access(variant: accel.Device) -> None:
    """Consecutive elements, neighbouring outputs, and elements gathered over several axes, with negative strides."""
    rng = np.random.default_rng(5)
    x = numbers(rng, (4, 33, 5, 40), "float32")
    for axis in (3, 1, (0, 2), (1, 3), (0, 1, 2, 3), ()):
        run("sum", variant, x, axis=axis)
    run("sum", variant, x[:, ::-2, :, ::-1], axis=(1, 3))
    run("argmin", variant, np.round(x[:, ::-2]), axis=1)
    run("sum", variant, numbers(rng, (0, 3), "float32"), axis=0)
    run("prod", variant, numbers(rng, (3, 0), "float32"), axis=1)


def test_short_rows_of_cpu_devices(device: accel.Device) -> None:
    """Sixteen outputs at a time: lengths around powers of two and the longest such row, outputs that do not fill
    vectors, and rows whose elements, or whose neighbours, lie anywhere."""
    rng = np.random.default_rng(17)
    for n in (1, 3, 4, 16, reduce.FEW, reduce.FEW + 1):
        x = numbers(rng, (37, n), "float32")
        run("sum", device, x, axis=1)
        run("sum", device, x[::-2, ::-1], axis=1)
        run("argmax", device, np.round(x), axis=1)
    x = numbers(rng, (3, 19, 5, 2), "float16")
    run("sum", device, x, axis=(0, 3))
    run("max", device, x[:, ::2, :, ::-1], axis=(0, 2))
    run("sum", device, numbers(rng, (9, 4096 * 2 + 1), "float32"), axis=1)  # a later launch


def test_sum_of_three_levels(variant: accel.Device) -> None:
    """More than BLOCK blocks."""
    x = numbers(np.random.default_rng(6), (4096 * 4096 + 70,), "float32")
    run("sum", variant, x)


SCHEMES = (
    ("sum", "float16", None), ("sum", "bfloat16", "float32"), ("sum", "float64", None), ("prod", "float32", None),
    ("sum", "int8", None), ("prod", "uint16", "uint8"), ("sum", "bool", None), ("max", "float32", None),
    ("min", "float16", None), ("max", "uint32", None), ("min", "int64", None), ("max", "float64", None),
    ("any", "float32", None), ("all", "bfloat16", None), ("argmax", "float32", None), ("argmin", "uint64", None),
    ("argmax", "bfloat16", None),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "dtype", "output"), SCHEMES, ids=lambda p: str(p))
def test_reductions_of_every_scheme(variant: accel.Device, kind: str, dtype: str, output: str | None) -> None:
    """Two outputs of two blocks: a later launch reduces block results."""
    rng = np.random.default_rng(7)
    x = numbers(rng, (2, 4500), dtype)
    if kind == "prod" and TABLE[dtype].kind == "f":
        x = (1 + x / 1000).astype(x.dtype)
    if TABLE[dtype].kind == "f" and kind in ("max", "min", "argmax", "argmin"):
        x = np.round(4 * x.astype(np.float64)).astype(x.dtype)  # ties, zeros
        x[1, [4400, 4410]] = np.nan
        x[0, x[0] == 0] = np.where(rng.random((x[0] == 0).sum()) < 0.5, 0.0, -0.0)
    if kind in ("any", "all"):
        x = np.zeros_like(x) if kind == "any" else np.ones_like(x)
        x[1, 4444] = 1 if kind == "any" else 0
        x[0] = np.copysign(x[0], -1) if TABLE[dtype].kind == "f" else x[0]
    keywords = {} if output is None else {"dtype": TABLE[output]}
    run(kind, variant, x, axis=1, **keywords)


@pytest.mark.parametrize("kind", ["max", "min"])
def test_extremes_of_zeros_and_nan(variant: accel.Device, kind: str) -> None:
    x = np.array([[0, -0.0], [-0.0, 0], [-0.0, -0.0], [0, 0], [np.nan, 1], [1, -np.nan], [-np.inf, np.nan]], np.float32)
    run(kind, variant, x, axis=1)
    run(f"arg{kind}", variant, x, axis=1)


def test_places_of_the_lowest(device: accel.Device) -> None:
    """No element is better than what a lane begins with: the first one's place all the same."""
    for n in (64, 70):
        x = np.full((3, n), -(2**31), np.int32)
        x[1, n - 1] = x[2, n // 3] = 7
        run("argmax", device, x, axis=1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_16_bit_float_widens_exactly(variant: accel.Device, dtype: str) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(TABLE[dtype].numpy).reshape(-1, 1)
    run("sum", variant, x, axis=1, dtype=accel.float32)


def test_reduction_controls() -> None:
    """A different number of lanes, or a different block, changes the bits of the sums above: the comparisons can see
    it."""
    x = numbers(np.random.default_rng(4097), (3, 4097), "float32")
    want = canonical.reduce("sum", x, (1,), TABLE["float32"])
    for change in ({"lanes": 32}, {"block": 2048}):
        assert differing(canonical.reduce("sum", x, (1,), TABLE["float32"], **change), want).any()


# matrix products


@pytest.mark.parametrize(
    ("dtype", "output"),
    [
        ("float32", None),
        ("float64", None),
        ("float16", None),
        ("bfloat16", "float32"),
        ("int8", "int32"),
        ("uint64", None),
    ],
    ids=str,
)
def test_matmul_past_every_edge(variant: accel.Device, dtype: str, output: str | None) -> None:
    """Sizes around no tile's edge, more than two chunks, and a k of zero, one and a chunk's."""
    rng = np.random.default_rng(8)
    keywords = {} if output is None else {"dtype": TABLE[output]}
    with accel.config(numerics="reproducible"):
        for m, n, k in ((37, 71, 600), (3, 5, 0), (13, 33, 256)):
            run("matmul", variant, numbers(rng, (m, k), dtype), numbers(rng, (k, n), dtype), **keywords)


def test_matmul_of_every_stride(variant: accel.Device) -> None:
    """Transposed, stepped and reversed operands; batches with repeated matrices on either side; vectors."""
    rng = np.random.default_rng(9)
    a, b = numbers(rng, (300, 20), "float32"), numbers(rng, (40, 300), "float32")
    run("matmul", variant, a.T, b.T)
    run("matmul", variant, a.T[::-2, ::3], b.T[::3, ::-1])
    run("matmul", variant, numbers(rng, (3, 1, 9, 20), "float32"), numbers(rng, (2, 20, 11), "float32"))
    run("matmul", variant, numbers(rng, (2, 3, 9, 20), "float32")[:, ::-1], numbers(rng, (20, 11), "float32"))
    run("matmul", variant, numbers(rng, (20,), "float32"), numbers(rng, (4, 20, 33), "float32"))
    run("matmul", variant, numbers(rng, (33, 20), "float32"), numbers(rng, (20,), "float32"))


def test_matmul_keeps_the_sign_of_zero(variant: accel.Device) -> None:
    """A chain that ends in -0 stays there: no zero is multiplied in past the end of k."""
    for n in (2, 17):
        a = np.full((3, 17), 1e-30, np.float32)
        b = np.full((17, n), -1e-30, np.float32)
        assert np.signbit(canonical.matmul(a, b)).all()
        run("matmul", variant, a, b)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_grouped_matmul(variant: accel.Device, dtype: str) -> None:
    """Groups of no rows and of several tiles; weights by rows, by columns, by neither, and of few columns; the sums of
    a group's rows, of none, of less and of more than a chunk."""
    rng = np.random.default_rng(12)
    x, w, counts = numbers(rng, (340, 270), dtype), numbers(rng, (4, 270, 67), dtype), np.array((0, 270, 1, 69))
    with accel.config(numerics="reproducible"):
        run("grouped_matmul", variant, x, np.ascontiguousarray(w.transpose(0, 2, 1)).transpose(0, 2, 1), counts)
        run("grouped_matmul", variant, x[:, ::27], w[:, ::27, ::3], counts.astype(np.int32))
        run("grouped_matmul", variant, x[:, ::3], w[:, ::3, ::3], counts)
        run("grouped_matmul", variant, x[::-1, ::-1], w[::-1, ::-1, ::-1], counts)
        run("grouped_matmul", variant, x[:, :9].T, x[::-1, :197:-2], counts)
        run("grouped_matmul", variant, x[:, :9], np.ascontiguousarray(w[:, :9]), counts)
        run("grouped_matmul", variant, x[:, :9].T, x[:, 200:], counts)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_matmul_epilogue(variant: accel.Device, dtype: str) -> None:
    rng = np.random.default_rng(10)
    x, weight, bias = (numbers(rng, shape, dtype, 0.3) for shape in ((5, 9, 270), (39, 270), (39,)))
    with accel.config(numerics="reproducible"):
        run("linear", variant, x, weight, bias, activation="silu")


def test_matmul_controls() -> None:
    """Another chunk length, and products rounded before they are added, change the bits of the products above."""
    rng = np.random.default_rng(8)
    a, b = numbers(rng, (37, 600), "float32"), numbers(rng, (600, 71), "float32")
    want = canonical.matmul(a, b)
    for change in ({"kc": 128}, {"fused": False}):
        assert differing(canonical.matmul(a, b, **change), want).any()


def test_every_tile_is_run(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiles of the lanes geometry that the sizes above do not choose, on one device."""
    import pyopencl as cl

    base = backend.devices()[0]
    rng = np.random.default_rng(11)
    for dtype, size in (("float32", 4), ("float64", 8)):
        for tile in matmul_tiles.TILES[size]:
            device = backend.adopt(cl.CommandQueue(base.context))
            device.geometry = "lanes"
            monkeypatch.setattr(matmul, "tile", lambda *given, tile=tile: tile)
            run("matmul", device, numbers(rng, (67, 290), dtype), numbers(rng, (290, 70), dtype))


def test_every_register_tile_is_run(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Panels for CPUs with narrower registers than this one's."""
    import pyopencl as cl

    base = backend.devices()[0]
    rng = np.random.default_rng(12)
    monkeypatch.setattr(matmul, "direct", lambda *given: None)  # b is small
    for rows, vectors, vector in ((6, 2, 8), (4, 2, 4), (1, 1, 16), (12, 1, 16)):
        device = backend.adopt(cl.CommandQueue(base.context))
        device.geometry = "loops"
        chosen = matmul_tiles.Panels(rows, vectors, vector)
        monkeypatch.setattr(matmul, "panels", lambda *given, chosen=chosen: chosen)
        monkeypatch.setattr(matmul, "width_of", lambda *given, chosen=chosen: chosen.vector)
        run("matmul", device, numbers(rng, (31, 290), "float32"), numbers(rng, (290, 70), "float32"))


@pytest.mark.parametrize("along_k", [False, True], ids=["b-along-n", "b-along-k"])
def test_every_direct_tile_is_run(backend: Any, monkeypatch: pytest.MonkeyPatch, along_k: bool) -> None:
    """The same for products that pack nothing: every number of rows, and registers of every width."""
    import pyopencl as cl

    base = backend.devices()[0]
    rng = np.random.default_rng(14)
    tiles = ((1, 16, 16), (2, 8, 16), (4, 4, 16), (6, 4, 16), (8, 2, 16), (12, 2, 16), (12, 1, 8), (8, 1, 4), (1, 1, 2))
    chosen_rows = {rows for found in matmul_tiles.DIRECT_TILES.values() for rows, _ in found}
    assert {rows for rows, _, _ in tiles} == {*matmul_tiles.DIRECT_ROWS, *chosen_rows}
    for rows, vectors, vector in tiles:
        device = backend.adopt(cl.CommandQueue(base.context))
        device.geometry = "loops"
        chosen = matmul_tiles.Panels(rows, vectors, vector)
        monkeypatch.setattr(matmul, "few", lambda *given: False)
        monkeypatch.setattr(matmul, "direct", lambda *given, chosen=chosen: chosen)
        monkeypatch.setattr(matmul, "width_of", lambda *given, chosen=chosen: chosen.vector)
        b = numbers(rng, (290, chosen.columns + 1), "float32")
        run("matmul", device, numbers(rng, (2 * rows + 1, 290), "float32"), b.T.copy().T if along_k else b)


DIRECT = ("float32", "float64", "bfloat16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@pytest.mark.parametrize("dtype", DIRECT)
def test_direct_products_past_every_edge(device: accel.Device, dtype: str) -> None:
    """Columns just past a tile, a k past a chunk and past whole blocks of it, b along n and along k."""
    rng = np.random.default_rng(15)
    row = TABLE[dtype]
    sizes = ((1, 17), (8, 133), (12, 17), (16, 33)) if dtype == "float32" else ((1, 17), (12, 33))
    with accel.config(numerics="reproducible"):
        for m, n in sizes:
            a, b = numbers(rng, (m, 281), dtype), numbers(rng, (281, n), dtype)
            for its_b, strides in ((b, (n, 1)), (b.T.copy().T, (1, 281))):
                its = matmul_tiles.problem((m, n), 281, [(281, 1), strides, (n, 1)])
                assert matmul_tiles.direct(its, row, max(4, row.itemsize), 16, 2) is not None
                run("matmul", device, a, its_b)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "int8"])
def test_b_that_lies_along_k_is_packed(device: accel.Device, dtype: str) -> None:
    """Alone where a is read as it lies: one matrix for several of a, columns past a tile, a k past a chunk."""
    rng = np.random.default_rng(16)
    with accel.config(numerics="reproducible"):
        for batch, m, k, n in (((), 19, 281, 17), ((3,), 33, 33, 70), ((2, 1), 17, 5, 16)):
            a, b = numbers(rng, (*batch, m, k), dtype), numbers(rng, (2, n, k), dtype)
            run("matmul", device, a, b[0].T)
            if batch == (2, 1):
                run("matmul", device, a, b.swapaxes(-1, -2))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int8"])
def test_products_of_fewer_columns_than_a_vector_has(device: accel.Device, dtype: str) -> None:
    """They are made as the transpose, of operands of every layout, with a batch of either operand or of both."""
    rng = np.random.default_rng(17)
    with accel.config(numerics="reproducible"):
        for m, k, n in ((16, 300, 1), (37, 259, 2), (150, 16, 8), (1, 300, 8)):
            a, b = numbers(rng, (m, k), dtype), numbers(rng, (2, k, n), dtype)
            run("matmul", device, a, b)
            run("matmul", device, a.T.copy().T, b[0].T.copy().T)
            run("matmul", device, np.stack([a, a[::-1]]), b)


def test_epilogues_of_a_transpose(device: accel.Device) -> None:
    """Further operands are walked along the columns that the result has, too."""
    rng = np.random.default_rng(19)
    x, weight, bias = (numbers(rng, shape, "float32") for shape in ((35, 80), (3, 80), (3,)))
    with accel.config(numerics="reproducible"):
        results = []
        for place in (device, accel.device("cpu")):
            its, w, b = (accel.asarray(each, device=place) for each in (x, weight, bias))
            line = accel.asarray(x[:, :1].copy(), device=place)
            results.append([np.asarray(accel.nn.linear(its, w, b, activation="gelu")), np.asarray(its @ w.T * line)])
    for got, want in zip(*results, strict=True):
        assert got.tobytes() == want.tobytes()


@pytest.fixture
def striped(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Products of few rows with any b go in stripes, whatever the width of the CPU's registers."""
    monkeypatch.setattr(matmul_tiles, "SMALL", 0)
    monkeypatch.setattr(matmul_tiles, "STRIPE_VECTOR", 16)
    return monkeypatch


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int8", "uint64"])
def test_stripes_past_every_edge(device: accel.Device, dtype: str, striped: pytest.MonkeyPatch) -> None:
    """Rows that are one pass, two, and parts of them; columns just past a tile, in one stripe and in several; a k past
    a chunk, past a block and below both."""
    rng = np.random.default_rng(17)
    sizes = ((2, 33, 281), (7, 40, 5), (11, 133, 300), (16, 36, 520)) if dtype == "float32" else ((11, 37, 281),)
    with accel.config(numerics="reproducible"):
        for m, n, k in sizes:
            a, b = numbers(rng, (m, k), dtype), numbers(rng, (k, n), dtype)
            for its_b, strides in ((b, (n, 1)), (b.T.copy().T, (1, k))):
                its = matmul_tiles.problem((m, n), k, [(k, 1), strides, (n, 1)])
                assert matmul_tiles.few(its, TABLE[dtype], 16)
                run("matmul", device, a, its_b)
        striped.setattr(matmul_tiles, "STRIPE_BYTES", 1 << 11)
        run("matmul", device, a, b)


@pytest.mark.parametrize("vector", [4, 8, 16])
def test_stripes_of_registers_of_every_width(device: accel.Device, vector: int, striped: pytest.MonkeyPatch) -> None:
    striped.setattr(type(device), "vector", vector)
    rng = np.random.default_rng(18)
    for m in (3, 13):
        a, b = numbers(rng, (m, 270), "float32"), numbers(rng, (270, 43), "float32")
        run("matmul", device, a, b)
        run("matmul", device, a, b.T.copy().T)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_chunks_of_8_bit_integers_are_exact(device: accel.Device, dtype: str, striped: pytest.MonkeyPatch) -> None:
    """The largest products, whose sums are computed in float32: of few rows, and packed."""
    ends = np.iinfo(dtype)
    worst = ends.min or ends.max
    for m in (8, 40):
        a, b = np.full((m, 600), worst, dtype), np.full((600, 40), worst, dtype)
        b[::7] = 1
        run("matmul", device, a, b, dtype=TABLE["int32"])
    run("matmul", device, a[:8], b.T.copy().T, dtype=TABLE["int32"])


def test_products_that_are_made_in_stripes(striped: pytest.MonkeyPatch) -> None:
    """Those of few rows with a large b; and every tile is in one stripe, none of which has more than its kernel keeps
    sums for."""
    striped.undo()

    def asked(m: int, n: int, k: int, b: tuple[int, int], dtype: str = "float32", vector: int = 8) -> bool:
        its = matmul_tiles.problem((m, n), k, [(k, 1), b, (n, 1)])
        return matmul_tiles.few(its, TABLE[dtype], vector)

    assert asked(2, 2048, 2048, (2048, 1))
    assert asked(16, 2048, 2048, (1, 2048), "int8")
    assert not asked(1, 2048, 2048, (2048, 1))
    assert not asked(17, 2048, 2048, (2048, 1))
    assert not asked(8, 128, 256, (128, 1))  # 128 KiB
    assert not asked(8, 2048, 2048, (2048, 1), vector=16)
    assert not asked(8, 2048, 2048, (2048, 1), "float16")
    assert not asked(8, 2048, 2048, (4096, 2))
    for size, vector in ((4, 4), (4, 8), (8, 8), (4, 16)):
        for m in (2, 8, 9, 16):
            for n in (33, 2048, 5000):
                for b in ((n, 1), (1, 512)):
                    its = matmul_tiles.problem((m, n), 512, [(512, 1), b, (n, 1)])
                    s = matmul_tiles.stripes(its, size, vector, 3)
                    tiles, bounds = -(-n // s.width), range(s.groups + 1)
                    shares = [tiles * (i + 1) // s.groups - tiles * i // s.groups for i in bounds[:-1]]
                    assert sum(shares) == tiles and 0 < max(shares) <= s.tiles
                    assert s.width <= n and s.rows * s.passes >= m
                    assert s.tiles * s.width * s.rows * s.passes * size <= matmul_tiles.STRIPE_BYTES


@pytest.mark.parametrize("stripes", [False, True])
def test_direct_products_of_batches_and_strides(
    device: accel.Device, stripes: bool, request: pytest.FixtureRequest
) -> None:
    """Repeated matrices on either side, a of any stride, b from the middle of its rows, and an epilogue."""
    if stripes:
        request.getfixturevalue("striped")
    rng = np.random.default_rng(16)
    a, b = numbers(rng, (2, 3, 9, 41), "float32"), numbers(rng, (2, 1, 41, 40), "float32")
    run("matmul", device, a[:, ::-1, ::2, ::-1], b[..., 3:37])
    along_k = b.swapaxes(-1, -2).copy()[..., 1:].swapaxes(-1, -2)
    run("matmul", device, a[:1, :1, :, 1:], along_k[..., :35])
    with accel.config(numerics="reproducible"):
        operands = (
            numbers(rng, (3, 2, 41), "bfloat16"),
            numbers(rng, (33, 41), "bfloat16"),
            numbers(rng, (33,), "bfloat16"),
        )
        run("linear", device, *operands, activation="silu")


def test_products_that_are_packed() -> None:
    """Panels are for many rows of a and a large b, and for what vectors of neighbours cannot read."""

    def tile(m: int, n: int, k: int, b: tuple[int, int], dtype: str = "float32", vector: int = 16) -> Any:
        its = matmul_tiles.problem((m, n), k, [(k, 1), b, (n, 1)])
        return matmul_tiles.direct(its, TABLE[dtype], max(4, TABLE[dtype].itemsize), vector, 2)

    assert tile(1, 2048, 2048, (2048, 1)) == matmul_tiles.Panels(1, 16, 16)
    assert tile(16, 2048, 2048, (2048, 1)) == matmul_tiles.Panels(6, 4, 16)
    assert tile(16, 2048, 2048, (1, 2048)) == matmul_tiles.Panels(8, 2, 16)  # no more streams than are fetched ahead
    assert tile(1, 2048, 2048, (1, 2048)) == matmul_tiles.Panels(1, 1, 16)
    assert tile(1, 2048, 2048, (1, 2048), "float64") == matmul_tiles.Panels(1, 2, 8)
    assert tile(1, 2048, 2048, (1, 2048), vector=8) == matmul_tiles.Panels(1, 2, 8)
    assert tile(128, 2048, 2048, (2048, 1)) == matmul_tiles.Panels(6, 4, 16)
    assert tile(129, 2048, 2048, (2048, 1)) is None
    assert tile(17, 2048, 2048, (2048, 1), vector=8) is None
    assert tile(500, 1024, 512, (1024, 1)) == matmul_tiles.Panels(6, 4, 16)  # 2 MiB
    assert tile(500, 1024, 513, (1024, 1)) is None
    assert tile(500, 128, 256, (128, 1), vector=8) == matmul_tiles.Panels(6, 2, 8)  # 128 KiB
    assert tile(500, 128, 257, (128, 1), vector=8) is None
    its = matmul_tiles.problem((17, 2048), 2048, [(1, 17), (2048, 1), (2048, 1)])
    assert matmul_tiles.direct(its, TABLE["float32"], 4, 16, 2) is None  # a's rows, gathered, for each tile anew
    assert tile(16, 64, 64, (1, 64)) is not None
    assert tile(17, 64, 64, (1, 64)) is None  # turned round once, not for each tile of rows
    assert tile(1, 64, 64, (128, 2)) is None
    assert tile(1, 64, 64, (64, 1), "float16") is None
    assert tile(1, 15, 64, (15, 1)) is None
    assert tile(1, 15, 64, (1, 64)) == matmul_tiles.Panels(1, 1, 16)
    for vector, registers in ((4, 8), (8, 12), (16, 24)):
        for m in (1, 2, 3, 8, 11, 16):
            for n in (16, 100, 3000):
                found = tile(m, n, 8, (n, 1), vector=vector)
                assert found.columns <= n
                assert found.rows * found.vectors <= registers


def test_small_work_groups_are_refused_or_served() -> None:
    """A device with small work-groups gets a smaller tile, and a reason where none fits."""
    its = matmul_tiles.problem((500, 500), 500, [(500, 1)] * 3)
    assert matmul_tiles.tile(its, 4, 256, 32768) == matmul_tiles.TILES[4][0]
    assert matmul_tiles.tile(its, 4, 64, 32768) == matmul_tiles.TILES[4][1]
    assert matmul_tiles.tile(its, 4, 32, 32768) is None
    assert all(tile.local_bytes(size) <= 32768 for size, tiles in matmul_tiles.TILES.items() for tile in tiles)


def test_vectors_of_outputs_are_for_short_rows() -> None:
    def access(outputs: int, length: int, geometry: str = "loops") -> str:
        return reduce.levels((outputs, length), (length, 1), (1,), (1,), geometry, 1)[0].access

    assert access(8, 32) == "COLUMNS"
    assert access(7, 32) == access(8, 33) == access(8, 32, "lanes") == "ROWS"


def test_levels_cover_every_block() -> None:
    """Each level reduces what the level before left, down to one block."""
    plan = reduce.levels((3, 10**8), (10**8, 1), (1,), (1,), "lanes", 1)
    assert [level.blocks for level in plan] == [24415, 6, 1]
    assert [level.count for level in plan] == [10**8, 24415, 6]
    assert [level.last for level in plan] == [False, False, True]
