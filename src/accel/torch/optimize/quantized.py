"""Linear layers whose weights are codes of 8 or 4 bits."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.utils import parametrize

from accel import nn

from ...devices import default_device
from ...holder import HOLDERS
from ...interop.torch import from_array
from .layers import Layer, Rule, only, transposed_linear

BITS = {"int8": 8, "int4": 4}

HOLDER = HOLDERS[nn.PackedWeight]


class QuantizedLinear(Layer):
    """A linear layer with a packed weight, made of the module's, and made anew where that was written to since.

    Codes have no gradients: inputs and biases do, the weight requires none while it is replaced.
    """

    kind: str

    def __init__(self, module: torch.nn.Module, name: str, numerics: str | None, rule: Rule, bits: int) -> None:
        super().__init__(module, name, numerics, rule._replace(kind=f"linear int{bits}"))
        self.bits = bits
        self.made: tuple[Any, nn.PackedWeight] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "made": None}

    def packed(self) -> nn.PackedWeight:
        """The weight as it is now, on the device that computes."""
        weight = self.module.weight.detach()
        version = None if weight.is_inference() else weight._version
        key = (weight.data_ptr(), version, str(default_device()))
        if self.made is None or self.made[0] != key:
            weight = weight.T if self.rule.function is transposed_linear else weight
            group = group_of(weight.shape[1], self.bits)
            its = nn.PackedWeight.quantized(weight, bits=self.bits, group=group, symmetric=self.bits == 8)
            self.made = key, its
        return self.made[1]

    def computed(self, *args: Any, **keywords: Any) -> Any:
        x, weight, bias = only(args, keywords), self.packed(), self.module.bias
        tensors = (x,) if bias is None else (x, bias)
        if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
            compared, arrays = HOLDER.apart(weight)
            held = [from_array(array, x) for array in arrays]
            return self.run(quantized_linear, (*tensors, *held), compared=compared, biased=bias is not None)
        return self.run(linear, tensors, weight=weight)


def linear(x: Any, bias: Any = None, *, weight: nn.PackedWeight) -> Any:
    return nn.linear(x, weight, bias)


def quantized_linear(x: Any, *more: Any, compared: Any, biased: bool) -> Any:
    weight = HOLDER.together(compared, more[biased:])
    return nn.linear(x, weight, more[0] if biased else None)


def group_of(k: int, bits: int) -> int | None:
    """The inputs of an output's weight that share a scale: all for 8 bits; for 4 bits 64, 32 or, where k is a multiple
    of neither, all."""
    return next((group for group in (64, 32) if k % group == 0), None) if bits == 4 else None


def unfit(module: Any, rule: Rule, bits: int) -> str | None:
    """Why the weight of a linear layer stays as it is; None where it can be codes."""
    if rule.kind != "linear":
        return "its weights stay float: they are not those of linear layers"
    if parametrize.is_parametrized(module, "weight"):
        return "its weight stays float: it is parametrised"
    weight = module._parameters.get("weight")
    if weight is None:
        return "its weight stays float: it is no parameter"
    if weight.dtype is torch.float64:
        return "its weight stays float: codes stand for float32"
    if bits == 4 and weight.shape[0 if rule.function is transposed_linear else 1] % 2:
        return "its weight stays float: 4 bits need an even number of inputs"
    return None
