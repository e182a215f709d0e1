"""Embedding and cross entropy of a vocabulary that lies on several ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import accel

from ...arguments import integer
from ...errors import AccelError, ArgumentError, DtypeError, ShapeError, shown
from .local import Local, divide, subtract, underived
from .ordered import WIDE, exactly, rows_of, starts_of
from .ranks import Fact, Ranks, ranks_of
from .sums import summed

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def embedding(
    tokens: Any,
    weight: Any,
    padding_idx: int | None = None,
    *,
    group: Any = None,
    lengths: Sequence[int] | None = None,
    batch: Any = None,
) -> torch.Tensor:
    """The rows of a weight that tokens name, where each rank of `group` has some of the rows.

    tokens: integers of any shape, from 0 to the number of all rows - 1, the same on all ranks of group. weight: (its
    rows, features), floating: the first rank has the first rows. padding_idx: a row whose gradient is 0. lengths:
    how many rows each rank has; None: ranks ask each other, at each call. batch: ranks that have other tokens, and
    gradients of which are added up, as in `linear`.
    The result, (*tokens.shape, features), is the same on all ranks of group.
    Raises IndexError for a row that there is not; RankError, on every rank, where ranks disagree; ShapeError,
    DtypeError, ArgumentError.
    """
    op, ranks, others = "embedding", ranks_of(group), ranks_of(batch, "batch")
    problem = _not_tokens(op, "tokens", tokens)
    if problem is None and not (isinstance(weight, torch.Tensor) and weight.ndim == 2 and weight.dtype in WIDE):
        problem = ArgumentError(f"{op}: weight: expected a floating tensor (rows, features), got {shown(weight)}")
    facts: dict[str, Fact | None] = {}
    if problem is None:
        facts = {"tokens": Fact(tokens), "weight": Fact(weight, 0)}
    starts = starts_of(ranks.lengths(op, facts, "weight", problem, lengths))
    if tokens.numel():
        least, most = int(tokens.min()), int(tokens.max())
        if least < 0 or most >= starts[-1]:
            raise IndexError(f"{op}: tokens: expected numbers from 0 to {starts[-1] - 1}, got {least} to {most}")
    padding = None
    if padding_idx is not None:
        padding = integer(op, "padding_idx", padding_idx)
        if not -starts[-1] <= padding < starts[-1]:
            raise ArgumentError(f"{op}: padding_idx: {padding} is none of {starts[-1]} rows")
        padding %= starts[-1]
    result: torch.Tensor = _Embedding.apply(tokens, weight, starts[ranks.rank], padding, ranks, others)
    return result


def _not_tokens(op: str, name: str, x: Any) -> AccelError | None:
    if not isinstance(x, torch.Tensor):
        return ArgumentError(f"{op}: {name}: expected a torch tensor, got {shown(x)}")
    if x.dtype not in INTEGERS:
        return DtypeError(f"{op}: {name}: expected integers, got {x.dtype}")
    return None


class _Embedding(torch.autograd.Function):
    """Each row is one rank's, and zeros elsewhere."""

    @staticmethod
    def forward(ctx: Any, tokens: Any, weight: Any, start: int, padding: int | None, ranks: Ranks, batch: Ranks) -> Any:
        ctx.save_for_backward(tokens)
        ctx.its = start, padding, batch, weight.shape[0], weight.dtype
        flat = tokens.reshape(-1).to(torch.int64)
        here = (flat >= start) & (flat < start + weight.shape[0])
        made = weight.new_zeros(flat.shape[0], weight.shape[1])
        made[here] = weight.detach()[flat[here] - start]
        return ranks.united("embedding", made).reshape(*tokens.shape, weight.shape[1])

    @staticmethod
    @underived
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        (tokens,), (start, padding, batch, rows, dtype) = ctx.saved_tensors, ctx.its
        op = "embedding, backward"
        flat, g = tokens.reshape(-1).to(torch.int64), rows_of(g)
        if batch.size > 1:
            lengths = batch.lengths(op, {"gradient": Fact(g, 0)}, "gradient")
            flat, g = batch.gathered(op, flat, lengths), batch.gathered(op, g, lengths)
        here = (flat >= start) & (flat < start + rows)
        if padding is not None:
            here &= flat != padding
        with exactly():
            wide = g[here].to(WIDE[g.dtype])
            made = accel.index_add(wide.new_zeros(rows, g.shape[1]), 0, flat[here] - start, wide)
        return None, made.to(dtype), None, None, None, None


