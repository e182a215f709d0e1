"""What a rank computes by itself: accel's functions, recorded by autograd, in reproducible mode in both passes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import torch

import accel

from ...array import Array
from ...autodiff import Pulled
from ...errors import UnsupportedError
from ...fuse import fuse
from ..autograd import recorded
from .ordered import exactly


class Local:
    """A function of arrays, for tensors. Its passes are what `autograd.recorded` asks for."""

    def __init__(self, f: Callable[..., Any], name: str) -> None:
        def forward(*arrays: Array) -> Any:
            return f(*arrays)

        def backward(arrays: tuple[Array, ...], wanted: tuple[bool, ...], cotangents: tuple[Any, ...]) -> Any:
            back = Pulled(f, arrays, {}).back(cotangents)
            return tuple(back[id(x)] for x, its in zip(arrays, wanted, strict=True) if its)

        self.name = forward.__name__ = backward.__name__ = name
        self._forward, self._backward = fuse(forward), fuse(backward)

    def forward(self, *tensors: torch.Tensor) -> Any:
        with exactly():
            return self._forward(*tensors)

    def backward(self, *args: Any) -> Any:
        with exactly():
            return self._backward(*args)

    def __call__(self, *tensors: torch.Tensor) -> Any:
        return recorded(self, *tensors)


@lru_cache(maxsize=256)
def local(path: str, **others: Any) -> Local:
    """A function of accel by its path, such as "nn.linear", with these keywords behind its tensors."""
    f: Any = accel
    for part in path.split("."):
        f = getattr(f, part)
    return Local(lambda *arrays: f(*arrays, **others), path)


add, subtract, multiply, divide = (
    Local(lambda a, b, f=f: f(a, b), f.__name__) for f in (accel.add, accel.subtract, accel.multiply, accel.divide)
)
"""Of two tensors."""


def underived(backward: Callable[..., Any]) -> Callable[..., Any]:
    """The backward of a torch.autograd.Function, recorded under create_graph only to say that it cannot be derived:
    torch's `once_differentiable` lets a gradient that depends on saved tensors pass for a constant."""

    @wraps(backward)
    def run(ctx: Any, *cotangents: torch.Tensor) -> Any:
        with torch.no_grad():
            found = backward(ctx, *cotangents)
        if not torch.is_grad_enabled():
            return found
        its = found if isinstance(found, tuple) else (found,)
        return tuple(None if x is None else _Underived.apply(x, *ctx.saved_tensors, *cotangents) for x in its)

    return run


class _Underived(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, *origins: torch.Tensor) -> torch.Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:
        raise UnsupportedError("accel.torch.distributed has no derivative of a gradient")
