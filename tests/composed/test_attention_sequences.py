"""Attention of packed sequences and of caches in pages: each sequence's bits are those that it has alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accel
from accel import nn
from accel.conversion import to_numpy
from accel.numerics import LANES

varlen = nn.scaled_dot_product_attention_varlen

DEVICES = [str(d) for d in accel.devices() if d.backend != "null" and d.kind != "emulated"]

QUERIES, KEYS = (3, 0, 17, 1, 6), (5, 9, LANES + 7, 2, 0)
OF_Q, OF_K = (np.append(0, np.cumsum(x)) for x in (QUERIES, KEYS))
CASES: list[dict[str, Any]] = [
    {},
    {"is_causal": True, "causal_alignment": "lower_right", "window_size": (9, 0)},
    {"alibi_slopes": np.float32([0.5, 0.25, 0.1, 0.0]), "sinks": np.float32([0, 1, -1, -np.inf]), "softcap": 2.0},
    {"dropout_p": 0.4, "dropout_key": np.array([0, 7], np.uint64), "is_causal": True},
]
CASES.append({**CASES[2], **CASES[3], **CASES[1]})
RUNS = [*(("cpu", case, (3, LANES)) for case in CASES), *((device, CASES[-1], (3,)) for device in DEVICES[1:])]


def three(dtype: str = "float32") -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = ((OF_Q[-1], 4, 8), (OF_K[-1], 2, 8), (OF_K[-1], 2, 5))
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def on(device: str, function: Any, *operands: np.ndarray, **keywords: Any) -> np.ndarray:
    def moved(x: Any) -> Any:
        return accel.asarray(x, device=device) if isinstance(x, np.ndarray) else x

    return to_numpy(function(*map(moved, operands), **{n: moved(x) for n, x in keywords.items()}))


def alone(q: np.ndarray, k: np.ndarray, v: np.ndarray, **keywords: Any) -> np.ndarray:
    """Every sequence by the other function, as a batch of its own; with dropout in one batch, that of its number."""
    parts = []
    for b in range(len(QUERIES)):
        rows = [x[of[b] : of[b + 1]].swapaxes(0, 1) for x, of in ((q, OF_Q), (k, OF_K), (v, OF_K))]
        if "dropout_key" in keywords:  # what is dropped follows from the number of the sequence
            rows = [np.stack([x] * (b + 1)) for x in rows]
        made = nn.scaled_dot_product_attention(*rows, enable_gqa=True, **keywords)
        parts.append((made[b] if "dropout_key" in keywords else made).swapaxes(0, 1))
    return np.concatenate(parts)


def in_pages(x: np.ndarray, page: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """A cache of pages in disorder, with NaN where there is nothing, and the block table."""
    rng = np.random.default_rng(seed)
    columns = -(-max(KEYS) // page) + 1
    numbers, table = list(rng.permutation(len(KEYS) * columns)), np.full((len(KEYS), columns), -7)
    cache = np.full((len(numbers), page, *x.shape[1:]), np.nan, x.dtype)
    for b, n in enumerate(KEYS):
        for c in range(-(-n // page)):
            table[b, c] = numbers.pop()
            part = x[OF_K[b] + c * page : min(OF_K[b] + (c + 1) * page, OF_K[b + 1])]
            cache[table[b, c], : len(part)] = part
    return cache, table


@pytest.mark.parametrize(("device", "case", "pages"), RUNS)
def test_a_sequence_has_the_bits_that_it_has_alone(device, case, pages):
    q, k, v = three()
    want = alone(q, k, v, **case)
    assert on(device, varlen, q, k, v, OF_Q, OF_K, enable_gqa=True, **case).tobytes() == want.tobytes()
    for page in pages:
        (keys, table), (values, _) = in_pages(k, page), in_pages(v, page)
        paged = {"block_table": table, "enable_gqa": True, **case}
        assert on(device, varlen, q, keys, values, OF_Q, OF_K, **paged).tobytes() == want.tobytes()


def test_other_offsets_and_pages_would_be_seen():
    """The control: one sequence more to the left, two pages exchanged, and another key of random numbers."""
    q, k, v = three()
    want = alone(q, k, v)
    other = OF_K.copy()
    other[1] += 1
    assert (varlen(q, k, v, OF_Q, other, enable_gqa=True) != want).any()
    (keys, table), (values, _) = in_pages(k, 16), in_pages(v, 16)
    table[2, :2] = table[2, 1::-1]
    paged = {"enable_gqa": True, "block_table": table}
    moved = varlen(q, keys, values, OF_Q, OF_K, causal_alignment="lower_right", is_causal=True, **paged)
    assert (moved != alone(q, k, v, causal_alignment="lower_right", is_causal=True)).any()
    chance = {"dropout_p": 0.4, "enable_gqa": True}
    one, two = (varlen(q, k, v, OF_Q, OF_K, dropout_key=np.array(key, np.uint64), **chance) for key in ((0, 7), (1, 7)))
    assert (one != two).any()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_threads_and_dtypes(dtype, threads):
    q, k, v = three(dtype)
    keywords = {"is_causal": True, "causal_alignment": "lower_right"}
    want = alone(q, k, v, **keywords)
    with accel.config(num_threads=threads):
        assert varlen(q, k, v, OF_Q, OF_K, enable_gqa=True, **keywords).tobytes() == want.tobytes()
        (keys, table), (values, _) = in_pages(k, 5), in_pages(v, 5)
        paged = varlen(q, keys, values, OF_Q, OF_K, enable_gqa=True, block_table=table, **keywords)
    assert paged.tobytes() == want.tobytes()


def test_nothing():
    q, k, v = three()
    none = np.array([0])
    assert varlen(q[:0], k[:0], v[:0], none, none, enable_gqa=True).shape == (0, 4, 5)
    empty = np.array([0, 0, OF_Q[-1]]), np.array([0, 0, 0])
    assert not varlen(q, k[:0], v[:0], *empty, enable_gqa=True).any()


def test_offsets_and_pages_are_arguments_of_a_fused_function():
    q, k, v = three()
    (keys, table), (values, _) = in_pages(k, 4), in_pages(v, 4)

    @accel.fuse
    def body(q: Any, k: Any, v: Any, a: Any, b: Any, t: Any) -> Any:
        return varlen(q * 2.0, k, v, a, b, enable_gqa=True, block_table=t)

    assert np.asarray(body(q, keys, values, OF_Q, OF_K, table)).tobytes() == alone(q * 2, k, v).tobytes()
    rng = np.random.default_rng(0)
    for most in (30, 2**40):  # nothing beyond the operands is read or written, whatever they are
        wrong = [rng.integers(-most, most, x.shape) for x in (OF_Q, OF_K, table)]
        with pytest.raises(IndexError, match="cu_seqlens_q: expected numbers that ascend from 0 to"):
            body(q, keys, values, *wrong)
        with accel.config(check="off"):
            assert np.asarray(body(q, keys, values, *wrong)).shape == (*q.shape[:2], v.shape[-1])
    for place, words, change in (
        (3, "cu_seqlens_q: .*; the first is 1", OF_Q + 1),
        (4, "cu_seqlens_k: .*; found -", OF_K - np.arange(len(OF_K)) * 1000),
        (5, "block_table: page 999 is out of range", np.full_like(table, 999)),
        (5, "block_table: page -1 is out of range", np.full_like(table, -1)),
    ):
        given = [q, keys, values, OF_Q, OF_K, table]
        given[place] = change
        with pytest.raises(IndexError, match=words):
            body(*given)


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (IndexError, "cu_seqlens_q", {"cu_seqlens_q": OF_Q[::-1].copy()}),
        (IndexError, "cu_seqlens_q", {"cu_seqlens_q": OF_Q + 1}),
        (IndexError, "cu_seqlens_k", {"cu_seqlens_k": np.minimum(OF_K, 3)}),
        (IndexError, "page 999", {"block_table": np.full((5, 40), 999)}),
        (IndexError, "page -1", {"block_table": np.full((5, 40), -1)}),
        (IndexError, "too few", {"block_table": np.zeros((5, 1), int)}),
        (accel.ShapeError, "block_table", {"block_table": np.zeros((4, 40), int)}),
        (accel.DtypeError, "block_table", {"block_table": np.zeros((5, 40))}),
        (accel.ShapeError, "cu_seqlens_k", {"cu_seqlens_k": OF_K[1:]}),
        (accel.DtypeError, "cu_seqlens_q", {"cu_seqlens_q": OF_Q * 1.0}),
        (accel.ShapeError, "3 axes", {"query": np.ones((1, 27, 4, 8), np.float32)}),
        (accel.ShapeError, "enable_gqa", {"enable_gqa": False}),
        (accel.ShapeError, "sinks", {"sinks": np.ones(3, np.float32)}),
        (accel.ArgumentError, "dropout_key", {"dropout_p": 0.5}),
        (accel.DtypeError, "dropout_key", {"dropout_p": 0.5, "dropout_key": np.array([1, 2])}),
        (accel.ArgumentError, "cu_seqlens_q", {"cu_seqlens_q": 3}),
    ],
)
def test_wrong_arguments(error, words, change):
    q, k, v = three()
    arguments = {"query": q, "key": k, "value": v, "cu_seqlens_q": OF_Q, "cu_seqlens_k": OF_K, "enable_gqa": True}
    if "block_table" in change:
        arguments |= {"key": in_pages(k, 3)[0], "value": in_pages(v, 3)[0]}
    with pytest.raises(error, match=words):
        varlen(**{**arguments, **change})
