"""Linear layers whose weight, or whose batch, lies on several ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import accel

from ...errors import AccelError, ArgumentError, DtypeError, ShapeError, shown
from .local import local, underived
from .ordered import WIDE, product, products, rows_of, total
from .ranks import Fact, Ranks, ranks_of


def linear(x: Any, weight: Any, bias: Any = None, *, batch: Any = None) -> torch.Tensor:
    """x @ weight.T + bias, where each rank of `batch` has some of the rows of x, and all have the weight.

    x: (…, in), whose leading axes are the batch; how many rows a rank has is its own. weight: (out, in). bias: (out,)
    or None. All of one floating dtype. batch: a process group, a DeviceMesh with one axis, or None for one process.
    The result is this rank's rows. Gradients of weight and bias are those of all ranks' rows, in rank order, on every
    rank; so a loss is not to be divided by the number of ranks (`cross_entropy` with `batch`).
    Raises RankError, on every rank, where ranks disagree; ShapeError, DtypeError, ArgumentError.
    """
    return _linear("linear", x, weight, bias, None, None, batch)


def column_parallel_linear(
    x: Any, weight: Any, bias: Any = None, *, group: Any, lengths: Sequence[int] | None = None, batch: Any = None
) -> torch.Tensor:
    """This rank's features of x @ weight.T + bias, where each rank of `group` has some rows of the weight.

    x: (…, in), the same on all ranks. weight: (its features, in). bias: (its features,) or None. batch: as in `linear`.
    lengths: how many features each rank has; None: ranks ask each other, at each call.
    Forward sends nothing. x's gradient is a product over all ranks' features, and the same on all ranks.
    Raises as `linear`.
    """
    return _linear("column_parallel_linear", x, weight, bias, "out", group, batch, lengths)


def column_parallel_linears(
    x: Any,
    weights: Sequence[Any],
    biases: Sequence[Any] | None = None,
    *,
    group: Any,
    lengths: Sequence[Sequence[int]] | None = None,
    batch: Any = None,
) -> tuple[torch.Tensor, ...]:
    """`column_parallel_linear` of one x with several weights, such as those of queries, keys and values.

    weights: (its features, in) of each layer. biases: (its features,) or None for each; None: no layer has one.
    lengths: for each layer, how many features each rank has; None: ranks ask each other, at each call.
    x's gradient is the sum of all layers', from the last to the first, each rounded to x's dtype, as autograd adds them
    up where the layers are called one after another: the same bits. Of it one result goes to all ranks, not one for
    each layer, and no rank waits between them. Raises as `linear`.
    """
    op = "column_parallel_linears"
    if not isinstance(weights, list | tuple) or not weights:
        raise ArgumentError(f"{op}: weights: expected a list of at least one, got {shown(weights)}")
    count = len(weights)
    biases = [None] * count if biases is None else biases
    for name, given in (("biases", biases), ("lengths", lengths)):
        if given is not None and (not isinstance(given, list | tuple) or len(given) != count):
            raise ArgumentError(f"{op}: {name}: expected {count}, one for each weight, got {shown(given)}")
    ranks, others = ranks_of(group), ranks_of(batch, "batch")
    known: list[list[int]] = []
    for i in range(count):
        which, facts = f"{op}, layer {i}", dict[str, Fact | None]()
        problem = _problem(which, x, weights[i], biases[i])
        if problem is None:
            facts = _facts(x, weights[i], biases[i], (None, 0, 0))
        known.append(ranks.lengths(which, facts, "weight", problem, None if lengths is None else lengths[i]))
    made: tuple[torch.Tensor, ...] = _Linears.apply(x, (known, ranks, others), *weights, *biases)
    return made


def _facts(x: Any, weight: Any, bias: Any, axes: tuple[int | None, ...]) -> dict[str, Fact | None]:
    given = zip(("x", "weight", "bias"), (x, weight, bias), axes, strict=True)
    return {name: None if tensor is None else Fact(tensor, axis) for name, tensor, axis in given}


def row_parallel_linear(
    x: Any, weight: Any, bias: Any = None, *, group: Any, lengths: Sequence[int] | None = None, batch: Any = None
) -> torch.Tensor:
    """x @ weight.T + bias on all ranks, where each rank of `group` has some columns of the weight and those of x.

    x: (…, its features). weight: (out, its features). bias: (out,) or None, the same on all ranks. lengths: how
    many each rank has; None: ranks ask each other, at each call. batch: as in `linear`.
    The result is a product over all ranks' features. Backward sends nothing to ranks of `group`.
    Raises as `linear`.
    """
    return _linear("row_parallel_linear", x, weight, bias, "in", group, batch, lengths)


def _linear(
    op: str,
    x: Any,
    weight: Any,
    bias: Any,
    split: str | None,
    group: Any,
    batch: Any,
    known: Sequence[int] | None = None,
) -> torch.Tensor:
    ranks, others = ranks_of(group), ranks_of(batch, "batch")
    problem = _problem(op, x, weight, bias)
    facts: dict[str, Fact | None] = {}
    if problem is None:
        own = {"out": (None, 0, 0), "in": (x.ndim - 1, 1, None), None: (None, None, None)}[split]
        facts.update(_facts(x, weight, bias, own))
    lengths: list[int] = []
    if split is None:
        ranks.agreed(op, facts, problem)
    else:
        lengths = ranks.lengths(op, facts, "weight", problem, known)
    result: torch.Tensor = _Linear.apply(x, weight, bias, _Call(op, split, lengths, ranks, others))
    return result


def _problem(op: str, x: Any, weight: Any, bias: Any) -> AccelError | None:
    """What is wrong with the operands of this rank."""
    for name, tensor in (("x", x), ("weight", weight), ("bias", bias)):
        if tensor is None and name == "bias":
            continue
        if not isinstance(tensor, torch.Tensor):
            return ArgumentError(f"{op}: {name}: expected a torch tensor, got {shown(tensor)}")
        if tensor.dtype not in WIDE:
            return DtypeError(f"{op}: {name}: expected a floating dtype, got {tensor.dtype}")
        if tensor.dtype != x.dtype or tensor.device != x.device:
            return DtypeError(
                f"{op}: {name}: expected {x.dtype} on {x.device} as x is, got {tensor.dtype} on {tensor.device}"
            )
    if weight.ndim != 2:
        return ShapeError(f"{op}: weight: expected two axes (out, in), got shape {tuple(weight.shape)}")
    if x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        return ShapeError(f"{op}: x has shape {tuple(x.shape)} and weight has shape {tuple(weight.shape)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        return ShapeError(f"{op}: bias: expected shape ({weight.shape[0]},), got {tuple(bias.shape)}")
    return None


class _Call:
    """What a linear layer's passes share. lengths: of each rank's part of the axis that is split."""

    def __init__(self, op: str, split: str | None, lengths: list[int], ranks: Ranks, batch: Ranks) -> None:
        self.op, self.split, self.lengths, self.ranks, self.batch = op, split, lengths, ranks, batch


_whole = local("nn.linear")


class _Linear(torch.autograd.Function):
    """Forward of a row-parallel layer, and x's gradient in a column-parallel one, are products over the group; the
    weight's gradient is one over the batch."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, call: _Call) -> Any:
        ctx.save_for_backward(x, weight)
        ctx.call = call
        rows = rows_of(x)
        if call.split != "in":
            made = _whole.forward(rows, weight, *([] if bias is None else [bias]))
        else:
            wide = None if bias is None else bias.to(WIDE[bias.dtype])
            finish = None if wide is None else lambda total: accel.add(total, wide)
            made = product(call.ranks, call.op, rows, weight.mT, call.lengths, x.dtype, finish)
        return made.reshape(*x.shape[:-1], weight.shape[0])

    @staticmethod
    @underived
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        (x, weight), call = ctx.saved_tensors, ctx.call
        op = f"{call.op}, backward"
        for_x, for_weight, for_bias, _ = ctx.needs_input_grad
        rows, g = rows_of(x), rows_of(g)
        dx = dweight = dbias = None
        if for_x:
            ranks, lengths = (call.ranks, call.lengths) if call.split == "out" else (ranks_of(None), [g.shape[1]])
            dx = product(ranks, op, g, weight, lengths, x.dtype).reshape(x.shape)
        if for_weight or for_bias:
            dweight, dbias = _of_parameters(call.batch, op, rows, g, weight.dtype, for_weight, for_bias)
        return dx, dweight, dbias, None


