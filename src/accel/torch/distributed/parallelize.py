"""`parallelize`: a model's layers cut by a plan, in the manner of torch.distributed.tensor.parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from ...errors import AccelError, ArgumentError, UnsupportedError, shown
from .modules import ColumnParallelLinear, Linear, Norm, RowParallelLinear, Sharded, VocabularyParallelEmbedding
from .ordered import shares
from .ranks import Fact, Ranks, ranks_of


@dataclass(frozen=True)
class ColwiseParallel:
    """Of a linear layer each rank has some features.

    parts: equal parts of them that stay whole, such as heads of keys; None: each by itself. width: how many inputs of
    the layer behind, which is split by rows, a part makes; None: as many as it has features. gather_output: whether the
    result is all features, on all ranks.
    """

    parts: int | None = None
    width: int | None = None
    gather_output: bool = False


@dataclass(frozen=True)
class RowwiseParallel:
    """Of a linear layer each rank has some inputs, of an embedding some rows. parts, width: as `ColwiseParallel`."""

    parts: int | None = None
    width: int | None = None


Style = ColwiseParallel | RowwiseParallel


@dataclass(frozen=True)
class Change:
    """One layer, and what makes another one of it. style: in words."""

    name: str
    layer: nn.Module
    style: str
    make: Callable[[], Sharded]


def parallelize(module: nn.Module, mesh: Any, plan: Mapping[str, Any], *, batch: Any = None) -> nn.Module:
    """A model whose layers lie on several ranks by a plan, with the bits that it has on one.

    module: the whole model, with the same parameters on each rank; it is changed, and given back. mesh: a DeviceMesh
    with one axis, or a process group; None: this process alone. plan: names of modules, in which * stands for anything,
    and for each `ColwiseParallel` or `RowwiseParallel`, or torch's classes of these names with their own layouts.
    batch: the ranks (another axis of the mesh) that have other rows of the batch; gradients are those of all rows.
    Each torch.nn.Linear, Embedding, RMSNorm and LayerNorm becomes accel's, also where the plan does not name it.
    All is planned, and the ranks have agreed on it, before anything is changed.
    Raises RankError, on every rank, where models, plans or values of parameters are not the same; ArgumentError for a
    name that no module has, or parts that do not divide; UnsupportedError, with the module's name, for a layer that has
    no rule here.
    """
    if not isinstance(module, nn.Module):
        raise ArgumentError(f"module: expected a torch.nn.Module, got {shown(module)}")
    ranks, others = ranks_of(mesh, "mesh"), ranks_of(batch, "batch")
    problem: AccelError | None = None
    changes: list[Change] = []
    try:
        changes = list(_changes(module, ranks, others, plan))
    except AccelError as error:
        problem = error
    for its in (ranks, others):
        _agree(its, changes, problem)
    made: dict[tuple[Any, ...], nn.Parameter] = {}
    for change in changes:
        layer = change.make()
        for name, whole in change.layer.named_parameters(recurse=False):  # what was tied stays tied
            part = getattr(layer, name)
            key = (id(whole), layer.axes.get(name), tuple(layer.lengths) if part is not whole else None)
            setattr(layer, name, made.setdefault(key, part))
        if not change.name:
            return layer
        parent, _, name = change.name.rpartition(".")
        setattr(module.get_submodule(parent), name, layer)
    return module


def _agree(ranks: Ranks, changes: list[Change], problem: AccelError | None) -> None:
    """Each layer with its style, shapes and the sums of its bits."""
    for change in changes:
        facts: dict[str, Fact | str | None] = {"style": change.style}
        for name, x in change.layer.named_parameters(recurse=False):
            facts |= {name: Fact(x), f"the sum of the bits of {name}": str(_bits(x.detach()))}
        ranks.agreed(f"parallelize: {change.name}", facts)
    ranks.agreed("parallelize", {}, problem)


def _bits(x: torch.Tensor) -> int:
    flat = x.contiguous().reshape(-1)
    kinds = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return int(flat.view(kinds[x.element_size()]).sum(dtype=torch.int64))


def _changes(module: nn.Module, ranks: Ranks, batch: Ranks, plan: Mapping[str, Any]) -> Iterator[Change]:
    if not isinstance(plan, Mapping):
        raise ArgumentError(f"plan: expected a dict of names and styles, got {shown(plan)}")
    named = dict(module.named_modules())
    styles: dict[str, Style] = {}
    for pattern, style in plan.items():
        found = [name for name in named if fnmatchcase(name, pattern)]
        if not found:
            raise ArgumentError(f"plan: {pattern!r}: no module has this name")
        for name in found:
            styles[name] = _style(f"plan: {pattern!r}", style)
    for name, layer in named.items():
        if isinstance(layer, Sharded):
            raise ArgumentError(f"module: {name or 'it'} is parallel already")
        its = _change(name, layer, styles.get(name), ranks, batch)
        if its is not None:
            yield its
        elif name in styles:
            raise UnsupportedError(f"plan: {name}: {type(styles[name]).__name__} of a {type(layer).__name__}")
        elif batch.size > 1 and next(layer.parameters(recurse=False), None) is not None:
            raise UnsupportedError(f"module: {name or 'it'}: a {type(layer).__name__} has parameters, and no rule here")


def _change(name: str, layer: nn.Module, style: Style | None, ranks: Ranks, batch: Ranks) -> Change | None:
    """What becomes of a layer; None where it stays."""
    kind, words = type(layer), repr(style)

    def split(n: int) -> list[int]:
        assert style is not None
        try:
            return shares(n, ranks.size, style.parts, style.width)
        except ArgumentError as error:
            raise ArgumentError(f"plan: {name}: {error}") from None

    if kind is nn.Linear and isinstance(layer, nn.Linear):
        if isinstance(style, ColwiseParallel):
            lengths, gather = split(layer.out_features), style.gather_output
            return Change(
                name,
                layer,
                words,
                lambda: ColumnParallelLinear(layer, ranks, lengths=lengths, gather_output=gather, batch=batch),
            )
        if isinstance(style, RowwiseParallel):
            lengths = split(layer.in_features)
            return Change(name, layer, words, lambda: RowParallelLinear(layer, ranks, lengths=lengths, batch=batch))
        return Change(name, layer, words, lambda: Linear(layer, batch=batch))
    if kind is nn.Embedding and isinstance(layer, nn.Embedding):
        if isinstance(style, RowwiseParallel):
            lengths = split(layer.num_embeddings)
            return Change(
                name, layer, words, lambda: VocabularyParallelEmbedding(layer, ranks, lengths=lengths, batch=batch)
            )
        return None if style else Change(name, layer, words, lambda: VocabularyParallelEmbedding(layer, batch=batch))
    if kind in (nn.RMSNorm, nn.LayerNorm) and isinstance(layer, nn.RMSNorm | nn.LayerNorm):
        return None if style else Change(name, layer, words, lambda: Norm(layer, batch=batch))
    return None


def _style(where: str, style: Any) -> Style:
    """A style; torch's own as the one here that does the same."""
    from torch.distributed.tensor import Replicate, Shard
    from torch.distributed.tensor.parallel import ColwiseParallel as TorchsColwise
    from torch.distributed.tensor.parallel import RowwiseParallel as TorchsRowwise

    if isinstance(style, ColwiseParallel | RowwiseParallel):
        return style
    if isinstance(style, TorchsColwise | TorchsRowwise):
        into, out = style.input_layouts[0], style.output_layouts[0]
        if isinstance(style, TorchsColwise) and into == Replicate() and out in (Shard(-1), Replicate()):
            return ColwiseParallel(gather_output=out == Replicate())
        if isinstance(style, TorchsRowwise) and out == Replicate() and into in (Shard(-1), Replicate()):
            return RowwiseParallel()
        raise UnsupportedError(f"{where}: layouts from {into} to {out} have no rule here")
    raise ArgumentError(f"{where}: expected ColwiseParallel or RowwiseParallel, got {shown(style)}")


def whole(module: nn.Module, gradients: bool = False) -> dict[str, torch.Tensor]:
    """Each parameter of a model that `parallelize` made, or its gradient, in one piece on every rank, by its name.

    To be called on all ranks. A parameter without a gradient is left out.
    """
    found: dict[str, torch.Tensor] = {}
    for prefix, layer in module.named_modules():
        for name, parameter in layer.named_parameters(prefix="", recurse=False):
            x = parameter.grad if gradients else parameter
            if x is not None:
                its = layer.whole(name, x) if isinstance(layer, Sharded) else x.detach()
                found[f"{prefix}.{name}" if prefix else name] = its
    return found
