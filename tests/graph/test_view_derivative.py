"""Derivatives of views: each element gets its cotangent, the sum of them where a view has it several times, and zeros
where a view leaves it out."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tracing import traced

import accel
from accel.array import Array
from accel.conversion import from_numpy, to_numpy
from accel.graph.derivative import backward, forward
from accel.graph.graph import Graph


def on_cpu(x: np.ndarray) -> Array:
    return from_numpy(x, accel.device("cpu"), copy=True)


def cotangent(view: Callable[[Any], Any], shape: tuple[int, ...], g: np.ndarray) -> tuple[np.ndarray, Graph]:
    """That of an array of a shape, of one of a view of it, and the graph that computes it, whose bits are the same."""
    x, given = on_cpu(np.zeros(shape, np.float32)), on_cpu(g)
    graph = traced(lambda x: view(x) * 1.0, x)

    def pulled(x: Array, g: Array) -> Array:
        (found,) = backward(graph, forward(graph, [x]), [g])
        return found

    made = to_numpy(pulled(x, given))
    again = traced(pulled, x, given)
    (read,) = again.returned
    of_graph = forward(again, [x, given])[read.value].view(read.layout.shape, read.layout.strides, read.offset)
    assert to_numpy(of_graph).tobytes() == made.tobytes()
    return made, again


def places(base: tuple[int, ...], shape: tuple[int, ...], strides: tuple[int, ...], start: int) -> np.ndarray:
    """Where a view of an array of a shape, whose memory has no gaps, has its elements from."""
    whole = np.arange(start, math.prod(base))
    return np.lib.stride_tricks.as_strided(whole, shape, tuple(8 * step for step in strides))  # of int64


def test_a_view_of_nothing_gives_zeros():
    for cut, shape in ((lambda x: x[:0], (0, 4)), (lambda x: x[:, 2:2], (3, 0))):
        found, _ = cotangent(cut, (3, 4), np.ones(shape, np.float32))
        assert found.shape == (3, 4) and not found.any()


@st.composite
def windows(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]:
    """The shape of images, and shape, strides and start of a view: windows of one of them, which may start late."""
    n, m, c = draw(st.integers(3, 9)), draw(st.integers(3, 9)), draw(st.integers(1, 3))
    (high, a), (wide, b) = (draw(st.tuples(st.integers(1, size), st.integers(1, 4))) for size in (n, m))
    first = draw(st.booleans())  # whether channels come before the places of an image
    step = 1 if first else c
    counts, steps = ((n - high) // a + 1, (m - wide) // b + 1), (a * m * step, b * step)
    shape, strides = (*counts, high, wide), (*steps, m * step, step)
    if first:
        image, shape, strides = (c, n, m), (c, *shape), (n * m, *strides)
    else:
        image, shape, strides = (n, m, c), (*shape, c), (*strides, 1)
    spare = n * m * c - 1 - int(np.dot(np.array(shape) - 1, strides))
    return image, shape, strides, draw(st.sampled_from(sorted({0, spare // 2, spare})))


@given(windows())
def test_elements_that_a_view_has_several_times_get_the_sum(drawn):
    base, *seen = drawn
    its = places(base, *seen)
    g = np.random.default_rng(2).standard_normal(its.shape).astype(np.float32)
    found, _ = cotangent(lambda x: x.view(*seen), base, g)
    want = np.zeros(math.prod(base))
    np.add.at(want, its.reshape(-1), g.reshape(-1).astype(np.float64))
    np.testing.assert_allclose(found, want.reshape(base), 1e-5, 1e-5)


@given(windows(), st.integers(2, 4), st.sampled_from([1, 2]))
def test_windows_of_a_batch_have_the_bits_of_one_image_alone(drawn, batch, by):
    """Of every image, or of every second one; what the others get is zeros."""
    image, shape, strides, start = drawn
    size = math.prod(image)
    g = np.random.default_rng(3).standard_normal((batch, *shape)).astype(np.float32)
    seen = (batch, *shape), (by * size, *strides), start + (by - 1) * size
    found, _ = cotangent(lambda x: x.view(*seen), (batch * by, *image), g)
    alone = [cotangent(lambda x: x.view(shape, strides, start), image, part)[0] for part in g]
    assert found[by - 1 :: by].tobytes() == np.stack(alone).tobytes()
    assert by == 1 or not found[::2].any()


def test_the_table_of_windows_grows_neither_with_the_batch_nor_with_channels():
    def longest(n: int, c: int, last: bool) -> int:
        shape, strides = (n, c, 5, 5, 3, 3), (49 * c, 49, 7, 1, 7, 1)
        if last:
            shape, strides = (n, 5, 5, 3, 3, c), (49 * c, 7 * c, c, 7 * c, c, 1)
        g = np.ones(shape, np.float32)
        _, graph = cotangent(lambda x: x.view(shape, strides), (n, 7, 7, c) if last else (n, c, 7, 7), g)
        return max(x.size for x in graph.constants)

    assert longest(1, 1, False) == 5 * 5 * 3 * 3, "the control: one image's windows are seen"
    for last in (False, True):
        assert longest(32, 16, last) == 5 * 5 * 3 * 3


@st.composite
def views(draw: Any) -> tuple[tuple[int, ...], Callable[[Any], Any]]:
    """A shape, and a view of arrays of that shape, without overlap, as a function of NumPy's arrays and accel's."""
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=4)))
    moves: list[Callable[[Any], Any]] = []
    x = np.zeros(shape)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["slice", "flat", "turned", "diagonal", "new"]))
        if kind == "slice" and x.ndim:
            steps = [draw(st.sampled_from([1, 1, 2, 3, -1, -2])) for _ in x.shape]
            starts = [draw(st.integers(0, n - 1)) for n in x.shape]
            key = tuple(slice(a, None, s) for a, s in zip(starts, steps, strict=True))
            moves.append(lambda v, key=key: v[key])
        elif kind == "flat" and x.flags.c_contiguous:
            moves.append(lambda v: v.reshape((-1,)))
        elif kind == "turned":
            moves.append(lambda v: v.transpose())
        elif kind == "diagonal" and x.ndim == 2:
            moves.append(lambda v: np.diagonal(v) if isinstance(v, np.ndarray) else accel.diagonal(v))
        else:
            moves.append(lambda v: v[None])
        x = moves[-1](x)
    return shape, lambda v: reduce(lambda seen, move: move(seen), moves, v)


def test_what_lies_ahead_of_a_slices_first_element_fits_into_every_axis():
    """Three columns of seven reach into the next row's stride once two zeros stand ahead of them."""
    x = np.zeros((4, 2, 4, 7), np.float32)
    x[1::2, :, ::3, ::3] = g = np.random.default_rng(1).standard_normal((2, 2, 2, 3)).astype(np.float32)
    found, _ = cotangent(lambda x: x[1::2, :, ::3, ::3], x.shape, g)
    assert np.array_equal(found, x)


@given(views())
def test_a_view_gives_its_elements_their_cotangents_and_others_zeros(drawn):
    shape, view = drawn
    its = view(np.arange(math.prod(shape)).reshape(shape))
    g = np.random.default_rng(0).standard_normal(its.shape).astype(np.float32)
    want = np.zeros(shape, np.float32)
    want.reshape(-1)[its.reshape(-1)] = g.reshape(-1)
    found, _ = cotangent(view, shape, g)
    assert np.array_equal(found, want)
