"""Examples of attention: head dimensions around vectors, lengths around blocks and chunks of keys, every option."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import BOOL, TABLE, DType
from ..numerics import ATTENTION, LANES
from ..ops.parameters import ATTENTION_OPERANDS, Attention
from .draw import Draw
from .factor_family import stacked
from .families import Edge, Sample, Samples
from .values import values

HEADS = ((1, 1), (2, 2), (4, 2), (6, 2), (3, 1))
"""Heads of queries, and of keys and values."""

WIDTHS = (1, 2, 5, 8, 16, 20, 33)


def _mask(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], kind: str) -> np.ndarray:
    """Some keys are not seen; the first query sees none. stretched: the same for every head, and perhaps sequence."""
    if kind == "bool":
        mask = rng.random((shape[0], 1, *shape[2:])) < 0.6
        mask[:, :, 0] = False
        return np.broadcast_to(mask, shape)
    mask = rng.standard_normal((1, 1, *shape[2:]))
    mask[rng.random(mask.shape) < 0.2] = -np.inf
    return np.broadcast_to(mask.astype(dtype.numpy), shape)


def _others(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], names: tuple[str, ...]) -> dict[str, Any]:
    """Operands beside query, key and value; shape: of the scores."""
    batch, heads, _, keys = shape
    accumulator = TABLE[dtype.accumulator].numpy
    made: dict[str, Any] = {}
    for name in names:
        if name in ("bool", "dtype", "accumulator"):
            its = {"bool": BOOL, "dtype": dtype, "accumulator": TABLE[dtype.accumulator]}[name]
            made["mask"] = _mask(rng, its, shape, name)
        elif name in ("sinks", "slopes"):
            made[name] = (rng.standard_normal(heads) if name == "sinks" else rng.random(heads)).astype(accumulator)
        elif name == "offsets":
            made[name] = np.sort(np.append(rng.integers(0, shape[2] + 1, batch - 1), (0, shape[2])))
        elif name == "dropout":
            made[name] = rng.integers(0, 1 << 64, (batch, heads), np.uint64)
        elif name == "starts":
            made[name] = rng.integers(-1, max(1, keys // 2), batch)
        else:
            made[name] = rng.integers(0, keys + 2, batch)
    return made


def _three(
    rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], heads: int, d: int, dv: int, regime: str,
    packed: bool, pages: tuple[int, int] | None,
) -> list[np.ndarray]:  # fmt: skip
    batch, _, queries, keys = shape
    if packed:
        batch = 1
    several, length = (batch, keys) if pages is None else pages
    shapes = ((batch, shape[1], queries, d), (several, heads, length, d), (several, heads, length, dv))
    if regime == "unseen":  # keys and values beyond what a sequence has are no numbers
        made = [values(rng, dtype, s, "normal") for s in shapes]
        for x in made[1:]:
            x[:, :, keys // 2 :] = np.nan
        return made
    return [values(rng, dtype, s, regime) for s in shapes]


def _primitive(
    seed: int, dtype: DType, batch: int, heads: tuple[int, int], lengths: tuple[int, int], widths: tuple[int, int],
    regime: str = "normal", names: tuple[str, ...] = (), lay: Draw | None = None, **options: Any,
) -> Sample:  # fmt: skip
    rng = np.random.default_rng(seed)
    shape = (batch, heads[0], *lengths)
    pages, table = None, None
    if "pages" in names:
        page = int(rng.choice((1, 3, 16, 70)))
        columns = -(-lengths[1] // page)
        pages, shape = (columns + 2, page), (*shape[:3], columns * page)
        table = rng.integers(-1, columns + 3, (batch, columns))  # some of which there are not
    three = _three(rng, dtype, shape, heads[1], *widths, regime, "offsets" in names, pages)
    others = _others(rng, dtype, shape, tuple(n for n in names if n != "pages"))
    if table is not None:
        others["pages"] = table
    if regime == "unseen":
        others["lengths"] = np.full(batch, lengths[1] // 2)
    order = tuple(n for n in ATTENTION_OPERANDS if n in others)
    options.setdefault("scale", 0.25)
    operands = [*(x if lay is None else stacked(lay, x) for x in three), *(others[n] for n in order)]
    return Sample(tuple(operands), {"params": Attention(given=order, **options)})


NAMES = ("bool", "dtype", "accumulator", "sinks", "slopes", "starts", "lengths", "offsets", "pages", "dropout")


def primitive(dtype: DType) -> Samples:
    """Operands of 4 axes and the kernels' parameters."""

    def draw(its: Draw) -> Sample:
        names = list(its.some(NAMES[3:]))
        if its.once_in(2) and "offsets" not in names:
            names.append(its.choice(NAMES[:3]))
        options: dict[str, Any] = {"from_end": its.once_in(2)}
        if its.once_in(3):
            options["before"] = its.choice((0, 1, 20))
        if its.once_in(2):
            options["after"] = its.choice((0, 0, 3))
        if its.once_in(4):
            options["softcap"] = 1.5
        if "dropout" in names:
            options["dropout"] = its.choice((0.1, 0.5, 0.0, 1.0))
        lengths = its.choice((1, 2, 7, 17)), its.choice((1, 3, LANES - 1, LANES, LANES + 1, 3 * LANES + 2))
        return _primitive(
            its.integer(0, 2**32 - 1), dtype, its.choice((1, 2)), its.choice(HEADS), lengths,
            (its.choice(WIDTHS), its.choice(WIDTHS)), its.choice(("normal", "normal", "special", "integers")),
            tuple(names), its, **options,
        )  # fmt: skip

    def edge(*given: Any, **options: Any) -> Edge:
        (batch, heads, lengths, widths) = given[:4]
        size = batch * heads[0] * max(lengths[0] * max(widths), lengths[1] * max(widths))
        return Edge(size, lambda: _primitive(7, dtype, *given, **options))

    far = ATTENTION + LANES + 3
    edges = [
        edge(1, (1, 1), (1, far), (16, 16), from_end=True, after=0),
        edge(1, (2, 1), (2, 2 * ATTENTION + 1), (4, 3), "normal", ("starts", "lengths", "sinks"), from_end=True),
        edge(1, (1, 1), (LANES + 6, LANES + 6), (64, 64), after=0),
        edge(2, (2, 1), (5, far), (5, 3), "normal", ("slopes",), from_end=True, after=0, before=70, softcap=2.0),
        edge(1, (1, 1), (3, 40), (256, 256), "normal", ("bool",)),
        edge(3, (2, 1), (9, 70), (5, 3), "normal", ("offsets", "starts", "lengths"), from_end=True, after=0),
        edge(2, (2, 1), (3, far), (5, 3), "normal", ("lengths", "pages"), from_end=True, after=0),
        edge(2, (2, 2), (LANES + 6, LANES + 6), (4, 4), "normal", ("dropout",), dropout=0.3),
        edge(1, (1, 1), (3, 130), (16, 16), "unseen"),
        edge(1, (1, 1), (3, 130), (16, 16), "special", ("bool", "sinks")),
        edge(1, (1, 1), (3, 70), (16, 16), "huge"),
        edge(1, (1, 1), (3, 70), (16, 16), "tiny", scale=1000.0),
        edge(1, (2, 2), (13, 70), (16, 20), "wide"),
        edge(1, (1, 1), (1, 1), (1, 1)),
        edge(1, (1, 1), (2, 9), (3, 3), "normal", ("accumulator", "lengths", "starts")),
    ]
    return Samples(draw, edges)


