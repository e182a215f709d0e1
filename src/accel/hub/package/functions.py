"""Functions of tensors of float32, float16 or bfloat16, without derivatives."""

import torch

from .launch import elements, rows


def softmax(x: torch.Tensor) -> torch.Tensor:
    """exp(x - max(x)) / sum(exp(x - max(x))) along the last axis."""
    return rows("softmax", x)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """x / sqrt(mean(x * x) + eps) * weight along the last axis. weight: a vector of x's dtype."""
    return rows("rms_norm", x, (weight,), eps)


def layer_norm(
    x: torch.Tensor, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None, eps: float = 1e-5
) -> torch.Tensor:
    """(x - mean(x)) / sqrt(variance(x) + eps) * weight + bias along the last axis. weight, bias: vectors of x's dtype,
    a bias only beside a weight."""
    if weight is None and bias is not None:
        raise ValueError("layer_norm: bias: expected none without a weight")
    given = tuple(w for w in (weight, bias) if w is not None)
    return rows(("layer_norm", "layer_norm_scaled", "layer_norm_shifted")[len(given)], x, given, eps)


def silu(x: torch.Tensor) -> torch.Tensor:
    """x / (1 + exp(-x))."""
    return elements("silu", x.contiguous().view(1, -1)).view(x.shape)


def gelu(x: torch.Tensor, approximate: str = "none") -> torch.Tensor:
    """x times the normal distribution function at x. approximate: "none", or "tanh" for torch's formula with it."""
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    if approximate not in names:
        raise ValueError(f"gelu: approximate: expected 'none' or 'tanh', got {approximate!r}")
    return elements(names[approximate], x.contiguous().view(1, -1)).view(x.shape)


def silu_and_mul(x: torch.Tensor) -> torch.Tensor:
    """silu(a) * b, a and b being the halves of the last axis; 16-bit results are rounded once."""
    if x.ndim == 0 or x.shape[-1] % 2:
        raise ValueError(f"silu_and_mul: x: expected a last axis of even length, got shape {tuple(x.shape)}")
    half = x.shape[-1] // 2
    both = x.contiguous().view(-1, 2 * half) if x.numel() else x.new_empty(0, 2 * half)
    return elements("silu_and_mul", both[:, :half], both[:, half:]).view(*x.shape[:-1], half)
