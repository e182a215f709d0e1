"""Layers that `kernels.kernelize` puts in the place of a model's: each has forward alone, and reads the weights of the
module whose forward it becomes. None has a derivative."""

import torch
from torch import nn

from . import functions


class RMSNorm(nn.Module):
    """transformers' RMS norm: of `weight` and `variance_epsilon`. 16-bit results are rounded once."""

    has_backward = False
    can_torch_compile = False

    weight: torch.Tensor
    variance_epsilon: float

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return functions.rms_norm(hidden_states, self.weight, self.variance_epsilon)


class LayerNorm(nn.Module):
    """torch.nn.LayerNorm."""

    has_backward = False
    can_torch_compile = False

    normalized_shape: tuple[int, ...]
    weight: torch.Tensor | None
    bias: torch.Tensor | None
    eps: float

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        x = input.flatten(-len(self.normalized_shape))
        weight, bias = (None if w is None else w.flatten() for w in (self.weight, self.bias))
        return functions.layer_norm(x, weight, bias, self.eps).view(input.shape)


class SiLU(nn.Module):
    """torch.nn.SiLU."""

    has_backward = False
    can_torch_compile = False

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return functions.silu(input)


class GELU(nn.Module):
    """torch.nn.GELU without approximation."""

    has_backward = False
    can_torch_compile = False

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return functions.gelu(input)


class GELUTanh(nn.Module):
    """torch.nn.GELU(approximate="tanh")."""

    has_backward = False
    can_torch_compile = False

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return functions.gelu(input, approximate="tanh")


class SiluAndMul(nn.Module):
    """silu of the first half of the last axis, times the second half."""

    has_backward = False
    can_torch_compile = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functions.silu_and_mul(x)
