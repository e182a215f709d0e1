"""Cases of compositions: rows that are normalized or reduced, functions that a user has fused, activations, and what a
call of one costs beside its work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from ... import fuse, nn, tanh
from ...registry import OPS
from ..machine.limits import Allowance, Limit
from .case import MAX_SAMPLE, Calls, Case, sampled
from .data import Data
from .pointwise import number
from .reductions import logsumexp, softmax

Shape = tuple[int, int]

NORMS: tuple[Shape, ...] = ((8, 768), (4096, 768), (512, 4096), (4096, 4096), (8, 128256), (64, 128256))
"""Shapes of layer_norm, rms_norm and cross_entropy."""

EPS = 1e-5


def _by(shape: Shape) -> str:
    return "x".join(map(str, shape))


def rows_of(name: str, shapes: Sequence[Shape] = NORMS) -> list[Case]:
    """layer_norm, rms_norm or cross_entropy of float32."""
    return [MADE[name](shape) for shape in shapes]


def _some(shape: Shape) -> slice:
    """The rows whose results are compared."""
    return slice(None, None, max(1, shape[0] // 8))


def _norm(name: str, affine: int, shape: Shape) -> Case:
    """affine: how many operands of a row's length there are, weight and bias."""

    def build(data: Data) -> Calls:
        x, *more = data.array("float32", shape), *(data.array("float32", shape[1:], key=1 + i) for i in range(affine))
        (a, *others), function = data.accel(x, *more), getattr(nn, name)
        peers = {}
        if data.torch is not None:
            (s, *theirs), of_torch = data.tensors(x, *more), getattr(data.torch.nn.functional, name)
            peers["torch"] = lambda: of_torch(s, shape[1:], *theirs, EPS)
        some, reference = _some(shape), OPS[name].reference
        return Calls(
            lambda: function(a, shape[1:], *others, EPS),
            peers,
            lambda: np.asarray(reference(x[some], shape[1:], *more, EPS)),
            lambda z: z[some],
        )

    return Case(_by(shape), "float32", build)


def _cross_entropy(shape: Shape) -> Case:
    """The mean over all rows, of class indices."""

    def build(data: Data) -> Calls:
        x, target = data.array("float32", shape), np.arange(shape[0]) * 7919 % shape[1]
        a, t = data.accel(x, target)
        peers = {}
        if data.torch is not None:
            (s, u), of_torch = data.tensors(x, target), data.torch.nn.functional.cross_entropy
            peers["torch"] = lambda: of_torch(s, u)
        return Calls(lambda: nn.cross_entropy(a, t), peers, lambda: _losses(x, target), lambda z: z)

    return Case(_by(shape), "float32", build)


