"""Convolutions at the edges of what a work-item makes, in both geometries: the canonical order's bits, also where what
is skipped would meet weights that are not finite."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import accel
from accel.ops.parameters import Convolution
from accel.ops.primitive.convolution import convolution, convolve

ONE = Convolution((1, 1), (1, 1), (1, 1), (1, 1), (1, 1))

# x: batch, groups, channels, lengths; weight: groups, outputs, channels, kernel
CASES = {
    "no multiple of a tile": ((1, 1, 5, 9, 11), (1, 7, 5, 3, 3), ONE),
    "several chunks, over two images": ((2, 1, 90, 3, 5), (1, 13, 90, 3, 2), ONE),
    "a chunk's end between positions": ((1, 1, 128, 2, 9), (1, 2, 128, 2, 2), ONE),
    "outputs shared out": ((1, 1, 2, 2, 3), (1, 401, 2, 2, 2), ONE),
    "each channel": ((2, 19, 1, 5, 24), (19, 1, 1, 3, 3), ONE),
    "each channel, a tile's end": ((1, 2, 1, 17, 130), (2, 3, 1, 3, 5),
        Convolution((1, 1), (1, 2), (1, 2), (1, 1), (1, 1))),
    "each channel, phases": ((2, 3, 1, 20, 45), (3, 1, 1, 4, 3), Convolution((3, 2), (2, 5), (4, 0), (2, 3), (1, 1))),
    "each channel, volume": ((1, 3, 1, 3, 4, 9), (3, 2, 1, 2, 2, 2),
        Convolution((2, 1, 1), (1, 0, 1), (0, 1, 1), (1, 1, 2), (1,) * 3)),
    "each channel, line": ((2, 3, 1, 300), (3, 1, 1, 4), Convolution((1,), (3,), (2,), (1,), (1,))),
    "each channel, many of them": ((2, 203, 1, 4, 20), (203, 1, 1, 3, 3), ONE),
    "each channel, a long window": ((1, 2, 1, 300), (2, 1, 1, 60), Convolution((1,), (3,), (2,), (1,), (1,))),
    "each channel, a large window": ((1, 2, 1, 30, 40), (2, 1, 1, 8, 9), ONE),
    "each channel, a tall window": ((1, 2, 1, 50, 20), (2, 1, 1, 33, 1), ONE),
    "each channel, more terms than a chunk": ((1, 2, 1, 18, 40), (2, 1, 1, 17, 17), ONE),
    "each channel, no multiple of its phases": ((1, 2, 1, 3, 1030), (2, 1, 1, 1, 9),
        Convolution((1, 4), (0, 3), (0, 6), (1, 70), (1, 1))),
    "no channels": ((1, 2, 0, 3, 3), (2, 3, 0, 2, 2), ONE),
    "padding wider than x": ((1, 2, 3, 2, 1), (2, 4, 3, 3, 2), Convolution((1, 2), (7, 4), (5, 6), (2, 1), (1, 1))),
    "strides and dilation": ((2, 2, 4, 9, 40), (2, 5, 4, 3, 3), Convolution((2, 2), (1, 3), (2, 0), (1, 2), (1, 1))),
    "gaps": ((1, 2, 3, 4, 9), (2, 6, 3, 3, 2), Convolution((1, 2), (2, 1), (1, 2), (2, 1), (2, 3))),
    "volume": ((1, 1, 3, 3, 4, 9), (1, 3, 3, 2, 2, 2), Convolution((1,) * 3, (0, 1, 0), (1, 0, 1), (1,) * 3, (1,) * 3)),
    "line": ((3, 1, 2, 70), (1, 5, 2, 4), Convolution((1,), (3,), (2,), (1,), (1,))),
}  # fmt: skip
PADDED = [name for name in CASES if "no channels" not in name]


def drawn(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng([*shape]).standard_normal(shape).astype(dtype)


def run(device: accel.Device, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, p: Convolution) -> np.ndarray:
    """Of operands that end where their pages do."""
    operands = [None if its is None else accel.asarray(its, device=device) for its in (x, weight, bias)]
    return np.asarray(convolution(*operands, p.stride, p.low, p.high, p.dilation, p.spread, p.last))


@pytest.mark.parametrize("name", CASES)
def test_windows_at_every_edge(variant: accel.Device, name: str) -> None:
    shape, its, params = CASES[name]
    x, weight, bias = drawn(shape), drawn(its), drawn(its[:2])
    assert run(variant, x, weight, bias, params).tobytes() == convolve(x, weight, bias, params).tobytes()


@pytest.mark.parametrize("name", PADDED)
def test_windows_and_weights_that_are_not_finite(variant: accel.Device, name: str) -> None:
    """Of one output in each group; those of the others are."""
    shape, its, params = CASES[name]
    x, weight = drawn(shape), drawn(its)
    wild = weight[:, its[1] // 2]
    wild[..., 0], wild[..., -1] = np.inf, np.nan
    want = convolve(x, weight, None, params)
    assert np.isnan(want).any()
    assert np.array_equal(run(variant, x, weight, None, params), want, equal_nan=True)


@given(data=st.data())
def test_windows_of_each_channel(variant: accel.Device, data: st.DataObject) -> None:
    """Any of them: what a tile copies of x has padding, phases and gaps of its own on every side."""

    def numbers(low: int, high: int) -> tuple[int, int]:
        return data.draw(st.integers(low, high)), data.draw(st.integers(low, high))

    kernel, stride, dilation = numbers(1, 4), numbers(1, 3), numbers(1, 3)
    low, high, lengths = numbers(0, 6), numbers(0, 6), (data.draw(st.integers(1, 24)), data.draw(st.integers(1, 150)))
    reach = zip(lengths, low, high, kernel, dilation, strict=True)
    assume(all(n + a + b > (k - 1) * d for n, a, b, k, d in reach))
    groups, outputs = numbers(1, 3)
    x, weight = drawn((2, groups, 1, *lengths)), drawn((groups, outputs, 1, *kernel))
    if data.draw(st.booleans()):
        weight[0, -1, 0, -1, 0] = np.inf
    params = Convolution(stride, low, high, dilation, (1, 1))
    got, want = run(variant, x, weight, None, params), convolve(x, weight, None, params)
    assert np.array_equal(got.view(np.uint32)[~np.isnan(want)], want.view(np.uint32)[~np.isnan(want)])
    assert (np.isnan(got) == np.isnan(want)).all()


def test_windows_have_no_products_where_they_skip(variant: accel.Device) -> None:
    """Infinite weights at the first column only; the control multiplies them by 0."""
    shape, its, params = CASES["several chunks, over two images"]
    x, weight = np.abs(drawn(shape)), drawn(its)
    weight[..., 0] = np.inf
    want = convolve(x, weight, None, params)
    assert not np.isnan(want).any()
    assert np.isnan(convolve(x, weight, None, params, skipped=False)).any()
    assert run(variant, x, weight, None, params).tobytes() == want.tobytes()


def test_windows_of_float64_in_views_with_channels_behind(variant: accel.Device) -> None:
    """Every operand a view with steps of its own, one of them backwards."""
    if variant.missing("float64"):
        pytest.skip(f"{variant.description} has no float64")
    params = Convolution((1, 2), (1, 0), (0, 1), (1, 1), (1, 1), True)
    x, weight, bias = drawn((2, 5, 21, 2, 6), "float64"), drawn((2, 8, 3, 2, 3), "float64"), drawn((2, 8), "float64")
    a, b, c = (accel.asarray(each, device=variant) for each in (x, weight, bias))
    got = convolution(
        a[:, ::-1, :, :, ::2], b[:, 1:, :, :, ::-1], c[:, 1:],
        params.stride, params.low, params.high, params.dilation, params.spread, True,
    )  # fmt: skip
    want = convolve(x[:, ::-1, :, :, ::2], weight[:, 1:, :, :, ::-1], bias[:, 1:], params)
    assert prod(want.shape) > 100
    assert np.asarray(got).tobytes() == want.tobytes()


def test_windows_past_the_last_place(variant: accel.Device) -> None:
    """Fewer places than a vector has lanes, and one more than a tile has."""
    for places in (1, 3, 17, 33):
        x, weight = drawn((1, 1, 3, places)), drawn((1, 2, 3, 1))
        params = Convolution((1,), (0,), (0,), (1,), (1,))
        assert run(variant, x, weight, None, params).tobytes() == convolve(x, weight, None, params).tobytes()