def public(dtype: DType) -> Samples:
    """Operands of 2 to 5 axes, and the public function's own arguments."""

    def draw(its: Draw) -> Sample:
        rng = np.random.default_rng(its.integer(0, 2**32 - 1))
        heads, few = its.choice(HEADS)
        axes = its.integer(2, 5)
        batch = ((), (), (), (2,), (2, 1))[axes - 1] if axes > 3 else ()
        gqa = axes > 2 and heads != few
        queries, keys = its.choice((0, 1, 5, 18)), its.choice((0, 1, 7, LANES + 9))
        d, dv = its.choice(WIDTHS), its.choice(WIDTHS)
        shapes = [(*batch, *(() if axes == 2 else (h,)), n, w) for h, n, w in (
            (heads, queries, d), (few if gqa else its.choice((1, heads)), keys, d), (few if gqa else heads, keys, dv),
        )]  # fmt: skip
        keywords: dict[str, Any] = {"enable_gqa": True} if gqa else {}
        keywords |= {"is_causal": True} if its.once_in(2) else {}
        keywords |= {"causal_alignment": "lower_right"} if its.once_in(2) else {}
        keywords |= {"scale": 0.5} if its.once_in(3) else {}
        keywords |= {"softcap": 3.0} if its.once_in(4) else {}
        keywords |= {"window_size": (its.choice((None, 3)), its.choice((-1, 2)))} if its.once_in(3) else {}
        every = shapes[0][:-2]
        if axes > 2:
            numbers = its.choice((dtype, TABLE["float32"])).numpy
            keywords |= {"sinks": rng.standard_normal(heads).astype(numbers)} if its.once_in(3) else {}
            keywords |= {"alibi_slopes": rng.random(heads).astype(numbers)} if its.once_in(3) else {}
        if its.once_in(3):
            keywords["key_lengths"] = rng.integers(0, keys + 1, batch).astype(its.choice((np.int32, np.int64)))
        if its.once_in(4):
            keywords["key_starts"] = rng.integers(0, keys + 1, batch[-1:])
        if its.once_in(4):
            keywords |= {"dropout_p": its.choice((0.0, 0.2, 0.5, 1.0)), "dropout_key": rng.integers(0, 9, 2, np.uint64)}
        operands: list[Any] = [stacked(its, values(rng, dtype, s, "normal")) for s in shapes]
        if its.once_in(3):
            shape = its.choice(((queries, keys), (1, keys), (*every, queries, keys)))
            mask = rng.standard_normal(shape)
            operands.append(mask > 0 if its.once_in(2) else mask.astype(numbers if axes > 2 else dtype.numpy))
        return Sample(tuple(operands), keywords)

    return Samples(draw)
