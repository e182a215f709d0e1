"""The norm of all gradients of a model whose layers lie on several ranks, and gradients scaled by it."""

from __future__ import annotations

from math import isfinite, prod
from typing import Any

import torch
from torch import nn

import accel

from ...errors import ArgumentError, shown
from .modules import Sharded
from .ordered import WIDE, exactly, total
from .ranks import ALONE


def clip_by_global_norm(module: nn.Module, max_norm: float) -> torch.Tensor:
    """`accel.optim.clip_by_global_norm` of the gradients of a model that `parallelize` made, in place.

    Gives the Euclidean norm of all gradients together before that, in float32 or float64, on every rank, with the bits
    that it has of the whole model in one process. The order is that of module.named_parameters(); a parameter that is
    tied counts once, one without a gradient not at all. To be called on all ranks.
    Of a parameter that is split along its first axis nothing is sent but 64 lanes and the results of blocks (docs/
    torch.md); of one that is split along another axis its gradient, one parameter after the other.
    Raises ArgumentError where there is no gradient or max_norm is no finite number from 0, RankError.
    """
    op = "clip_by_global_norm"
    if not isinstance(module, nn.Module):
        raise ArgumentError(f"{op}: module: expected a torch.nn.Module, got {shown(module)}")
    if (
        isinstance(max_norm, bool)
        or not isinstance(max_norm, int | float)
        or not max_norm >= 0
        or not isfinite(max_norm)
    ):
        raise ArgumentError(f"{op}: max_norm: expected a finite number from 0 on, got {shown(max_norm)}")
    found: dict[int, tuple[nn.Module, str, nn.Parameter]] = {}
    for layer in module.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            if parameter.grad is not None:
                found.setdefault(id(parameter), (layer, name, parameter))
    if not found:
        raise ArgumentError(f"{op}: module: none of its parameters has a gradient")
    with exactly():
        norm = _root([_squared(op, *its) for its in found.values()])
        for _, _, parameter in found.values():
            assert parameter.grad is not None
            parameter.grad.copy_(_scaled(parameter.grad, norm, float(max_norm)))
    return norm


def _squared(op: str, layer: nn.Module, name: str, parameter: nn.Parameter) -> torch.Tensor:
    """The sum of the squares of all of a parameter's gradient, by rule 2."""
    g = parameter.grad
    assert g is not None
    g, ranks, lengths = g.detach(), ALONE, [g.numel()]
    axis = layer.axes.get(name) if isinstance(layer, Sharded) else None
    if isinstance(layer, Sharded) and axis is not None and layer.ranks.size > 1:
        if axis:
            g = layer.whole(name, g)
        else:
            ranks, lengths = layer.ranks, [n * prod(g.shape[1:]) for n in layer.lengths]
    return total(ranks, op, _square(g.to(WIDE[g.dtype])).reshape(-1), lengths)


@accel.fuse
def _square(g: Any) -> Any:
    return g * g


@accel.fuse
def _root(squares: Any) -> Any:
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return accel.sqrt(total)


@accel.fuse
def _scaled(g: Any, norm: Any, max_norm: float) -> Any:
    wide = accel.float64 if g.dtype == accel.float64 else accel.float32
    scale = accel.minimum(max_norm / (norm + 1e-6), 1.0)
    return accel.astype(accel.astype(g, wide, copy=False) * scale, g.dtype, copy=False)
