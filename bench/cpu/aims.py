"""What the CPU backend aims at, as data: one row for each line of the table. What it is held to is in guards.toml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from . import (
    attention,
    complex_numbers,
    compositions,
    convolutions,
    factorizations,
    gathers,
    grouped,
    joins,
    matrix,
    overhead,
    pointwise,
    pooling,
    quantized,
    reductions,
    rows,
    scans,
    scatters,
    searches,
    sorts,
    transforms,
)
from .case import Case

PEERS = ("numpy", "torch")
COMPILERS = ("torch", "jax")
"""Peers of what accel compiles: jax.jit where it is installed."""

FLOAT_PRODUCTS = ("along", "across")
"""accel's own product with the weights in float32, by how these lie."""

SHARES = {("avx2", "fma_float32"): 0.88, ("avx2", "fma_float64"): 0.88}
"""Shares of the limit that take the place of a row's, by instruction set and kind."""

SQUARES = (64, 128, 256, 512, 1024, 2048, 4096)


@dataclass(frozen=True)
class Row:
    """One row of the table.

    name: what --rows matches. work: in words. cases: makes the cases. aim: the least ratio of the better peer's time
    to accel's, for the geometric mean over the cases (rule "mean") or for each of them ("least"). floor: with "mean",
    the least that a single case should have. limit: the least share of its limit of each case that has one.
    peers: those that count.
    """

    name: str
    work: str
    cases: Callable[[], list[Case]] = field(compare=False)
    aim: float
    rule: str = "least"
    floor: float | None = None
    limit: float | None = None
    peers: tuple[str, ...] = PEERS


def _square(dtype: str, aim: float, sizes: tuple[int, ...], probe: str | None, limit: float | None) -> Row:
    return Row(
        f"matmul-{dtype}",
        f"{dtype} matmul, square {sizes[0]} to {sizes[-1]}, four transpositions",
        partial(matrix.square, dtype, sizes, probe),
        aim,
        "mean",
        floor=0.9,
        limit=limit,
    )


def _few_rows(dtype: str) -> list[Row]:
    weights = "4096x4096 and 4096x14336 weights, both layouts"
    return [
        Row(f"rows-1-{dtype}", f"{dtype}, 1 row, {weights}", partial(matrix.few_rows, dtype, (1,), True), 1, limit=0.9),
        Row(
            f"rows-4-{dtype}",
            f"{dtype}, 4 to 16 rows, {weights}",
            partial(matrix.few_rows, dtype, (4, 8, 16), False),
            2,
        ),
        Row(f"rows-32-{dtype}", f"{dtype}, 32 rows, {weights}", partial(matrix.few_rows, dtype, (32,), False), 1),
    ]


def _reduction(kind: str, dtype: str, aim: float) -> Row:
    return Row(
        kind,
        f"{kind} of {dtype} over first, last, middle and all axes",
        partial(reductions.reduction, kind, dtype),
        aim,
    )


def _overhead(op: str, kind: str, aim: float = 1) -> Row:
    return Row(
        f"overhead-{op}-{kind.lower()}",
        f"{op} of 4x4 {kind}s, against torch's call",
        partial(overhead.overhead, op, kind),
        aim,
        peers=("torch",),
    )


def _last_axis(name: str) -> Row:
    return Row(
        f"{name}-jax",
        f"{name} over the last axis, against torch and jax",
        partial(reductions.last_axis, name, reductions.COMPILED),
        1,
        peers=COMPILERS,
    )


def _rows_of(name: str) -> Row:
    return Row(
        name.replace("_", "-"),
        f"{name}, 8 to 4096 rows of 768 to 128256",
        partial(compositions.rows_of, name),
        1.2,
        "mean",
        floor=0.9,
    )


def _activations(size: str, elements: int) -> Row:
    return Row(
        f"activations-{size}",
        f"every composed activation, {size} elements",
        partial(compositions.activations, elements),
        1.2,
        "mean",
    )


def _squashed(size: str, elements: int, aim: float) -> Row:
    return Row(
        f"fused-tanh-{size}",
        f"tanh(x w + 1) / (1 + x x) fused, {size} elements, against jax.jit and torch",
        partial(compositions.squashed, elements),
        aim,
        peers=COMPILERS,
    )


