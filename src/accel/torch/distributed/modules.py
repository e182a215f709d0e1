"""Modules that have a rank's share of a layer's parameters, or a batch's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from ...errors import ArgumentError, UnsupportedError, shown
from . import layers, sums, vocabulary
from .local import underived
from .ordered import shares as evenly
from .ranks import Ranks, ranks_of


class Sharded(nn.Module):
    """A layer of which each rank has a part of some parameters.

    axes: the axis along which each parameter that is split lies on the ranks; the others are the same on all. lengths:
    how much of it each rank has.
    """

    axes: ClassVar[dict[str, int]] = {}

    def __init__(
        self, layer: nn.Module, names: Sequence[str], ranks: Ranks, batch: Any, lengths: Sequence[int]
    ) -> None:
        super().__init__()
        self.ranks, self.batch, self.lengths = ranks, ranks_of(batch, "batch"), list(lengths)
        for name in names:
            self.register_parameter(name, self._part(name, getattr(layer, name)))
        self.train(layer.training)

    @property
    def groups(self) -> dict[str, Any]:
        """What a function of this layer is told of the ranks."""
        return {"group": self.ranks, "lengths": self.lengths, "batch": self.batch}

    def _part(self, name: str, whole: nn.Parameter | None) -> nn.Parameter | None:
        if whole is None or name not in self.axes or self.ranks.size == 1:
            return whole
        axis = self.axes[name]
        if sum(self.lengths) != whole.shape[axis] or len(self.lengths) != self.ranks.size or min(self.lengths) < 0:
            raise ArgumentError(
                f"{type(self).__name__}: lengths: expected {self.ranks.size} that add up to {whole.shape[axis]}, got "
                f"{shown(self.lengths)}"
            )
        mine = whole.detach().split(self.lengths, axis)[self.ranks.rank].clone()
        return nn.Parameter(mine, whole.requires_grad)

    def whole(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """All ranks' parts of a parameter, or of what is like it, on all ranks."""
        axis = self.axes.get(name)
        if axis is None or self.ranks.size == 1:
            return x.detach()
        lying = x.detach().movedim(axis, 0).contiguous()
        return self.ranks.gathered(f"{type(self).__name__}.{name}", lying, self.lengths).movedim(0, axis).contiguous()

    def extra_repr(self) -> str:
        return f"{self.lengths[self.ranks.rank]} of {sum(self.lengths)}, rank {self.ranks.rank} of {self.ranks.size}"


def _lengths(n: int, ranks: Ranks, lengths: Sequence[int] | None) -> list[int]:
    return evenly(n, ranks.size) if lengths is None else list(lengths)


class ColumnParallelLinear(Sharded):
    """A rank's features of a torch.nn.Linear; see `column_parallel_linear`.

    layer: the whole one, the same on all ranks. group: as there. lengths: how many features each rank has; None: shares
    at multiples of KC where there are enough. gather_output: whether the result is all features, on all ranks. batch:
    ranks with other rows.
    """

    axes: ClassVar[dict[str, int]] = {"weight": 0, "bias": 0}

    def __init__(
        self,
        layer: nn.Linear,
        group: Any,
        *,
        lengths: Sequence[int] | None = None,
        gather_output: bool = False,
        batch: Any = None,
    ) -> None:
        ranks = ranks_of(group)
        super().__init__(layer, ("weight", "bias"), ranks, batch, _lengths(layer.out_features, ranks, lengths))
        self.gather_output = gather_output

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = layers.column_parallel_linear(x, self.weight, self.bias, **self.groups)
        if not self.gather_output:
            return y
        gathered: torch.Tensor = _Gathered.apply(y, self.ranks, self.lengths)
        return gathered


class _Gathered(torch.autograd.Function):
    """All ranks' features; each rank's gradient is its part of the one that all have."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, ranks: Ranks, lengths: list[int]) -> Any:
        ctx.its = ranks, lengths
        lying = x.movedim(-1, 0)
        return ranks.gathered("gather_output", lying, lengths).movedim(0, -1).contiguous()

    @staticmethod
    @underived
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        ranks, lengths = ctx.its
        return g.split(lengths, -1)[ranks.rank].contiguous(), None, None


class RowParallelLinear(Sharded):
    """A rank's inputs of a torch.nn.Linear; see `row_parallel_linear`. lengths: how many inputs each rank has."""

    axes: ClassVar[dict[str, int]] = {"weight": 1}

    def __init__(
        self, layer: nn.Linear, group: Any, *, lengths: Sequence[int] | None = None, batch: Any = None
    ) -> None:
        ranks = ranks_of(group)
        super().__init__(layer, ("weight", "bias"), ranks, batch, _lengths(layer.in_features, ranks, lengths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return layers.row_parallel_linear(x, self.weight, self.bias, **self.groups)


class VocabularyParallelEmbedding(Sharded):
    """A rank's rows of a torch.nn.Embedding; see `embedding`. lengths: how many rows each rank has. A group of None:
    all rows are here."""

    axes: ClassVar[dict[str, int]] = {"weight": 0}

    def __init__(
        self, layer: nn.Embedding, group: Any = None, *, lengths: Sequence[int] | None = None, batch: Any = None
    ) -> None:
        for name, want in (("max_norm", None), ("scale_grad_by_freq", False), ("sparse", False)):
            if (its := getattr(layer, name)) != want:
                raise UnsupportedError(f"VocabularyParallelEmbedding: {name}: expected {want}, got {its}")
        ranks = ranks_of(group)
        super().__init__(layer, ("weight",), ranks, batch, _lengths(layer.num_embeddings, ranks, lengths))
        self.padding_idx = layer.padding_idx

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return vocabulary.embedding(tokens, self.weight, self.padding_idx, **self.groups)


class Linear(Sharded):
    """A whole torch.nn.Linear on each rank; see `linear`."""

    def __init__(self, layer: nn.Linear, *, batch: Any = None) -> None:
        super().__init__(layer, ("weight", "bias"), ranks_of(None), batch, [layer.out_features])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return layers.linear(x, self.weight, self.bias, batch=self.batch)


class Norm(Sharded):
    """A whole torch.nn.RMSNorm or torch.nn.LayerNorm over the last axis on each rank; see `rms_norm`, `layer_norm`."""

    def __init__(self, layer: nn.RMSNorm | nn.LayerNorm, *, batch: Any = None) -> None:
        if len(layer.normalized_shape) != 1:
            raise UnsupportedError(f"Norm: normalized_shape: expected one axis, got {tuple(layer.normalized_shape)}")
        self.centred = isinstance(layer, nn.LayerNorm)
        names = ("weight", "bias") if self.centred else ("weight",)
        super().__init__(layer, names, ranks_of(None), batch, list(layer.normalized_shape))
        self.eps = layer.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.centred:
            return sums.layer_norm(x, self.weight, self.bias, self.eps, batch=self.batch)
        return sums.rms_norm(x, self.weight, self.eps, batch=self.batch)
