"""Functions that move elements, against the standard's own strict implementation: shapes, dtypes,
values and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import accel

DTYPES = ("bool", "int8", "uint16", "int64", "float32", "float64", "complex64", "complex128")

CALLS: dict[str, list[Callable[[Any, Any, Any], Any]]] = {
    "broadcast_arrays": [lambda xp, x, y: xp.broadcast_arrays(x, y[:1, :])],
    "broadcast_to": [lambda xp, x, y: xp.broadcast_to(x, (2, 3, 4)), lambda xp, x, y: xp.broadcast_to(y[0, 0], (3,))],
    "concat": [
        lambda xp, x, y: xp.concat([x, y]),
        lambda xp, x, y: xp.concat((x, x[:, :0], y), axis=-1),
        lambda xp, x, y: xp.concat([x, y[0, 0], x[1, :]], axis=None),
    ],
    "expand_dims": [lambda xp, x, y: xp.expand_dims(x, axis=-1), lambda xp, x, y: xp.expand_dims(x, axis=1)],
    "flip": [lambda xp, x, y: xp.flip(x), lambda xp, x, y: xp.flip(x, axis=-1), lambda xp, x, y: xp.flip(x, axis=(0,))],
    "moveaxis": [lambda xp, x, y: xp.moveaxis(x, 0, -1), lambda xp, x, y: xp.moveaxis(x, (0, 1), (-1, 0))],
    "permute_dims": [lambda xp, x, y: xp.permute_dims(x, (1, 0))],
    "repeat": [
        lambda xp, x, y: xp.repeat(x, 2),
        lambda xp, x, y: xp.repeat(x, 0, axis=1),
        lambda xp, x, y: xp.repeat(x, xp.asarray([1, 0, 2]), axis=0),
    ],
    "reshape": [lambda xp, x, y: xp.reshape(x, (2, -1)), lambda xp, x, y: xp.reshape(x, (12,), copy=True)],
    "roll": [
        lambda xp, x, y: xp.roll(x, 5),
        lambda xp, x, y: xp.roll(x, -1, axis=1),
        lambda xp, x, y: xp.roll(x, (1, 2), axis=(0, -1)),
    ],
    "squeeze": [
        lambda xp, x, y: xp.squeeze(x[:1, :], axis=0),
        lambda xp, x, y: xp.squeeze(x[:1, None, :], axis=(0, 1)),
    ],
    "stack": [lambda xp, x, y: xp.stack([x, y], axis=-1), lambda xp, x, y: xp.stack((x[0, :], x[1, :]))],
    "tile": [lambda xp, x, y: xp.tile(x, (2, 1, 3)), lambda xp, x, y: xp.tile(x, (0,))],
    "unstack": [lambda xp, x, y: xp.unstack(x), lambda xp, x, y: xp.unstack(x, axis=-1)],
    "tril": [lambda xp, x, y: xp.tril(x, k=1), lambda xp, x, y: xp.triu(x, k=-1)],
    "diagonal": [lambda xp, x, y: xp.linalg.diagonal(x), lambda xp, x, y: xp.linalg.diagonal(x, offset=-1)],
    "meshgrid": [
        lambda xp, x, y: xp.meshgrid(x[0, :], y[1, :]),
        lambda xp, x, y: xp.meshgrid(x[0, :], y[1, :2], indexing="ij"),
    ],
}

NUMERIC: dict[str, list[Callable[[Any, Any, Any], Any]]] = {
    "diff": [
        lambda xp, x, y: xp.diff(x),
        lambda xp, x, y: xp.diff(x, axis=0, n=2),
        lambda xp, x, y: xp.diff(x, axis=0, prepend=y[:1, :], append=y),
    ],
    "trace": [lambda xp, x, y: xp.linalg.trace(x), lambda xp, x, y: xp.linalg.trace(x, offset=1)],
    "outer": [lambda xp, x, y: xp.linalg.outer(x[0, :], y[1, :])],
    "tensordot": [
        lambda xp, x, y: xp.tensordot(x, y, axes=2),
        lambda xp, x, y: xp.tensordot(x, y, axes=((1,), (1,))),
    ],
    "vecdot": [lambda xp, x, y: xp.vecdot(x, y), lambda xp, x, y: xp.vecdot(x, y, axis=-2)],
}

REFUSED: list[Callable[[Any, Any, Any], Any]] = [
    lambda xp, x, y: xp.concat([x, x[:, :2]]),
    lambda xp, x, y: xp.concat([x, x], axis=2),
    lambda xp, x, y: xp.stack([x, x[:1, :]]),
    lambda xp, x, y: xp.stack([x, x], axis=4),
    lambda xp, x, y: xp.expand_dims(x, axis=5),
    lambda xp, x, y: xp.squeeze(x, axis=0),
    lambda xp, x, y: xp.flip(x, axis=2),
    lambda xp, x, y: xp.moveaxis(x, (0, 1), (0,)),
    lambda xp, x, y: xp.permute_dims(x, (0, 0)),
    lambda xp, x, y: xp.repeat(x, xp.asarray([1, 2]), axis=0),
    lambda xp, x, y: xp.reshape(x, (5, 2)),
    lambda xp, x, y: xp.roll(x, (1, 2, 3), axis=(0, 1)),
    lambda xp, x, y: xp.unstack(x, axis=2),
    lambda xp, x, y: xp.broadcast_to(x, (2, 2)),
    lambda xp, x, y: xp.tensordot(x, y[:2, :], axes=2),
]


@pytest.fixture(autouse=True)
def _on_the_cpu():
    with accel.config(device="cpu"):
        yield


def operands(xp: Any, dtype: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    numbers = [rng.integers(0, 5, (3, 4)) for _ in range(4)]
    turned = 1j if dtype.startswith("complex") else 0
    return tuple(
        xp.asarray((re + turned * im).astype(dtype)) for re, im in zip(numbers[::2], numbers[1::2], strict=True)
    )


def compare(got: Any, want: Any) -> None:
    if isinstance(want, (tuple, list)):
        assert isinstance(got, (tuple, list)) and len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            compare(one, other)
        return
    host, theirs = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape and host.dtype == theirs.dtype and np.array_equal(host, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*CALLS, *NUMERIC])
def test_function(name: str, dtype: str) -> None:
    if name in NUMERIC and dtype == "bool":
        pytest.skip("takes numbers")
    for call in {**CALLS, **NUMERIC}[name]:
        compare(call(accel, *operands(accel, dtype)), call(strict, *operands(strict, dtype)))


def test_differences_are_seen() -> None:
    x, _ = operands(accel, "int8")
    theirs, _ = operands(strict, "int8")
    compare(x, theirs)
    for other in (accel.astype(x, "int16"), x.T, accel.flip(x), (x,)):
        with pytest.raises((AssertionError, AttributeError)):
            compare(other, theirs)


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_the_standard_refuses(number: int) -> None:
    call = REFUSED[number]
    with pytest.raises((ValueError, TypeError, IndexError)):
        call(strict, *operands(strict, "float32"))
    with pytest.raises((ValueError, TypeError, IndexError)) as caught:
        call(accel, *operands(accel, "float32"))
    assert isinstance(caught.value, accel.AccelError)