ROWS: tuple[Row, ...] = (
    _square("float32", 1, SQUARES, "fma_float32", 0.92),
    _square("float64", 1, SQUARES, "fma_float64", 0.92),
    _square("bfloat16", 1.8, SQUARES[:-1], None, None),
    _square("float16", 1, SQUARES[:-2], None, None),
    _square("int8", 1, SQUARES[:-1], "vnni_int8", 0.85),
    *_few_rows("float32"),
    *_few_rows("bfloat16"),
    *_few_rows("int8"),
    Row("batched", "float32, 1000 products of 4x4 to 32x32", partial(matrix.batched, (4, 8, 16, 32), 1000), 3),
    Row("linear-gelu", "float32 matmul with bias and gelu in one call", matrix.linear_gelu, 1.2),
    Row(
        "scalar-64K", "every scalar function, 64K elements", partial(pointwise.scalar, 1 << 16, False), 1.2, "mean", 0.9
    ),
    Row(
        "scalar-16M",
        "every scalar function, 16M elements; those under 30 operations against memory",
        partial(pointwise.scalar, 1 << 24, True),
        1.2,
        "mean",
        0.9,
        0.9,
    ),
    Row("broadcast", "add of broadcast and strided operands", pointwise.broadcast, 1.2),
    Row("cast", "casts of 64K and 16M elements", pointwise.casts, 1.2),
    Row("softmax", "softmax over the last axis", partial(reductions.last_axis, "softmax"), 1.5),
    Row("logsumexp", "log-sum-exp over the last axis", partial(reductions.last_axis, "logsumexp"), 1.5),
    _reduction("sum", "float32", 1),
    _reduction("mean", "float32", 1),
    _reduction("max", "float32", 1),
    _reduction("any", "bool", 1),
    _reduction("argmax", "float32", 3),
    _overhead("add", "Array"),
    _overhead("matmul", "Array"),
    _overhead("linear", "Array"),
    _overhead("add", "ndarray"),
    _overhead("matmul", "ndarray"),
    _overhead("linear", "ndarray"),
    _overhead("add", "Tensor", 0.2),
    _overhead("matmul", "Tensor", 0.2),
    _overhead("linear", "Tensor", 0.2),
    Row(
        "overhead-views",
        "views of a 4x4 Array: transpose, row, block, other shapes, against NumPy's and torch's",
        overhead.views,
        1,
        "mean",
        floor=0.5,
    ),
    *map(_last_axis, ("softmax", "log_softmax", "logsumexp")),
    *map(_rows_of, ("layer_norm", "rms_norm", "cross_entropy")),
    Row(
        "fused-memory",
        "(x w + 1) / (1 + x x) fused, 16M elements, against memory",
        partial(compositions.quotient, 1 << 24),
        1,
        limit=0.9,
        peers=COMPILERS,
    ),
    _squashed("64K", 1 << 16, 1.3),
    _squashed("16M", 1 << 24, 2.0),
    _activations("64K", 1 << 16),
    _activations("16M", 1 << 24),
    Row(
        "overhead-composed",
        "a composed function of 4x4 Arrays, against the primitive of the same result: at most 1.5 times its time",
        compositions.repeated,
        0.67,
        peers=("primitive",),
    ),
    Row(
        "cumulative-sum",
        "cumulative_sum of 64K and 4M float32 and int64, along the last and the first axis",
        scans.sums,
        1.2,
        "mean",
        floor=0.8,
    ),
    Row(
        "take",
        "take of elements, rows and columns, and take_along_axis, 64K and 4M results",
        gathers.takes,
        1.2,
        "mean",
        floor=0.8,
    ),
    Row(
        "assignment",
        "x[i] = v with positions and masks, of elements and rows, 64K and 4M values",
        scatters.assignments,
        1,
        "mean",
        floor=0.8,
    ),
    Row("embedding", "embedding of 1 to 4096 tokens", rows.embeddings, 1.2, "mean", peers=("torch",)),
    Row("embedding-bag", "embedding_bag, sums and means", rows.bags, 1.2, "mean", peers=("torch",)),
    Row("segment-sum", "segment_sum, ascending or not", rows.segments, 1.2, "mean", peers=("torch",)),
    Row("rotary", "rotary_embedding, halves and neighbours", rows.rotations, 1.2, "mean", peers=("torch",)),
    Row("concat", "concat of parts, 64K and 4M results, along each axis", joins.concats, 1.2, "mean", floor=0.8),
    Row(
        "linear-int8",
        "linear of 1 to 8 rows and int8 weights, a scale for each output, beside accel's own float32 product",
        partial(quantized.products, "int8", None),
        2.0,
        peers=FLOAT_PRODUCTS,
    ),
    Row(
        "linear-int4",
        "linear of 1 to 8 rows and int4 weights in groups of 32, beside accel's own float32 product",
        partial(quantized.products, "int4", 32),
        3.0,
        peers=FLOAT_PRODUCTS,
    ),
    Row(
        "linear-formats",
        "linear of one row and weights of float8, of MX and of GGUF's blocks, beside accel's own float32 product",
        quantized.decoded,
        2.0,
        "mean",
        peers=FLOAT_PRODUCTS,
    ),
    Row(
        "linear-int8-int8",
        "linear of 1 to 64 rows that are quantised, and int8 weights, beside accel's own float32 product",
        quantized.integer_products,
        2.0,
        peers=FLOAT_PRODUCTS,
    ),
    Row(
        "grouped",
        "rows of 8 and 64 experts by a weight each, beside a loop of torch's products",
        grouped.products,
        1.0,
        "mean",
        floor=0.7,
        peers=("torch",),
    ),
    Row("roll", "roll of 64K and 4M, along each axis", joins.rolls, 1.2, "mean", floor=0.8),
    Row("flip", "a copy of a flip of 64K and 4M, along each axis", joins.flips, 1.2, "mean", floor=0.8),
    Row("pad", "pad of 64K and 4M, with zeros and mirrored", joins.pads, 1.2, "mean", floor=0.8),
    Row("sort", "sorted values of 64K and 4M", sorts.values, 1.2, "mean", floor=0.8),
    Row("argsort", "stable indices that sort 64K and 4M", sorts.indices, 1.2, "mean", floor=0.8),
    Row("sort-rows", "values and indices of 64K in rows of 8 to 1024", sorts.rows, 1.2, "mean", floor=0.8),
    Row(
        "searchsorted",
        "searchsorted of as many values, 64K and 4M, in any order and sorted",
        searches.searches,
        1.2,
        "mean",
        floor=0.8,
    ),
    Row("mask", "what a boolean mask selects of 64K and 4M", searches.masks, 1.2, "mean", floor=0.8),
    Row("unique", "unique_values of 64K and 4M", searches.uniques, 1.2, "mean", floor=0.8),
    Row("topk", "topk of 64K and 4M, few of many", searches.tops, 1.2, "mean", floor=0.8),
    Row("pooling", "max, avg and adaptive pools of images", pooling.pools, 1.2, "mean", floor=0.8, peers=("torch",)),
    Row(
        "interpolate",
        "images of twice the height and width and of other sizes, five modes",
        pooling.resampled,
        1.2,
        "mean",
        floor=0.8,
        peers=("torch",),
    ),
    Row(
        "interpolate-antialias",
        "images made smaller by wide filters",
        pooling.antialiased,
        1.2,
        "mean",
        floor=0.8,
        peers=("torch",),
    ),
    Row("grid_sample", "images at places of a grid", pooling.at_places, 1.2, "mean", floor=0.8, peers=("torch",)),
    Row("cholesky", "cholesky of 256 to 1024, float32 and float64", factorizations.choleskys, 0.7),
    Row("qr", "qr of 256 to 1024, float32 and float64", factorizations.qrs, 0.7),
    Row("solve", "solve of 256 to 1024, one and as many right-hand sides", factorizations.solves, 0.7),
    Row("complex-factors", "cholesky, qr and solve of 64 and 256, complex64", factorizations.of_complex_numbers, 0.7),
    Row(
        "conv2d",
        "conv2d of ResNet-50's layers, 1x1 ones too, batch 1 and 8",
        partial(convolutions.layers, (*convolutions.RESNET, *convolutions.ONE)),
        1,
        "mean",
        floor=0.7,
    ),
    Row(
        "conv2d-packed",
        "conv2d of ResNet-50's layers, with weights packed once, batch 1 and 8",
        partial(convolutions.layers, (*convolutions.RESNET, *convolutions.ONE), packed=True),
        1,
        "mean",
        floor=0.7,
    ),
    Row("conv2d-1x1", "conv2d of 1x1, batch 1 and 8", partial(convolutions.layers, convolutions.ONE), 1, "mean"),
    Row(
        "conv2d-depthwise",
        "depthwise conv2d of 3x3, batch 1 and 8",
        partial(convolutions.layers, convolutions.DEPTHWISE),
        1,
        "mean",
    ),
    Row("complex-64K", "nine functions of complex64, 64K", partial(complex_numbers.elementwise, 1 << 16), 1, "mean"),
    Row("complex-4M", "the same, 4M", partial(complex_numbers.elementwise, 1 << 22), 1, "mean"),
    Row("fft", "fft of 2^10 to 2^20 complex64, and of 1024x1024", transforms.transforms, 0.5),
    Row(
        "attention", "causal attention of 128 to 4096, 16 heads of 64 and 128", attention.causal, 1.2, "mean", floor=0.9
    ),
    Row("decode", "attention of one query, a cache of 4096, 32 heads to 8", attention.decodes, 1.5, "mean", floor=0.9),
    Row("new-layout", "a composed function's call on a new layout: 3 ms", compositions.unseen, 1, limit=1, peers=()),
)
