"""Operands and keywords that composed functions are timed with: shapes and values that they are for."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Any

from .case import Operand

Arguments = tuple[list[Operand], dict[str, Any]]

GROUPS = 32
"""Of group_norm, or fewer where they do not divide the channels."""

ALONG = {"axis": -1}


def _elements(*values: str, **given: Any) -> Callable[[tuple[int, ...], str], Arguments]:
    """Operands of the case's shape, of which each has values."""
    return lambda shape, dtype: ([Operand(shape, dtype, values=each) for each in values], given)


def _layer_norm(shape: tuple[int, ...], dtype: str) -> Arguments:
    return [Operand(s, dtype) for s in (shape, shape[-1:], shape[-1:])], {"normalized_shape": shape[-1:]}


def _rms_norm(shape: tuple[int, ...], dtype: str) -> Arguments:
    return [Operand(s, dtype) for s in (shape, shape[-1:])], {"normalized_shape": shape[-1:]}


def _group_norm(shape: tuple[int, ...], dtype: str) -> Arguments:
    channels = shape[:1]
    return [Operand(s, dtype) for s in ((1, *shape), channels, channels)], {"num_groups": gcd(GROUPS, shape[0])}


def _of_batch(shape: tuple[int, ...], dtype: str) -> Arguments:
    values = ("normal", "normal", "positive", "normal", "normal")
    return [Operand(shape if i == 0 else shape[1:2], dtype, values=each) for i, each in enumerate(values)], {}


def _of_instance(shape: tuple[int, ...], dtype: str) -> Arguments:
    return [Operand((1, *shape), dtype)], {}


def _prelu(shape: tuple[int, ...], dtype: str) -> Arguments:
    return [Operand(shape, dtype), Operand(shape[1:2], dtype)], {}


def _of_classes(shape: tuple[int, ...], dtype: str) -> Arguments:
    return [Operand(shape, dtype), Operand(shape[:1], "int64", values=f"below-{shape[1]}")], {}


OPERANDS: dict[str, Callable[[tuple[int, ...], str], Arguments]] = {
    **dict.fromkeys(
        ("elu", "celu", "leaky_relu", "rrelu", "hardtanh", "relu6", "softplus", "softshrink", "hardshrink"),
        _elements("normal"),
    ),
    "threshold": _elements("normal", threshold=0.25, value=-1.0),
    "softcap": _elements("normal", cap=2.0),
    "prelu": _prelu,
    "roll": _elements("normal", shift=7, **ALONG),
    "pad": _elements("normal", pad_width=(1, 3)),
    **dict.fromkeys(("swiglu", "geglu", "reglu"), _elements("normal", "normal")),
    **dict.fromkeys(
        ("glu", "softmin", "var", "std", "var_mean", "vector_norm", "normalize"), _elements("normal", **ALONG)
    ),
    "cosine_similarity": _elements("normal", "normal", **ALONG),
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "batch_norm_inference": _of_batch,
    "batch_norm_training": _elements("normal"),
    "instance_norm_training": _of_instance,
    **dict.fromkeys(("cross_entropy", "nll_loss"), _of_classes),
    **dict.fromkeys(
        ("soft_margin_loss", "hinge_embedding_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"),
        _elements("normal", "small-integers"),
    ),
    "kl_div": _elements("normal", "share"),
    "binary_cross_entropy": _elements("share", "share"),
    "binary_cross_entropy_with_logits": _elements("normal", "share"),
    "margin_ranking_loss": _elements("normal", "normal", "small-integers"),
    "poisson_nll_loss": _elements("normal", "positive"),
    "gaussian_nll_loss": _elements("normal", "normal", "positive"),
}
"""By the op's name: makes operands and keywords of a shape of two axes and a dtype."""

BY_ELEMENT = (
    "elu", "celu", "leaky_relu", "rrelu", "hardtanh", "relu6", "softplus", "softshrink", "hardshrink", "threshold",
    "softcap", "swiglu", "geglu", "reglu",
)  # fmt: skip
"""Those of which an element of the result follows from an element of each operand."""

BY_ROW = (
    "glu", "softmin", "var", "std", "var_mean", "vector_norm", "normalize", "cosine_similarity", "layer_norm",
    "rms_norm",
)  # fmt: skip
"""Those of which a row of the result follows from a row of each operand of the first one's shape, where it is the last
axis that they go along."""
