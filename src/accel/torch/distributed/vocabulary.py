"""Embedding and cross entropy of a vocabulary that lies on several ranks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

import accel

from ...arguments import integer
from ...errors import AccelError, ArgumentError, DtypeError, ShapeError, shown
from ...ops.composed.loss import number
from .local import Local, divide, multiply, subtract, underived
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
    weight: Any = None,
    label_smoothing: float = 0.0,
    group: Any = None,
    lengths: Sequence[int] | None = None,
    batch: Any = None,
) -> torch.Tensor:
    """`accel.nn.cross_entropy` of classes that lie on several ranks: -log_softmax(logits)[target].

    logits: (…, its classes), floating: the first rank of group has the first classes. target: integers (…), from 0 to
    the number of all classes - 1, or ignore_index, the same on all ranks of group. lengths: how many classes each
    rank has; None: ranks ask each other, at each call. batch: ranks that have other rows.
    weight: (its classes,) of logits' dtype, of each class, without a gradient. label_smoothing: from 0 to 1; both as in
    `accel.nn.cross_entropy`, over all classes.
    reduction: "none" gives the loss of each of this rank's rows; "sum" and "mean" that of the rows of all ranks of
    batch, on every rank; the mean is over rows that are not ignored, by weight.
    16-bit floats are computed in float32 and rounded once. Logits' gradients need nothing from other ranks.
    Raises IndexError for a class that there is not; RankError, on every rank, where ranks disagree; ShapeError,
    DtypeError, ArgumentError.
    """
    op, ranks, others = "cross_entropy", ranks_of(group), ranks_of(batch, "batch")
    if reduction not in ("none", "sum", "mean"):
        raise ArgumentError(f"{op}: reduction: expected 'none', 'sum' or 'mean', got {shown(reduction)}")
    integer(op, "ignore_index", ignore_index)
    smoothing = number(op, "label_smoothing", label_smoothing, 0, 1)
    problem = _not_tokens(op, "target", target)
    if problem is None and not (isinstance(logits, torch.Tensor) and logits.dtype in WIDE):
        problem = ArgumentError(f"{op}: logits: expected a floating tensor, got {shown(logits)}")
    if problem is None and (not logits.ndim or target.shape != logits.shape[:-1]):
        problem = ShapeError(f"{op}: logits has shape {tuple(logits.shape)} and target {tuple(target.shape)}")
    if problem is None and weight is not None:
        problem = _not_weight(op, weight, logits)
    words = {"ignore_index": str(ignore_index), "reduction": reduction, "label_smoothing": str(smoothing)}
    facts: dict[str, Fact | str | None] = {}
    if problem is None:
        facts = {"logits": Fact(logits, logits.ndim - 1), "target": Fact(target), **words}
        facts["weight"] = None if weight is None else Fact(weight, 0)
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
    losses, scale = subtract(_log(divisor), chosen), None
    if weight is not None or smoothing:
        its = None if weight is None else weight.detach().to(rows.dtype)
        losses, scale = _weighed(
            ranks, op, lengths, divisor, chosen, shifted, label - starts[ranks.rank], its, smoothing
        )
    nothing = losses.new_zeros(())
    losses = torch.where(ignored, nothing, losses)
    if reduction == "none":
        return losses.to(logits.dtype).reshape(target.shape)
    every = others.lengths(op, {"rows": Fact(losses, 0), **words}, "rows")
    whole = summed(losses, others, op, every)
    if reduction == "mean":
        if scale is None:
            counted = torch.stack([(~ignored).sum()])
            divisor = others.gathered(op, counted, [1] * others.size).sum().to(whole.dtype)
        else:
            divisor = summed(torch.where(ignored, nothing, scale), others, op, every)
        whole = divide(whole, divisor)
    return whole.to(logits.dtype)


def _not_weight(op: str, weight: Any, logits: torch.Tensor) -> AccelError | None:
    if not isinstance(weight, torch.Tensor) or weight.requires_grad:
        return ArgumentError(f"{op}: weight: expected a torch tensor that requires no gradient, got {shown(weight)}")
    if weight.dtype != logits.dtype or weight.device != logits.device:
        return DtypeError(
            f"{op}: weight: expected {logits.dtype} on {logits.device} as logits is, got {weight.dtype} on "
            f"{weight.device}"
        )
    if weight.shape != logits.shape[-1:]:
        return ShapeError(f"{op}: logits has shape {tuple(logits.shape)} and weight {tuple(weight.shape)}")
    return None


def _weighed(
    ranks: Ranks,
    op: str,
    lengths: Sequence[int],
    divisor: torch.Tensor,
    chosen: torch.Tensor,
    shifted: torch.Tensor,
    label: torch.Tensor,
    weight: torch.Tensor | None,
    smoothing: float,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Each row's loss with weights of classes, smoothed; and the weight of its class. label: from this rank's first
    class on. The steps are those of `accel.nn.cross_entropy`, for the same bits."""
    scale, every = None, float(sum(lengths))
    each: list[torch.Tensor] = []
    if weight is not None:
        scale = _Chosen.apply(weight.expand(shifted.shape), label, ranks)
        each.append(scale)
        if smoothing:
            shifted = multiply(shifted, weight[None])
            each.append(summed(weight[:, None], ranks, op, list(lengths)))
    if smoothing:
        each.append(summed(shifted.mT, ranks, op, list(lengths)))
    return _finished(weight is not None, smoothing, every)(divisor, chosen, *each), scale


@lru_cache(maxsize=64)
def _finished(weighed: bool, smoothing: float, classes: float) -> Local:
    """A row's loss of the sum of powers, the element of its class, then the weight of the class and that of all
    classes, where there are weights, and the sum of all elements, where it is smoothed."""

    def finished(divisor: Any, chosen: Any, *each: Any) -> Any:
        logarithm, left = accel.log(divisor), list(each)
        losses = logarithm - chosen
        if weighed:
            losses = losses * left.pop(0)
        if smoothing:
            total = left.pop(0) if weighed else classes
            evenly = logarithm * total - left.pop(0)
            losses = losses * (1 - smoothing) + evenly * (smoothing / classes)
        return losses

    return Local(finished, "cross_entropy")


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
