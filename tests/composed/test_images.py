"""Pools, resampling, shuffles, patches and padding against torch, in float64 where something is rounded; bad inputs."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import accel
from accel import nn

torch = pytest.importorskip("torch", reason="torch is the second reference")
F = torch.nn.functional
LENGTHS = (11, 9, 12)


def image(*lengths: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal((2, 4, *lengths))


def same(own, theirs) -> None:
    pairs = zip(own, theirs, strict=True) if isinstance(own, tuple) else [(own, theirs)]
    for a, b in pairs:
        assert np.array_equal(np.asarray(a), b.numpy())


def close(own, theirs) -> None:
    assert own.shape == tuple(theirs.shape)
    assert np.abs(np.asarray(own) - theirs.numpy()).max(initial=0) < 1e-12


WINDOWS = [(2, None, 0, False), (3, 2, 1, False), (3, 2, 1, True), (5, 1, 2, False), (2, 3, 1, True)]


@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil"), WINDOWS)
@pytest.mark.parametrize("axes", [1, 2])
def test_pools(axes: int, kernel: int, stride: int | None, padding: int, ceil: bool) -> None:
    x = image(*LENGTHS[:axes])
    t = torch.from_numpy(x)
    for dilation, both in product((1, 2), (False, True)):
        own, theirs = (getattr(m, f"max_pool{axes}d") for m in (nn, F))
        same(
            own(x, kernel, stride, padding, dilation, ceil, both),
            theirs(t, kernel, stride, padding, dilation, ceil, both),
        )
    for counted in (True, False):
        own, theirs = (getattr(m, f"avg_pool{axes}d") for m in (nn, F))
        close(own(x, kernel, stride, padding, ceil, counted), theirs(t, kernel, stride, padding, ceil, counted))


@pytest.mark.parametrize("size", [1, 3, 4, 7])
def test_adaptive_pools(size: int) -> None:
    for axes in (1, 2, 3):
        x = image(*LENGTHS[:axes])
        t = torch.from_numpy(x)
        close(*(getattr(m, f"adaptive_avg_pool{axes}d")(v, size) for m, v in ((nn, x), (F, t))))
        same(*(getattr(m, f"adaptive_max_pool{axes}d")(v, size, True) for m, v in ((nn, x), (F, t))))


def test_a_window_has_the_first_nan_and_none_of_the_padding() -> None:
    x = np.full((1, 1, 4), -np.inf)
    x[0, 0, 2:] = np.nan
    values, places = nn.max_pool1d(x, 3, 1, 1, return_indices=True)
    assert np.isnan(np.asarray(values)).tolist() == [[[False, True, True, True]]]
    assert np.asarray(places).tolist() == [[[0, 2, 2, 2]]]


MODES = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}
TO = ({"size": (14, 5, 13)}, {"scale_factor": 1.5}, {"scale_factor": 0.4}, {"size": (3, 18, 1)})


@pytest.mark.parametrize("to", TO, ids=str)
@pytest.mark.parametrize("axes", MODES)
def test_interpolate(axes: int, to: dict) -> None:
    x = image(*(7, 9, 6)[:axes])
    t = torch.from_numpy(x)
    to = {k: v[:axes] if isinstance(v, tuple) else v for k, v in to.items()}
    for mode in ("nearest", "nearest-exact", "area", *MODES[axes]):
        for corners in (False, True) if mode in MODES[axes] else (None,):
            for smooth in (False, True) if mode in MODES[2] else (False,):
                given = {"mode": mode, "align_corners": corners, "antialias": smooth, **to}
                own, theirs = nn.interpolate(x, **given), F.interpolate(t, **given)
                assert own.shape == tuple(theirs.shape)
                assert np.abs(np.asarray(own) - theirs.numpy()).max() < 1e-6, given  # torch's steps are of float32


MAPS = [(2, ("nearest", "bilinear", "bicubic")), (3, ("nearest", "bilinear"))]


@pytest.mark.parametrize(("axes", "modes"), MAPS)
def test_grids(axes: int, modes: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    x, places = image(*(6, 5, 4)[:axes]), rng.uniform(-2.5, 2.5, (2, *(5, 7, 3)[:axes], axes))
    theta, size = rng.standard_normal((2, axes, axes + 1)), (2, 4, *(6, 5, 4)[:axes])
    for corners in (False, True):
        grid = nn.affine_grid(theta, size, corners)
        close(grid, F.affine_grid(torch.from_numpy(theta), size, corners))
        for mode, padding, at in product(modes, ("zeros", "border", "reflection"), (places, grid)):
            own = nn.grid_sample(x, at, mode, padding, corners)
            given = torch.from_numpy(np.array(at, copy=True))
            close(own, F.grid_sample(torch.from_numpy(x), given, mode, padding, corners))


def test_places_that_are_no_numbers_and_far_away() -> None:
    """NaN is -1; of the padding with zeros nothing is read, though it were NaN; elements of weight 0 are absent."""
    x = image(4, 3).astype(np.float32)
    odd = np.array([np.nan, -np.inf, np.inf, 3e38, -3e38, 1e10], np.float32)
    grid = np.stack([odd, odd[::-1]], axis=-1).reshape(1, 2, 3, 2).repeat(2, 0)
    known = np.where(np.isnan(grid), np.float32(-1), grid)
    for mode, padding, corners in product(MAPS[0][1], ("zeros", "border", "reflection"), (False, True)):
        own = np.asarray(nn.grid_sample(x, grid, mode, padding, corners))
        assert np.isfinite(own).all()
        assert own.tobytes() == np.asarray(nn.grid_sample(x, known, mode, padding, corners)).tobytes()
        if padding == "zeros":
            assert not own[:, :, 0, 1:].any()
            assert not np.asarray(nn.grid_sample(x * np.nan, grid, mode, padding, corners))[:, :, 0, 1:].any()
    identity = nn.affine_grid(np.eye(2, 3, dtype=np.float32)[None], (1, 1, 5, 5), True)
    y = np.full((1, 1, 5, 5), np.inf, np.float32)
    y[:, :, 1, 2] = 7
    assert np.asarray(nn.grid_sample(y, identity, align_corners=True))[0, 0, 1, 2] == 7


def test_shuffles_patches_and_padding() -> None:
    x = np.random.default_rng(0).standard_normal((2, 18, 6, 9))
    t = torch.from_numpy(x)
    for name in ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle"):
        same(getattr(nn, name)(x, 3), getattr(F, name)(t, 3))
    for mode, widths in product(("constant", "reflect", "replicate", "circular"), ((1, 2, 3, 0), (0, -2, 3, 1))):
        same(nn.pad(x, widths, mode), F.pad(t, widths, mode))
    same(nn.pad(x, (1, 1), value=2.5), F.pad(t, (1, 1), value=2.5))
    for kernel, dilation, padding, stride in product((1, (2, 3)), (1, 2), (0, 1), (1, 2)):
        columns = nn.unfold(x, kernel, dilation, padding, stride)
        theirs = F.unfold(t, kernel, dilation, padding, stride)
        same(columns, theirs)
        given = ((6, 9), kernel, dilation, padding, stride)
        close(nn.fold(np.asarray(columns), *given), F.fold(theirs, *given))


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("how", [(2, 1, 0, 1), ((3, 2), (1, 2), (1, 0), 2), (2, 1, 0, 2)])
def test_the_derivative_of_patches_that_overlap(how: Any, pairs: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 6, 7, 2))
    t = torch.view_as_complex(torch.from_numpy(x)) if pairs else torch.from_numpy(x[..., 0].copy())
    t.requires_grad_()
    theirs = F.unfold(t, *how)
    g = torch.from_numpy(rng.standard_normal((*theirs.shape, 2)))
    g = torch.view_as_complex(g) if pairs else g[..., 0]
    theirs.backward(g)
    (mine,) = accel.vjp(lambda x: nn.unfold(x, *how), t.detach())[1](g)
    torch.testing.assert_close(mine, t.grad)


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda x: nn.max_pool2d(x, 9), accel.ShapeError, "kernel_size"),
        (lambda x: nn.max_pool2d(x, 3, 1, 2), accel.ArgumentError, "padding"),
        (lambda x: nn.avg_pool2d(x, 0), accel.ArgumentError, "kernel_size"),
        (lambda x: nn.avg_pool2d(x, 2, 0), accel.ArgumentError, "stride"),
        (lambda x: nn.avg_pool2d(x, 2, divisor_override=0), accel.ArgumentError, "divisor_override"),
        (lambda x: nn.avg_pool2d(x[:, :, :0], 2), accel.ShapeError, "x"),
        (lambda x: nn.adaptive_avg_pool2d(x, (2, 2, 2)), accel.ArgumentError, "output_size"),
        (lambda x: nn.interpolate(x, 0), accel.ArgumentError, "size"),
        (lambda x: nn.interpolate(x, 4, 2.0), accel.ArgumentError, "size, scale_factor"),
        (lambda x: nn.interpolate(x, 4, mode="trilinear"), accel.ArgumentError, "mode"),
        (lambda x: nn.interpolate(x, scale_factor=float("inf")), accel.ArgumentError, "scale_factor"),
        (lambda x: nn.grid_sample(x, image(5, 3)), accel.ShapeError, "grid"),
        (lambda x: nn.grid_sample(x[:1], x[:, :, :, :2]), accel.ShapeError, "grid"),
        (lambda x: nn.grid_sample(x[0], x[:, :, :, :2]), accel.ShapeError, "input"),
        (lambda x: nn.grid_sample(x[:, :, :0], x[:, :, :, :2]), accel.ShapeError, "input"),
        (lambda x: nn.grid_sample(x, x[..., :2], "cubic"), accel.ArgumentError, "mode"),
        (lambda x: nn.grid_sample(x, x[..., :2], padding_mode="wrap"), accel.ArgumentError, "padding_mode"),
        (lambda x: nn.grid_sample(x[..., None], x[..., None, :3], "bicubic"), accel.ArgumentError, "mode"),
        (lambda x: nn.affine_grid(x[:, 0, :2, :3], (2, 1, 0, 3)), accel.ArgumentError, "size"),
        (lambda x: nn.affine_grid(x[:, 0, :2, :3], (2, 3)), accel.ArgumentError, "size"),
        (lambda x: nn.affine_grid(x[:, 0, :2, :3], (1, 1, 3, 3)), accel.ShapeError, "theta"),
        (lambda x: nn.pixel_shuffle(x, 3), accel.ShapeError, "x"),
        (lambda x: nn.pad(x, (1,)), accel.ArgumentError, "pad"),
        (lambda x: nn.pad(x, (6, 0), "reflect"), accel.ShapeError, "pad"),
        (lambda x: nn.unfold(x, 7), accel.ShapeError, "kernel_size"),
        (lambda x: nn.fold(x[0], (5, 5), 2), accel.ShapeError, "x"),
    ],
)
def test_bad_inputs(call, error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=rf": {word}: "):
        call(image(6, 6))


def test_neighbours_change_no_bit() -> None:
    x = image(9, 9).astype(np.float32)
    calls = (lambda v: nn.avg_pool2d(v, 3, 2, 1), lambda v: nn.interpolate(v, 14, mode="bicubic"))
    places = np.random.default_rng(0).uniform(-1, 1, (1, 5, 6, 2)).astype(np.float32)
    calls += (lambda v: nn.grid_sample(v, places.repeat(len(v), 0)),)
    for call in calls:
        assert np.array_equal(np.asarray(call(x))[1:], np.asarray(call(x[1:])))
        assert not np.array_equal(np.asarray(call(x))[1:], np.asarray(call(x[:1])))
