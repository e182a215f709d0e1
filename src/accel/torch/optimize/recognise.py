"""What a module computes: by the forward that its class has, where that is torch.nn's own, else by probing it.

A class's name, its library and its version say nothing here. A module of torch.nn, or of a subclass that keeps its
forward, is known by that function. Any other module without modules of its own, with at most a weight and a bias, is
run on a few numbers in float64, and is what one of accel's functions gives of the same numbers with the module's own
parameters: a norm for one eps among the numbers that the module has, a product, an activation. What is not matched by
exactly one function stays torch's.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from .layers import (
    ACTIVATIONS,
    BatchNorm,
    Embedding,
    Layer,
    Rule,
    activation,
    batch_norm,
    convolution,
    embedding,
    group_norm,
    layer_norm,
    linear,
    prelu,
    rms_norm,
    transposed_linear,
)
from .losses import LOSSES, Loss
from .multi_head import MultiHead
from .replacement import FLOATING, Replacement, forward_of

TOLERANCE = 1e-6
"""Relative, of probes in float64: modules may compute in float32 inside, and functions that are told apart differ by
more."""

PROBES = 3
"""Rows of a probe of a norm."""

Found = tuple[type[Replacement], Rule] | str
"""What stands in a module's place, or why nothing does."""


PLAIN = (torch.Tensor, nn.Parameter, getattr(nn, "Buffer", nn.Parameter))


def recognised(module: nn.Module) -> Found:
    """The rule of what a module computes, or the reason why it stays torch's."""
    why = unfit(module)
    if why is not None:
        return why
    its = known(module)
    return probed(module) if its is None else its


def unfit(module: nn.Module) -> str | None:
    """Why accel computes nothing with a module's parameters, whatever it computes."""
    if isinstance(module, torch.jit.ScriptModule):
        return "it is compiled by TorchScript"
    if "forward" in vars(module):
        return "its forward was set on the module itself"
    for name, x in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
        if is_lazy(x):
            return f"its {name} is made at the first call"
        if type(x) not in PLAIN:
            return f"its {name} is a {type(x).__qualname__}"
        if x.is_meta:
            return f"its {name} is on the meta device"
        if x.device.type not in ("cpu", "cuda"):
            return f"its {name} is on {x.device}"
        if x.layout is not torch.strided or x.is_quantized:
            return f"its {name} is {'quantised' if x.is_quantized else f'a tensor with layout {x.layout}'}"
        if name in ("weight", "bias") and x.dtype not in FLOATING:
            return f"its {name} is of {x.dtype}"
    return None


def known(module: nn.Module) -> Found | None:
    """What a module is by its class's forward, where that is one of torch.nn; None where it is another."""
    entry = KNOWN.get(forward_of(module))
    return None if entry is None else entry(module)


def _linear(module: Any) -> Found:
    return Layer, Rule("linear", linear, ("weight", "bias"))


def _layer_norm(module: Any) -> Found:
    params = (("axes", len(module.normalized_shape)), ("eps", module.eps))
    return Layer, Rule("norm", layer_norm, ("weight", "bias"), params)


def _rms_norm(module: Any) -> Found:
    params = (("axes", len(module.normalized_shape)), ("eps", module.eps))
    return Layer, Rule("norm", rms_norm, ("weight",), params)


def _group_norm(module: Any) -> Found:
    params = (("groups", module.num_groups), ("eps", module.eps))
    return Layer, Rule("norm", group_norm, ("weight", "bias"), params)


def _batch_norm(module: Any) -> Found:
    names = ("running_mean", "running_var", "weight", "bias")
    return BatchNorm, Rule("norm", batch_norm, names, (("eps", module.eps),))


def _convolution(module: Any) -> Found:
    if module.padding_mode != "zeros":
        return f"padding_mode is {module.padding_mode!r}"
    names = ("stride", "padding", "dilation", "groups")
    params = (("axes", len(module.kernel_size)), *((name, getattr(module, name)) for name in names))
    return Layer, Rule("convolution", convolution, ("weight", "bias"), params)


def _multi_head(module: Any) -> Found:
    return MultiHead, Rule("attention", None)


def _loss(module: Any) -> Found:
    function, names = LOSSES[type(module).forward]
    if getattr(module, "reduction", "mean") not in ("none", "mean", "sum", "batchmean"):
        return f"its reduction is {module.reduction!r}"
    return Loss, Rule("loss", function, (), tuple((name, getattr(module, name)) for name in names))


def _embedding(module: Any) -> Found:
    if module.max_norm is not None:
        return "max_norm writes into the weight"
    if module.sparse:
        return "its gradient is sparse"
    if module.scale_grad_by_freq:
        return "its gradient is scaled by frequencies"
    return Embedding, Rule("embedding", embedding, (), (("padding_idx", module.padding_idx),))