def _losses(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The mean cross entropy, in float64 row by row."""
    rows = zip(x, target, strict=True)
    return np.mean([logsumexp(row.astype(np.float64)) - row[at] for row, at in rows], keepdims=True)[0]


MADE: dict[str, Callable[[Shape], Case]] = {
    "layer_norm": partial(_norm, "layer_norm", 2),
    "rms_norm": partial(_norm, "rms_norm", 1),
    "cross_entropy": _cross_entropy,
}


# functions that a user has fused


def _quotient(x: Any, w: Any) -> Any:
    return (x * w + 1) / (1 + x * x)


def quotient(elements: int) -> list[Case]:
    """(x w + 1) / (1 + x x), against memory: two reads and a write."""
    moved = 3 * 4 * elements
    return [
        _fused("(x w + 1) / (1 + x x)", _quotient, lambda library: _quotient, elements, Limit("triad", moved, moved))
    ]


def _with(function: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, w: function(x * w + 1) / (1 + x * x)


def squashed(elements: int) -> list[Case]:
    """tanh(x w + 1) / (1 + x x)."""
    return [_fused("tanh(x w + 1) / (1 + x x)", _with(tanh), lambda library: _with(library.tanh), elements, None)]


def _fused(
    name: str, own: Callable[..., Any], of: Callable[[Any], Callable[..., Any]], elements: int, limit: Limit | None
) -> Case:
    """own: accel's function, which is fused. of: the same of another library's module, which jax compiles."""

    def build(data: Data) -> Calls:
        operands = [data.array("float32", (elements,), key=key) for key in (0, 1)]
        (a, b), fused, of_numpy = data.accel(*operands), fuse(own), of(np)
        peers = {"numpy": lambda: of_numpy(*operands)}
        if data.torch is not None:
            (s, t), of_torch = data.tensors(*operands), of(data.torch)
            peers["torch"] = lambda: of_torch(s, t)
        if data.jax is not None:
            peers["jax"] = data.compiled(of(data.jax.numpy), *operands)
        wide = [sampled(x) for x in operands]
        return Calls(lambda: fused(a, b), peers, lambda: of_numpy(*(x.astype(np.float64) for x in wide)), sampled)

    return Case(f"{name} {number(elements)}", "float32", build, limit)


# activations


ACTIVATIONS: dict[str, tuple[Any, ...]] = {
    "elu": (), "celu": (2.0,), "leaky_relu": (), "rrelu": (), "hardtanh": (), "relu6": (), "threshold": (0.25, -1.0),
    "softplus": (), "softshrink": (), "hardshrink": (), "glu": (),
}  # fmt: skip
"""Activations that are composed, and that torch has by the same name, with the arguments behind the operand. Those that
are scalar functions are in the rows of these."""


def activations(elements: int) -> list[Case]:
    """Each of ACTIVATIONS, on so many elements."""
    return [_activation(name, arguments, elements) for name, arguments in ACTIVATIONS.items()]


def _activation(name: str, arguments: tuple[Any, ...], elements: int) -> Case:
    def build(data: Data) -> Calls:
        x = data.array("float32", (elements // 1024, 1024) if name == "glu" else (elements,))
        (a,), function = data.accel(x), getattr(nn, name)
        peers = {}
        if data.torch is not None:
            tensor, of_torch = data.tensor(x), getattr(data.torch.nn.functional, name)
            peers["torch"] = lambda: of_torch(tensor, *arguments)
        reference = OPS[name].reference
        some = slice(None, None, max(1, x.size // MAX_SAMPLE))  # of the operand: glu's result is half as large
        return Calls(
            lambda: function(a, *arguments),
            peers,
            lambda: np.asarray(reference(x[some], *arguments)),
            lambda z: z[some],
        )

    return Case(f"{name} {number(elements)}", "float32", build)


# what a call costs beside its work


def repeated(side: int = 4) -> list[Case]:
    """A composed function against the primitive that gives the same: threshold at 0 is relu."""

    def build(data: Data) -> Calls:
        x = data.array("float32", (side, side))
        (a,) = data.accel(x)
        return Calls(
            lambda: nn.threshold(a, 0.0, 0.0),
            {"primitive": lambda: nn.relu(a)},
            lambda: np.maximum(x, 0.0).astype(np.float64),
            lambda z: z,
        )

    return [Case(f"threshold {side}x{side}, against relu", "float32", build)]


FIRST, LONGEST = 64, 1 << 16
"""Columns of the first call's operands; each further call has one more, up to the second."""


def unseen() -> list[Case]:
    """Calls whose operands have another shape each time, so that each is traced, grouped and prepared."""
    return [_unseen(name) for name in ("softmax", "layer_norm", "cross_entropy")]


def _unseen(name: str) -> Case:
    def build(data: Data) -> Calls:
        x, target = data.array("float32", (2, LONGEST)), np.zeros(2, np.int64)
        weight, bias = (data.array("float32", (LONGEST,), key=key) for key in (1, 2))
        (a, w, b, t), lengths = data.accel(x, weight, bias, target), count(FIRST)
        call, expected = {
            "softmax": (lambda n: nn.softmax(a[:, :n]), lambda n: softmax(x[:, :n].astype(np.float64))),
            "layer_norm": (
                lambda n: nn.layer_norm(a[:, :n], (n,), w[:n], b[:n]),
                lambda n: np.asarray(OPS["layer_norm"].reference(x[:, :n], (n,), weight[:n], bias[:n])),
            ),
            "cross_entropy": (lambda n: nn.cross_entropy(a[:, :n], t), lambda n: _losses(x[:, :n], target)),
        }[name]
        return Calls(lambda: call(next(lengths)), {}, lambda: expected(FIRST), lambda z: z)

    return Case(f"{name} of another shape each time", "float32", build, Allowance("3 ms", 3e6))
