"""`accel.torch.optimize`: accel's layers in the place of a model's own, and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import nn

from ...config import config
from ...errors import ArgumentError, shown
from . import huggingface, quantized
from .changes import Change, Frozen, make_all
from .multi_head import MultiHead
from .recognise import recognised
from .replacement import Replacement, forward_of
from .report import Left, Replaced, Report

NUMERICS = (None, "reproducible", "default", "fast")
WEIGHTS = (None, *quantized.BITS)


def optimize(
    model: torch.nn.Module, *, numerics: str | None = None, weights: Literal["int8", "int4"] | None = None
) -> Report:
    """Lets accel compute the layers of a model, in place, until ``undo()`` of what it returns, or the end of its
    context.

        report = accel.torch.optimize(model)
        print(report)
        ...
        report.undo()

    model: a torch.nn.Module. Its parameters, buffers, hooks and the names and classes of its modules stay as they are;
    only what forward calls is another.
    numerics: "reproducible", "default" or "fast" for all calls of the replaced modules; None: what accel.config says at
    the call.
    weights: "int8" or "int4": linear layers compute with codes of 8 or 4 bits in their weights' place
    (`accel.nn.quantize`: a scale for each output; of 4 bits a scale and a zero for each 64 inputs). The float weights
    stay, for the state_dict and for undo, and require no gradients until then.

    Raises ArgumentError, with nothing changed, for a model that is optimised already, and for wrong arguments.
    """
    _check(model, numerics, weights)
    plan = Plan(numerics, weights)
    plan.model(model)
    if any(its.kind == huggingface.Attention.kind for its in plan.replaced):
        huggingface.register()
    make_all(plan.changes)
    return Report(tuple(plan.replaced), tuple(plan.left), tuple(plan.changes))


FAST_PATHS = {
    nn.TransformerEncoderLayer.forward: ("activation_relu_or_gelu", 0),
    nn.TransformerEncoder.forward: ("use_nested_tensor", False),
}
"""By the forwards of torch.nn: the attribute that lets them pass their modules by, and the value that forbids it."""


def on_the_host() -> AbstractContextManager[Any]:
    """Settings for probes, in float64 too, whatever device computes later."""
    return config(device="cpu", backend=None, override=None)


class Plan:
    """What is to be changed in a model, before anything is. inner: modules whose parameters another one reads, that
    never calls them."""

    def __init__(self, numerics: str | None, weights: str | None) -> None:
        self.numerics, self.bits = numerics, None if weights is None else quantized.BITS[weights]
        self.changes: list[Change | Frozen] = []
        self.replaced: list[Replaced] = []
        self.left: list[Left] = []
        self.inner: set[int] = set()

    def model(self, model: nn.Module) -> None:
        """All modules of a model."""
        entries: dict[int, list[huggingface.Entry]] = defaultdict(list)
        with on_the_host():
            for entry in huggingface.changes(model, self.numerics):
                entries[id(entry.module)].append(entry)
        for name, module in model.named_modules():
            its = entries.get(id(module), ())
            for entry in its:
                self.add(name, module, entry.kind, entry.changes)
            if id(module) not in self.inner and all(entry.beside for entry in its):
                self.module(name, module)

    def add(self, name: str, module: nn.Module, kind: str, changes: Sequence[Change | Frozen] | str) -> None:
        """Changes that replace something of a module, or the reason why it is left."""
        if isinstance(changes, str):
            self.left.append(Left(name, type(module).__qualname__, changes))
            return
        self.changes += changes
        self.replaced.append(Replaced(name, type(module).__qualname__, kind))

    def module(self, name: str, module: nn.Module) -> None:
        """A module by what it computes."""
        if (path := FAST_PATHS.get(forward_of(module))) is not None:
            self.changes.append(Change(module, *path, name))
        with on_the_host():
            found = recognised(module)
        if isinstance(found, str):
            if not any(True for _ in module.children()) or module._parameters:  # others only call their modules
                self.add(name, module, "", found)
            return
        make, rule = found
        its, more = make(module, name, self.numerics, rule), []
        if make is MultiHead:
            self.inner.add(id(module.out_proj))
        if self.bits is not None and rule.kind in ("linear", "attention"):
            why = quantized.unfit(module, rule, self.bits)
            if why is None:
                its = quantized.QuantizedLinear(module, name, self.numerics, rule, self.bits)
                its.packed()  # what it raises is raised before anything is changed
                more.append(Frozen(module.weight, f"{name}.weight"))
            else:
                self.left.append(Left(name, type(module).__qualname__, why))
        self.add(name, module, its.kind, [Change(module, "forward", its, name), *more])


def _check(model: Any, numerics: Any, weights: Any) -> None:
    if not isinstance(model, torch.nn.Module):
        raise ArgumentError(f"optimize: model: expected a torch.nn.Module, got {shown(model)}")
    if numerics not in NUMERICS:
        raise ArgumentError(f"optimize: numerics: expected one of {NUMERICS}, got {shown(numerics)}")
    if weights not in WEIGHTS:
        raise ArgumentError(f"optimize: weights: expected one of {WEIGHTS}, got {shown(weights)}")
    for name, module in model.named_modules():
        its = vars(module)
        if isinstance(its.get("forward"), Replacement) or huggingface.KEY in its:
            raise ArgumentError(f"optimize: model: {name or 'the model'} is optimised already; undo that first")
