"""`einsum` against NumPy's: every form of subscripts, every path, every kind of dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accel
from accel.ops.contraction import greedy


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


LENGTHS = {"a": 2, "b": 3, "c": 4, "d": 1, "e": 5}


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).integers(-4, 5, shape)


@given(st.data())
def test_it_is_numpys(data: Any) -> None:
    labels = st.text("abcde", max_size=3)
    terms = data.draw(st.lists(labels, min_size=1, max_size=4))
    there = sorted(set("".join(terms)))
    output = "".join(data.draw(st.permutations(there)))[: data.draw(st.integers(0, len(there)))]
    text = ",".join(terms) + data.draw(st.sampled_from(["", f"->{output}"]))
    arrays = [numbers(*(LENGTHS[c] for c in term), seed=i) for i, term in enumerate(terms)]
    want = np.einsum(text, *arrays)
    for optimize in (True, False, np.einsum_path(text, *arrays)[0]):
        got = accel.einsum(text, *map(accel.asarray, arrays), optimize=optimize)
        assert got.dtype == want.dtype and got.shape == want.shape and np.array_equal(got.numpy(), want), text
    floats = [x.astype(np.float64) / 7 for x in arrays]
    assert np.allclose(accel.einsum(text, *floats), np.einsum(text, *floats), rtol=1e-12, atol=1e-12), text


TEXTS = [
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
    ("i...,i...", [(3, 2), (3, 2)]),
    ("...,...", [(2, 3), (3,)]),
    ("i...i", [(3, 2, 3)]),
    ("...i->...", [(2, 3, 4)]),
    ("ij...,jk...->ik...", [(2, 3, 4, 5), (3, 6, 4, 5)]),
    (" i j , j k -> k i ", [(2, 3), (3, 4)]),
    ("...a->a", [(2, 3, 4)]),
    ("ij,ij->ij", [(1, 3), (2, 3)]),
    ("ij,jk", [(2, 1), (3, 4)]),
    ("ii", [(1, 1)]),
    ("iii->i", [(3, 3, 3)]),
    ("ij->", [(0, 3)]),
    ("ij,jk->ik", [(2, 0), (0, 3)]),
    (",", [(), ()]),
    ("Ba,aB", [(2, 3), (3, 2)]),
    ("Ab,ba", [(2, 3), (3, 2)]),
]


@pytest.mark.parametrize(("text", "shapes"), TEXTS, ids=[text for text, _ in TEXTS])
def test_subscripts(text: str, shapes: Any) -> None:
    arrays = [numbers(*shape, seed=i) for i, shape in enumerate(shapes)]
    want = arrays[0].sum((0, 1)) if text == "...a->a" else np.einsum(text, *arrays)  # NumPy refuses what torch takes
    got = accel.einsum(text, *arrays)
    assert isinstance(got, np.ndarray) and got.shape == want.shape and np.array_equal(got, want)


def test_lists_of_labels() -> None:
    a, b = numbers(2, 3), numbers(3, 4)
    assert np.array_equal(accel.einsum(a, [0, 1], b, [1, 2]), np.einsum(a, [0, 1], b, [1, 2]))
    assert np.array_equal(accel.einsum(a, [0, 1], b, [1, 2], [2, 0]), np.einsum(a, [0, 1], b, [1, 2], [2, 0]))
    assert np.array_equal(accel.einsum(a, [Ellipsis, 0], [0, Ellipsis]), a.T)


def test_dtypes() -> None:
    flags = numbers(3, 4) > 0
    got = accel.einsum("ij,kj->ik", flags, flags)
    assert got.dtype == bool and np.array_equal(got, np.einsum("ij,kj->ik", flags, flags))
    assert accel.einsum("ij->i", flags).tolist() == flags.any(1).tolist()
    small = np.full((3, 3), 100, np.int8)
    assert np.array_equal(accel.einsum("ij,jk->ik", small, small), np.einsum("ij,jk->ik", small, small))
    assert accel.einsum("ij->i", small).dtype == np.int8
    assert accel.einsum("ij->i", small, dtype="int64").tolist() == [300] * 3
    assert accel.einsum("i,i", small[0], np.ones(3, np.float32)).dtype == np.float32
    with pytest.raises(accel.DtypeError, match="einsum: dtype"):
        accel.einsum("i->i", np.ones(3), dtype="int32")


def test_16_bit_floats_are_rounded_once() -> None:
    a, b, c = (np.random.default_rng(i).standard_normal((8, 8)).astype(np.float16) for i in range(3))
    with accel.config(numerics="reproducible"):
        got = accel.einsum("ij,jk,kl->l", a, b, c)
        want = accel.einsum("ij,jk,kl->l", *(x.astype(np.float32) for x in (a, b, c)))
    assert got.dtype == np.float16 and np.array_equal(got, want.astype(np.float16))


def test_results_are_nobody_elses_memory() -> None:
    x = accel.asarray(numbers(3, 3))
    for text in ("ij->ji", "ii->i", "ij->ij"):
        found = accel.einsum(text, x)
        found[...] = 77
        assert not (np.asarray(x) == 77).any()


def test_paths() -> None:
    shapes = [(100, 2), (2, 100), (100, 3)]
    arrays = [numbers(*shape) for shape in shapes]
    path, text = accel.einsum_path("ij,jk,kl->il", *arrays)
    assert path == ["einsum_path", (1, 2), (0, 1)], "the small product first"
    assert "600 products, 6 elements" in text
    assert accel.einsum_path("ij,jk,kl->il", *arrays, optimize=False)[0] == ["einsum_path", (0, 1), (0, 1)]
    assert np.array_equal(accel.einsum("ij,jk,kl->il", *arrays, optimize=path), np.einsum("ij,jk,kl->il", *arrays))
    lengths = dict.fromkeys("abcdefghijkl", 4)
    chain = [f"{a}{b}" for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)]
    assert len(greedy(chain, "al", lengths)) == 10


def test_a_product_of_matrices_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """No operand is copied where its axes lie together, whichever way round."""
    from accel import dispatch

    calls, call = [], dispatch.call
    monkeypatch.setattr(dispatch, "call", lambda spec, *rest: (calls.append(spec.name), call(spec, *rest))[1])
    x, y = accel.asarray(numbers(2, 5, 3, 4)), accel.asarray(numbers(2, 6, 3, 4))
    dispatch.forget()
    found = accel.einsum("bikd,bjkd->bij", x, y)
    assert np.array_equal(found.numpy(), np.einsum("bikd,bjkd->bij", x.numpy(), y.numpy()))
    assert "copy" not in calls, calls


def test_fused() -> None:
    a, b = accel.asarray(numbers(4, 5) / 3), accel.asarray(numbers(5, 6) / 3)
    fused = accel.fuse(lambda a, b: accel.einsum("ij,jk->ki", a, b) * 2.0)
    assert np.array_equal(np.asarray(fused(a, b)), np.asarray(accel.einsum("ij,jk->ki", a, b) * 2.0))


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: accel.einsum(), accel.ArgumentError, "einsum: operands"),
        (lambda x: accel.einsum("ij"), accel.ArgumentError, "einsum: operands"),
        (lambda x: accel.einsum("ij,jk", x), accel.ArgumentError, "einsum: subscripts: .* 2 operands, got 1"),
        (lambda x: accel.einsum("i$", x), accel.ArgumentError, "einsum: subscripts: expected letters"),
        (lambda x: accel.einsum("i->ii", x[0]), accel.ArgumentError, "names a label twice"),
        (lambda x: accel.einsum("ij->k", x), accel.ArgumentError, "names 'k', which no operand has"),
        (lambda x: accel.einsum("i", x), accel.ShapeError, r"einsum: operands\[0\]: 'i' does not label"),
        (lambda x: accel.einsum("ijk...", x), accel.ShapeError, "does not label"),
        (lambda x: accel.einsum("ij,ik", x, x.T), accel.ShapeError, r"einsum: operands\[1\]: an axis of length 3"),
        (lambda x: accel.einsum("ii", x), accel.ShapeError, r"einsum: operands\[0\]"),
        (lambda x: accel.einsum(x, x), accel.ArgumentError, "einsum: operands: expected a list of labels"),
        (lambda x: accel.einsum(x, [0, 99]), accel.ArgumentError, "einsum: operands: expected labels from 0"),
        (lambda x: accel.einsum("ij,", x, 3.0), accel.ArgumentError, r"einsum: operands\[1\]: expected an array"),
        (lambda x: accel.einsum("ij", x, optimize="best"), accel.ArgumentError, "einsum: optimize"),
        (lambda x: accel.einsum("ij,ij", x, x, optimize=[(0, 2)]), accel.ArgumentError, "einsum: optimize"),
        (lambda x: accel.einsum("ij,ij", x, x, optimize=[(0,)]), accel.ArgumentError, "einsum: optimize"),
        (lambda x: accel.einsum("ij,ij", x, object()), accel.ArgumentError, r"einsum: operands\[1\]"),
    ],
)
def test_errors(call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call(numbers(2, 3))