def _of_parameters(
    batch: Ranks, op: str, rows: torch.Tensor, g: torch.Tensor, dtype: torch.dtype, for_weight: bool, for_bias: bool
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The gradients of weight and bias of all ranks' rows."""
    lengths = batch.lengths(op, {"rows of x": Fact(rows, 0), "gradient": Fact(g, 0)}, "gradient")
    return (
        product(batch, op, g.mT, rows, lengths, dtype) if for_weight else None,
        total(batch, op, g, lengths).to(dtype) if for_bias else None,
    )


class _Linears(torch.autograd.Function):
    """Of one x: its gradient is a sum of products over the group."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, call: Any, *given: Any) -> Any:
        weights, biases = given[: len(given) // 2], given[len(given) // 2 :]
        ctx.save_for_backward(x, *weights)
        ctx.call = call
        rows = rows_of(x)
        return tuple(
            _whole.forward(rows, weight, *([] if bias is None else [bias])).reshape(*x.shape[:-1], weight.shape[0])
            for weight, bias in zip(weights, biases, strict=True)
        )

    @staticmethod
    @underived
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Any:
        (x, *weights), (lengths, ranks, batch) = ctx.saved_tensors, ctx.call
        op, rows, gs = "column_parallel_linears, backward", rows_of(x), [rows_of(g) for g in cotangents]
        needed = ctx.needs_input_grad[2:]
        dx = None
        if ctx.needs_input_grad[0]:
            dx = products(ranks, op, list(zip(gs, weights, lengths, strict=True)), x.dtype).reshape(x.shape)
        dweights, dbiases = [], []
        for i, (g, weight) in enumerate(zip(gs, weights, strict=True)):
            wanted = needed[i], needed[len(weights) + i]
            found = _of_parameters(batch, op, rows, g, weight.dtype, *wanted) if any(wanted) else (None, None)
            dweights.append(found[0])
            dbiases.append(found[1])
        return dx, None, *dweights, *dbiases