def cross_entropy(
    logits: Any,
    target: Any,
    ignore_index: int = -100,
    reduction: str = "mean",
    *,
    group: Any = None,
    lengths: Sequence[int] | None = None,
    batch: Any = None,
) -> torch.Tensor:
    """`accel.nn.cross_entropy` of classes that lie on several ranks: -log_softmax(logits)[target].

    logits: (…, its classes), floating: the first rank of group has the first classes. target: integers (…), from 0 to
    the number of all classes - 1, or ignore_index, the same on all ranks of group. lengths: how many classes each
    rank has; None: ranks ask each other, at each call. batch: ranks that have other rows.
    reduction: "none" gives the loss of each of this rank's rows; "sum" and "mean" that of the rows of all ranks of
    batch, on every rank; the mean is over rows that are not ignored.
    16-bit floats are computed in float32 and rounded once. Logits' gradients need nothing from other ranks.
    Raises IndexError for a class that there is not; RankError, on every rank, where ranks disagree; ShapeError,
    DtypeError, ArgumentError.
    """
    op, ranks, others = "cross_entropy", ranks_of(group), ranks_of(batch, "batch")
    if reduction not in ("none", "sum", "mean"):
        raise ArgumentError(f"{op}: reduction: expected 'none', 'sum' or 'mean', got {shown(reduction)}")
    integer(op, "ignore_index", ignore_index)
    problem = _not_tokens(op, "target", target)
    if problem is None and not (isinstance(logits, torch.Tensor) and logits.dtype in WIDE):
        problem = ArgumentError(f"{op}: logits: expected a floating tensor, got {shown(logits)}")
    if problem is None and (not logits.ndim or target.shape != logits.shape[:-1]):
        problem = ShapeError(f"{op}: logits has shape {tuple(logits.shape)} and target {tuple(target.shape)}")
    facts: dict[str, Fact | None] = {}
    if problem is None:
        facts = {"logits": Fact(logits, logits.ndim - 1), "target": Fact(target)}
    lengths = ranks.lengths(op, facts, "logits", problem, lengths)
    starts = starts_of(lengths)
    label = target.reshape(-1).to(torch.int64)
    ignored = label == ignore_index
    outside = (label < 0) | (label >= starts[-1])
    if bool((outside & ~ignored).any()):
        raise IndexError(f"{op}: target: expected class indices from 0 to {starts[-1] - 1}, or {ignore_index}")
    rows = rows_of(logits).to(WIDE[logits.dtype])
    peak = _largest(ranks, op, rows.detach())
    shifted, powers = _shifted(rows, peak)
    divisor = summed(powers.mT, ranks, op, lengths)
    chosen = _Chosen.apply(shifted, label - starts[ranks.rank], ranks)
    losses = subtract(_log(divisor), chosen)
    losses = torch.where(ignored, losses.new_zeros(()), losses)
    if reduction == "none":
        return losses.to(logits.dtype).reshape(target.shape)
    every = others.lengths(op, {"rows": Fact(losses, 0)}, "rows")
    whole = summed(losses, others, op, every)
    if reduction == "mean":
        counted = torch.stack([(~ignored).sum()])
        count = others.gathered(op, counted, [1] * others.size).sum()
        whole = divide(whole, count.to(whole.dtype))
    return whole.to(logits.dtype)


def _largest(ranks: Ranks, op: str, rows: torch.Tensor) -> torch.Tensor:
    """Each row's maximum over all ranks, (rows, 1): NaN where one is."""
    with exactly():
        mine = accel.max(rows, axis=-1)[None] if rows.shape[-1] else rows.new_full((1, rows.shape[0]), -float("inf"))
        every = ranks.gathered(op, mine, [1] * ranks.size)
        largest: torch.Tensor = accel.max(every, axis=0)[:, None]
        return largest


def _less(x: Any, peak: Any) -> Any:
    shifted = x - accel.stop_gradient(peak)
    return shifted, accel.exp(shifted)


_shifted = Local(_less, "cross_entropy")
_log = Local(lambda x: accel.log(x), "cross_entropy")


class _Chosen(torch.autograd.Function):
    """The element of each row's class, which one rank has."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, label: torch.Tensor, ranks: Ranks) -> Any:
        here = (label >= 0) & (label < x.shape[1])
        at = torch.where(here, label, 0)[:, None]
        ctx.save_for_backward(here, at)
        ctx.shape = x.shape
        made = x.new_zeros(x.shape[0])
        if x.shape[1]:
            made = torch.where(here, x.gather(1, at)[:, 0], made)
        return ranks.united("cross_entropy", made)

    @staticmethod
    @underived
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        here, at = ctx.saved_tensors
        made = g.new_zeros(ctx.shape)
        if ctx.shape[1]:
            made.scatter_(1, at, torch.where(here, g, g.new_zeros(()))[:, None])
        return made, None, None
