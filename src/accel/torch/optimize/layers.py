"""Layers by accel: functions of tensors, and the modules' forwards that call them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from accel import nn

from .replacement import FLOATING, Left, Replacement

# Functions of torch tensors and of accel's arrays alike: both have what is used of them, `.T` and `+`.


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return nn.linear(x, weight, bias)


def transposed_linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return nn.linear(x, weight.T, bias)


def rms_norm(x: Any, weight: Any = None, *, axes: int, eps: float | None, plus_one: bool = False) -> Any:
    return nn.rms_norm(x, tuple(x.shape[-axes:]), weight + 1.0 if plus_one else weight, eps)


def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, axes: int, eps: float) -> Any:
    return nn.layer_norm(x, tuple(x.shape[-axes:]), weight, bias, eps)


def group_norm(x: Any, weight: Any = None, bias: Any = None, *, groups: int, eps: float) -> Any:
    return nn.group_norm(x, groups, weight, bias, eps)


def convolution(x: Any, weight: Any, bias: Any = None, *, axes: int, **params: Any) -> Any:
    return CONVOLUTIONS[axes](x, weight, bias, **params)


CONVOLUTIONS = {1: nn.conv1d, 2: nn.conv2d, 3: nn.conv3d}


def batch_norm(x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, *, eps: float) -> Any:
    return nn.batch_norm_inference(x, mean, var, weight, bias, eps)


def batch_norm_training(x: Any, *more: Any, running: bool, momentum: float, eps: float) -> Any:
    mean, var = more[:2] if running else (None, None)
    return nn.batch_norm_training(x, mean, var, *more[2 * running :], momentum=momentum, eps=eps)


def quick_gelu(x: Any) -> Any:
    return x * nn.sigmoid(x * 1.702)


def relu_squared(x: Any) -> Any:
    y = nn.relu(x)
    return y * y


def activation(x: Any, *, function: str) -> Any:
    its = ACTIVATIONS[function]
    return its(x)


def prelu(x: Any, weight: Any) -> Any:
    return nn.prelu(x, weight)


ACTIVATIONS = {
    **{name: getattr(nn, name) for name in (
        "relu", "silu", "gelu", "gelu_tanh", "sigmoid", "tanh", "relu6", "elu", "selu", "hardswish",
        "hardsigmoid", "hardtanh", "softplus", "softsign", "mish", "logsigmoid", "tanhshrink", "leaky_relu",
    )},
    "quick_gelu": quick_gelu,
    "relu_squared": relu_squared,
}  # fmt: skip
"""Functions of one argument, at their defaults, that are recognised by what they compute."""


def check(tensors: tuple[torch.Tensor, ...]) -> None:
    """Raises Left where tensors are not of one floating dtype: torch has rules of its own for these."""
    dtype = tensors[0].dtype
    if dtype not in FLOATING:
        raise Left(f"{dtype} is computed by torch")
    for x in tensors:
        if x.dtype is not dtype:
            raise Left(f"operands of {dtype} and {x.dtype}")


class Rule(NamedTuple):
    """What a module computes: function(x, *parameters, **params). kind: in reports. parameters: the names of the
    module's tensors, of which those that are None, at the end, are left out."""

    kind: str
    function: Any
    parameters: tuple[str, ...] = ()
    params: tuple[tuple[str, Any], ...] = ()


class Layer(Replacement):
    """A function of one tensor and the module's own, which are looked up at each call."""

    def __init__(self, module: torch.nn.Module, name: str, numerics: str | None, rule: Rule) -> None:
        super().__init__(module, name, numerics)
        self.rule, self.kind = rule, rule.kind

    def computed(self, *args: Any, **keywords: Any) -> Any:
        x = only(args, keywords)
        module, rule = self.module, self.rule
        tensors = [x]
        for name in rule.parameters:
            its = getattr(module, name)
            if its is not None:
                tensors.append(its)
        check(tensors)
        return self.run(rule.function, tuple(tensors), **dict(rule.params))


def only(args: tuple[Any, ...], keywords: dict[str, Any]) -> torch.Tensor:
    """The one tensor of a call. Raises Left."""
    given = args if not keywords else (*args, *keywords.values())
    if len(given) != 1 or not isinstance(given[0], torch.Tensor):
        raise Left(f"a call with {len(given)} arguments, or with one that is no tensor")
    return given[0]


class BatchNorm(Layer):
    """A batch norm, which in training writes to the module's running statistics as torch's does."""

    def computed(self, *args: Any, **keywords: Any) -> Any:
        x, module = only(args, keywords), self.module
        module._check_input_dim(x)
        running = module.running_mean is not None
        if not module.training and running:
            return super().computed(*args, **keywords)
        if running and module.momentum is None:
            raise Left("its momentum is another at each call")
        running = running and module.training and module.track_running_stats
        kept = (module.running_mean, module.running_var) if running else ()
        affine = () if module.weight is None else (module.weight, module.bias)
        tensors = (x, *(its.clone() for its in kept), *affine)  # autograd keeps them, and they are written to below
        check(tensors)
        momentum = module.momentum if running else 0.0
        result = self.run(batch_norm_training, tensors, running=running, momentum=momentum, eps=module.eps)
        if not running:
            return result
        y, *new = result
        with torch.no_grad():
            for its, value in zip(kept, new, strict=True):
                its.copy_(value)
            if module.num_batches_tracked is not None:
                module.num_batches_tracked.add_(1)
        return y


class Embedding(Layer):
    """Rows of a table. An index that is no row's raises IndexError, as in torch."""

    def computed(self, *args: Any, **keywords: Any) -> Any:
        index, weight = only(args, keywords), self.module.weight
        if weight.dtype not in FLOATING:
            raise Left(f"{weight.dtype} is computed by torch")
        if torch.is_grad_enabled() and weight.requires_grad and index.numel():  # no fused function looks at elements
            low, high = torch.aminmax(index.detach())
            if low < 0 or high >= len(weight):
                raise IndexError(f"{self.name}: an index from {int(low)} to {int(high)} of {len(weight)} rows")
        return self.run(embedding, (index, weight), **dict(self.rule.params))


def embedding(index: Any, weight: Any, *, padding_idx: int | None) -> Any:
    return nn.embedding(index, weight, padding_idx)