KNOWN: dict[Any, Callable[[Any], Found]] = {
    nn.Linear.forward: _linear,
    nn.LayerNorm.forward: _layer_norm,
    nn.RMSNorm.forward: _rms_norm,
    nn.GroupNorm.forward: _group_norm,
    nn.Embedding.forward: _embedding,
    nn.BatchNorm2d.forward: _batch_norm,  # one for all numbers of axes
    nn.Conv1d.forward: _convolution,
    nn.Conv2d.forward: _convolution,
    nn.Conv3d.forward: _convolution,
    nn.PReLU.forward: lambda module: (Layer, Rule("activation", prelu, ("weight",))),
    nn.MultiheadAttention.forward: _multi_head,
    **dict.fromkeys(LOSSES, _loss),
    nn.Identity.forward: lambda module: "it computes nothing",
    nn.Dropout.forward: lambda module: "random numbers are torch's",
}


def probed(module: nn.Module) -> Found:
    """What a module is by what it computes of a few numbers."""
    parameters = dict(module.named_parameters(recurse=False))
    buffers = [name for name, _ in module.named_buffers(recurse=False)]
    if any(True for _ in module.children()):
        return "what it computes besides its modules"
    if buffers or not set(parameters) <= {"weight", "bias"}:
        return f"not recognised: it has {', '.join((*parameters, *buffers))}"
    if not takes_one(module):
        return "not recognised: its forward takes more than one argument"
    if getattr(module, "inplace", False):
        return "it writes into its argument"
    weight = parameters.get("weight")
    if weight is not None and weight.ndim == 2:
        found = list(products(module, parameters))
    elif weight is not None and weight.ndim == 1:
        found = list(norms(module, parameters))
    elif not parameters:
        found = [*activations(module), *norms(module, parameters)]
    else:
        found = []
    if len(found) > 1:
        return f"not recognised: what it computes is like {' and like '.join(str(rule.params) for rule in found)}"
    return (Layer, found[0]) if found else "not recognised by what it computes"


def takes_one(module: nn.Module) -> bool:
    """Whether a forward can be called with one tensor, by position."""
    try:
        inspect.signature(type(module).forward).bind(module, None)
    except (TypeError, ValueError):
        return False
    return True


def answer(module: nn.Module, parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor | None:
    """What a module computes of a tensor with other parameters; None where it raises or gives anything else. Hooks do
    not run, and the module is left as it is."""
    twin = copy.copy(module)
    twin.__dict__["_parameters"] = parameters
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            y = type(twin).forward(twin, x.clone())
        except Exception:
            return None
    return y if isinstance(y, torch.Tensor) and y.shape[:-1] == x.shape[:-1] else None


def agrees(y: torch.Tensor | None, expected: torch.Tensor, bound: torch.Tensor | float) -> bool:
    return y is not None and y.shape == expected.shape and bool(((y - expected).abs() <= bound).all())


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def products(module: nn.Module, parameters: dict[str, Any]) -> Iterator[Rule]:
    """x @ weight.T or x @ weight, with the module's own weights, of which a copy may be large."""
    weight, bias = parameters["weight"], parameters.get("bias")
    for function, w in ((linear, weight.T), (transposed_linear, weight)):
        x = drawn(2, len(w)).to(weight)
        with torch.no_grad():
            size = x.double().abs() @ w.double().abs()
            expected = x.double() @ w.double()
            if bias is not None:
                if bias.shape != expected.shape[-1:]:
                    continue
                size, expected = size + bias.abs(), expected + bias
            bound = 2 * (len(w) + 1) * torch.finfo(weight.dtype).eps * size
            if agrees(answer(module, parameters, x), expected, bound):
                yield Rule("linear", function, ("weight", "bias"))


def norms(module: nn.Module, parameters: dict[str, Any]) -> Iterator[Rule]:
    """Norms of the last axis, with an eps among the module's numbers, of numbers of ordinary size and of eps's."""
    n = len(parameters["weight"]) if parameters else 24
    theirs = {name: drawn(n) + i for i, name in enumerate(parameters)}
    names = tuple(parameters)
    for eps in dict.fromkeys(v for v in vars(module).values() if type(v) is float and 0 < v < 0.1):
        x = torch.cat([drawn(PROBES, n) * 3 + 1, (drawn(PROBES, n) + 0.5) * eps**0.5])
        y = answer(module, theirs, x)
        if y is None:
            return
        for function, params in (
            (rms_norm, (("axes", 1), ("eps", eps))),
            (rms_norm, (("axes", 1), ("eps", eps), ("plus_one", True))),
            (layer_norm, (("axes", 1), ("eps", eps))),
        ):
            if function is rms_norm and ("bias" in names or (("plus_one", True) in params and not names)):
                continue
            expected = function(x, *(theirs[name] for name in ("weight", "bias") if name in theirs), **dict(params))
            if agrees(y, expected, TOLERANCE * (1 + expected.abs())):
                yield Rule("norm", function, tuple(name for name in ("weight", "bias") if name in names), params)


def activations(module: nn.Module) -> Iterator[Rule]:
    """Functions of one number, between -8 and 8 and at some larger ones."""
    x = torch.cat([torch.linspace(-8, 8, 129, dtype=torch.float64), torch.tensor([-100.0, -25.0, 25.0, 100.0])])[None]
    y = answer(module, {}, x)
    if y is None:
        return
    for name in ACTIVATIONS:
        expected = activation(x, function=name)
        if agrees(y, expected, TOLERANCE * (1 + expected.abs())):
            yield Rule("activation", activation, (), (("function", name),))
