"""`accel.torch.optimize`: accel's layers in the place of a model's own, and back."""

from __future__ import annotations

from typing import Any, Literal

import torch

from ...errors import ArgumentError, shown
from . import huggingface, quantized
from .changes import Change, Frozen, make_all
from .recognise import recognised
from .replacement import Replacement
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
    changes: list[Change | Frozen] = []
    replaced: list[Replaced] = []
    left: list[Left] = []
    frozen: list[Frozen] = []
    special: dict[int, list[huggingface.Entry]] = {}
    for entry in huggingface.changes(model, numerics):
        special.setdefault(id(entry[1]), []).append(entry)
    for name, module in model.named_modules():
        kind = type(module).__qualname__
        for _, _, what, its in special.get(id(module), ()):
            if isinstance(its, str):
                left.append(Left(name, kind, its))
            else:
                changes += its
                replaced.append(Replaced(name, kind, what))
        if any(entry[2] != "loss" for entry in special.get(id(module), ())):
            continue
        found = recognised(module)
        if isinstance(found, str):
            if not any(True for _ in module.children()) or module._parameters:  # the others only call their own
                left.append(Left(name, kind, found))
            continue
        make, rule = found
        its = make(module, name, numerics, rule)
        if weights is not None and rule.kind == "linear":
            bits = quantized.BITS[weights]
            why = quantized.unfit(module, rule, bits)
            if why is None:
                its = quantized.QuantizedLinear(module, name, numerics, rule, bits)
                its.packed()
                frozen.append(Frozen(module.weight, f"{name}.weight"))
            else:
                left.append(Left(name, kind, why))
        changes.append(Change(module, "forward", its, name))
        replaced.append(Replaced(name, kind, its.kind))
    if any(its.kind == huggingface.Attention.kind for its in replaced):
        huggingface.register()
    changes += frozen
    make_all(changes)
    return Report(tuple(replaced), tuple(left), tuple(changes))


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
