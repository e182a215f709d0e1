"""Losses by accel: modules of torch.nn, and the ones that models of transformers call."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from accel import nn

from .layers import Rule, check
from .replacement import Left, Replacement


def cross_entropy(x: Any, target: Any, weight: Any = None, **params: Any) -> Any:
    return nn.cross_entropy(x, target, weight, **params)


def nll_loss(x: Any, target: Any, weight: Any = None, **params: Any) -> Any:
    return nn.nll_loss(x, target, weight, **params)


def mse_loss(x: Any, target: Any, **params: Any) -> Any:
    return nn.mse_loss(x, target, **params)


def l1_loss(x: Any, target: Any, **params: Any) -> Any:
    return nn.l1_loss(x, target, **params)


def smooth_l1_loss(x: Any, target: Any, **params: Any) -> Any:
    return nn.smooth_l1_loss(x, target, **params)


def huber_loss(x: Any, target: Any, **params: Any) -> Any:
    return nn.huber_loss(x, target, **params)


def kl_div(x: Any, target: Any, **params: Any) -> Any:
    return nn.kl_div(x, target, **params)


LOSSES: dict[Any, tuple[Any, tuple[str, ...]]] = {
    torch.nn.CrossEntropyLoss.forward: (cross_entropy, ("ignore_index", "reduction", "label_smoothing")),
    torch.nn.NLLLoss.forward: (nll_loss, ("ignore_index", "reduction")),
    torch.nn.MSELoss.forward: (mse_loss, ("reduction",)),
    torch.nn.L1Loss.forward: (l1_loss, ("reduction",)),
    torch.nn.SmoothL1Loss.forward: (smooth_l1_loss, ("reduction", "beta")),
    torch.nn.HuberLoss.forward: (huber_loss, ("reduction", "delta")),
    torch.nn.KLDivLoss.forward: (kl_div, ("reduction", "log_target")),
}
"""By the forwards of torch.nn: accel's functions of input, target and weight, and the attributes that they take."""


class Loss(Replacement):
    """A loss of an input and a target, with the module's weight where it has one."""

    def __init__(self, module: torch.nn.Module, name: str, numerics: str | None, rule: Rule) -> None:
        super().__init__(module, name, numerics)
        self.kind, self.rule = rule.kind, rule

    def computed(self, input: torch.Tensor, target: torch.Tensor) -> Any:
        weight = getattr(self.module, "weight", None)
        params = dict(self.rule.params)
        check_targets(input, target, params)
        tensors = (input, target) if weight is None else (input, target, weight)
        check(tuple(x for x in tensors if x.is_floating_point()))
        return self.run(self.rule.function, tensors, **params)


def check_targets(x: torch.Tensor, target: torch.Tensor, params: dict[str, Any]) -> None:
    """Raises Left for a target that is no class: torch has an error for it, and a function that is traced has none."""
    if "ignore_index" not in params or target.is_floating_point() or not target.numel() or x.ndim == 0:
        return
    theirs = target.masked_fill(target == params["ignore_index"], 0)
    low, high = (int(n) for n in torch.aminmax(theirs))
    if low < 0 or high >= x.shape[1 if x.ndim > 1 else 0]:
        raise Left("a target is no class")


class ModelLoss(Replacement):
    """The `loss_function` of a model of transformers, where it is the mean or the scaled sum of the cross entropies of
    all labels. shift: whether a place's label is the next one's."""

    kind = "loss"

    def __init__(self, module: Any, name: str, numerics: str | None, theirs: Any, shift: bool) -> None:
        super().__init__(module, name, numerics)
        self.theirs, self.shift = theirs, shift

    def original(self, *args: Any, **keywords: Any) -> Any:
        return self.theirs(*args, **keywords)

    def computed(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        vocab_size: int,
        num_items_in_batch: Any = None,
        ignore_index: int = -100,
        shift_labels: torch.Tensor | None = None,
        **keywords: Any,
    ) -> Any:
        logits = logits.float()
        if not self.shift:
            shift_labels = labels
        elif shift_labels is None:
            shift_labels = torch.nn.functional.pad(labels, (0, 1), value=ignore_index)[..., 1:]
        rows, target = logits.reshape(-1, vocab_size), shift_labels.reshape(-1).to(logits.device)
        params = {"ignore_index": ignore_index, "reduction": "mean" if num_items_in_batch is None else "sum"}
        check_targets(rows, target, params)
        loss = self.run(cross_entropy, (rows, target), **params)
        if num_items_in_batch is None:
            return loss
        if isinstance(num_items_in_batch, torch.Tensor):
            num_items_in_batch = num_items_in_batch.to(loss.device)
        return loss / num_items_in_batch


def model_loss(model: Any, name: str, numerics: str | None) -> ModelLoss | str | None:
    """The loss of a model of transformers by accel, where its own gives the same of a few numbers; else why not; None
    where its forward has no loss."""
    code = getattr(inspect.unwrap(type(model).forward), "__code__", None)
    if code is None or "loss_function" not in code.co_names:
        return None
    theirs = model.loss_function
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 5, 7, generator=generator)
    labels = torch.randint(0, 7, (2, 5), generator=generator)
    labels[0, 2] = labels[1, 4] = -100
    for shift in (True, False):
        its = ModelLoss(model, name, numerics, theirs, shift)
        if all(_same(its, theirs, logits, labels, count) for count in (None, 3)):
            return its
    return "its loss is not the cross entropy of labels"


def _same(its: ModelLoss, theirs: Any, logits: torch.Tensor, labels: torch.Tensor, count: int | None) -> bool:
    try:
        expected = theirs(logits, labels, vocab_size=logits.shape[-1], num_items_in_batch=count)
    except Exception:
        return False
    mine = its.computed(logits, labels, logits.shape[-1], count)
    return isinstance(expected, torch.Tensor) and torch.allclose(mine, expected, rtol=1e-5)
