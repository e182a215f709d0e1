"""Sums over the rows of all ranks by rule 2, as autograd records them, and normalization, whose parameters' gradients
are such sums."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

import accel

from ...errors import ArgumentError, DtypeError, ShapeError, shown
from .local import Local, add, multiply, underived
from .ordered import WIDE, rows_of, total
from .ranks import Fact, Ranks, ranks_of


class _Beside(torch.autograd.Function):
    """A parameter beside each row of a batch: its gradient is the sum over all ranks' rows."""

    @staticmethod
    def forward(ctx: Any, parameter: torch.Tensor, count: int, batch: Ranks, op: str) -> Any:
        ctx.its = batch, f"{op}, backward", parameter.dtype
        return parameter.expand(count, *parameter.shape).clone()

    @staticmethod
    @underived
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        batch, op, dtype = ctx.its
        lengths = batch.lengths(op, {"gradient of rows": Fact(g, 0)}, "gradient of rows")
        return total(batch, op, g, lengths).to(dtype), None, None, None


class _Total(torch.autograd.Function):
    """The sum of axis 0 over all ranks."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, ranks: Ranks, op: str, lengths: list[int]) -> Any:
        ctx.shape = x.shape
        return total(ranks, op, x, lengths)

    @staticmethod
    @underived
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        return g.expand(ctx.shape), None, None, None


def summed(x: torch.Tensor, ranks: Ranks, op: str, lengths: list[int]) -> torch.Tensor:
    """The sum of axis 0 over all ranks, which have parts of these lengths, in accumulators. The cotangent of every
    rank's elements is the result's."""
    made: torch.Tensor = _Total.apply(x, ranks, op, lengths)
    return made


def rms_norm(x: Any, weight: Any = None, eps: float | None = None, *, batch: Any = None) -> torch.Tensor:
    """`accel.nn.rms_norm` over the last axis of x, where each rank of `batch` has some of its rows.

    x: (…, n), floating. weight: (n,) of x's dtype, the same on all ranks, or None: 1. Nothing is sent in the forward
    pass; the weight's gradient is that of all ranks' rows, on every rank.
    Raises RankError, on every rank, where ranks disagree; ShapeError, DtypeError, ArgumentError.
    """
    return _norm("rms_norm", x, {"weight": weight}, eps, batch)


def layer_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, *, batch: Any = None) -> torch.Tensor:
    """`accel.nn.layer_norm` over the last axis of x, where each rank of `batch` has some of its rows; as `rms_norm`.

    bias: (n,) of x's dtype, or None: 0.
    """
    return _norm("layer_norm", x, {"weight": weight, "bias": bias}, eps, batch)


def _norm(op: str, x: Any, parameters: dict[str, Any], eps: float | None, batch: Any) -> torch.Tensor:
    ranks, given = ranks_of(batch, "batch"), {name: p for name, p in parameters.items() if p is not None}
    for name, tensor in {"x": x, **given}.items():
        if not isinstance(tensor, torch.Tensor):
            raise ArgumentError(f"{op}: {name}: expected a torch tensor, got {shown(tensor)}")
        if tensor.dtype not in WIDE or tensor.dtype != x.dtype:
            raise DtypeError(f"{op}: {name}: expected a floating dtype, all of them one, got {tensor.dtype}")
        if not x.ndim or (name != "x" and tensor.shape != x.shape[-1:]):
            raise ShapeError(f"{op}: {name} has shape {tuple(tensor.shape)}, and x {tuple(x.shape)}")
    if ranks.size == 1:
        made: torch.Tensor = _local(op, x.shape[-1], eps, tuple(given))(x, *given.values())
        return made
    wide = WIDE[x.dtype]
    rows = rows_of(x).to(wide)
    made = _local(op, x.shape[-1], eps, ())(rows)
    for name, parameter in given.items():
        apply = multiply if name == "weight" else add
        made = apply(made, _Beside.apply(parameter.to(wide), rows.shape[0], ranks, op))
    return made.to(x.dtype).reshape(x.shape)


@lru_cache(maxsize=256)
def _local(op: str, n: int, eps: float | None, given: tuple[str, ...]) -> Local:
    norm = getattr(accel.nn, op)
    return Local(lambda x, *its: norm(x, (n,), eps=eps, **dict(zip(given, its, strict=True))), op)
