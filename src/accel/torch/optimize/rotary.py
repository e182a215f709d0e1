"""Rotary embeddings of attentions, whose forward calls a function of its module for them.

The forward runs with that function replaced, in globals of its own: other models that share the code are not touched.
"""

from __future__ import annotations

import inspect
import types
from typing import Any

import torch

import accel

from .layers import check
from .replacement import Left, Replacement


def rotation(q: Any, k: Any, cos: Any, sin: Any) -> Any:
    """Both with the features' halves (a, b) turned to (a cos - b sin, b cos + a sin)."""
    return turned(q, cos, sin), turned(k, cos, sin)


def turned(x: Any, cos: Any, sin: Any) -> Any:
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return accel.concat([a * cos[..., :half] - b * sin[..., :half], b * cos[..., half:] + a * sin[..., half:]], axis=-1)


fused = accel.fuse(rotation)


def found(module: torch.nn.Module) -> str | None:
    """The name by which a module's forward calls a function that turns queries and keys; None where there is none."""
    forward = type(module).forward
    if not isinstance(forward, types.FunctionType) or hasattr(forward, "__wrapped__"):
        return None
    for name in forward.__code__.co_names:
        its = forward.__globals__.get(name)
        if isinstance(its, types.FunctionType) and turns(its):
            return name
    return None


def turns(function: Any) -> bool:
    """Whether a function of queries, keys, cosines and sines gives of a few numbers what `rotation` gives."""
    try:
        inspect.signature(function).bind(None, None, None, None)
    except (TypeError, ValueError):
        return False
    q, k, cos, sin = probe = [torch.linspace(-1 - i, 2, n).reshape(shape) for i, (n, shape) in enumerate(PROBE)]
    try:
        results = function(*(x.clone() for x in probe))
    except Exception:
        return False
    expected = fused(q, k, cos[:, None], sin[:, None])
    return (
        isinstance(results, tuple)
        and len(results) == 2
        and all(
            isinstance(y, torch.Tensor) and y.shape == x.shape and torch.allclose(y, x, rtol=1e-5, atol=1e-5)
            for y, x in zip(results, expected, strict=True)
        )
    )


PROBE = ((48, (1, 2, 3, 8)), (24, (1, 1, 3, 8)), (24, (1, 3, 8)), (24, (1, 3, 8)))
"""Numbers and shapes of queries, keys, cosines and sines; halves of the latter differ."""


class Rotated(Replacement):
    """The forward of an attention, in which accel turns queries and keys."""

    kind = "rotary"

    def __init__(self, module: torch.nn.Module, name: str, numerics: str | None, function: str) -> None:
        super().__init__(module, name, numerics)
        self.function = function

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        forward = type(self.module).forward
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return forward(self.module, *args, **keywords)
        turn = Turn(self.module, self.name, self.numerics, forward.__globals__[self.function])
        scope = {**forward.__globals__, self.function: turn}
        its = types.FunctionType(forward.__code__, scope, forward.__name__, forward.__defaults__, forward.__closure__)
        its.__kwdefaults__ = forward.__kwdefaults__
        return its(self.module, *args, **keywords)


class Turn(Replacement):
    """The function that turns queries and keys. theirs: the one in whose place it stands."""

    kind = "rotary"

    def __init__(self, module: torch.nn.Module, name: str, numerics: str | None, theirs: Any) -> None:
        super().__init__(module, name, numerics)
        self.original = theirs  # type: ignore[method-assign]

    def computed(self, q: Any, k: Any, cos: Any, sin: Any, *args: Any, unsqueeze_dim: int = 1) -> Any:
        if args:
            (unsqueeze_dim,) = args
        cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
        if cos.shape[-1] != q.shape[-1]:
            raise Left("cosines of another number of features")
        tensors = (q, k, cos, sin)
        check(tensors)
        return self.run(rotation if torch.is_grad_enabled() and q.requires_grad else fused, tensors)
