"""Rules for torch.vmap: what an operator makes of a batch of its operands, where one call computes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch

from .library_operator import Kernels, Operator
from .library_schema import Signature

Tensor = torch.Tensor

Rule = Callable[[Operator, list[Any], tuple[int | None, ...]], list[Any] | None]
"""rule(operator, args, axes): the arguments of the one call, whose results have the batch as their first axis; None
where one call does not do. args: all of the schema's, in which the batch is the first axis of those tensors whose
entry in axes is 0, and None of those that all of the batch have."""

ELEMENTWISE = (
    "beta", "betaln", "celu", "copy", "elu", "frexp", "hardshrink", "hardtanh", "isclose", "lcm", "leaky_relu", "lerp",
    "nan_to_num", "relu6", "rrelu", "softcap", "softplus", "softshrink", "threshold",
)  # fmt: skip
"""Composed ops whose operands broadcast, and whose results have an element for each of the whole."""

LEADING = (
    "cholesky", "det", "inv", "matrix_norm", "pixel_shuffle", "pixel_unshuffle", "qr", "slogdet", "rotary_embedding",
)  # fmt: skip
"""Ops whose first operand may have axes before those that they know of."""

TRAILING = ("layer_norm", "linear", "rms_norm")
"""The same, of the first operand and of residual."""

PRODUCTS = ("matmul",)
"""Ops whose operands' axes before the last two broadcast."""

SAMPLES = {
    **{f"{kind}{n}d": n + 2 for kind in ("conv", "conv_transpose") for n in (1, 2, 3)},
    **{f"{kind}_pool{n}d": n + 2 for kind in ("avg", "max", "adaptive_avg", "adaptive_max") for n in (1, 2, 3)},
    "fold": 3,
    "unfold": 4,
}
"""Ops whose first operand has an axis of samples before the others, or not: its axes with that one."""

FLATTENED = ("roll",)
"""Ops along an axis that take the whole as one, where none is given."""


def rule_of(signature: Signature) -> Rule | None:
    """The rule of an operator; None where torch calls it for each of the batch."""
    spec = signature.spec
    if (spec.primitive == "pointwise" and spec.name != "astype") or spec.name in ELEMENTWISE:
        return _elementwise
    if spec.name in ("astype", *LEADING, *TRAILING):
        return _leading
    if spec.name in PRODUCTS:
        return _products
    if spec.name == "scaled_dot_product_attention":
        return _attention
    if spec.name in SAMPLES:
        return _samples
    names = [p.name for p in signature.parameters]
    tensors = [p for p in signature.parameters if p.type.startswith("Tensor")]
    if len(tensors) == 1 and ("axis" in names or "dim" in names):
        return _along
    return None


def batched(its: Operator, rule: Rule | None, in_dims: Sequence[Any], args: Sequence[Any]) -> tuple[Any, Any]:
    """The results of a batch, and their axes: what torch.vmap asks of an operator."""
    whole = [*args, *(p.default for p in its.signature.parameters[len(args) :])]
    axes = [None] * len(whole)
    for i, (x, axis) in enumerate(zip(args, in_dims, strict=True)):
        if isinstance(x, Tensor) and axis is not None:
            whole[i], axes[i] = x.movedim(axis, 0), 0
    found = None if rule is None else rule(its, list(whole), tuple(axes))
    if found is None:
        return looped(its, in_dims, args)
    results = its.overload(*found)
    if rule is _samples and len(whole[0].shape) > found[0].ndim:
        results = torch.utils._pytree.tree_map(lambda y: y.unflatten(0, whole[0].shape[:2]), results)
    return (results, 0) if isinstance(results, Tensor) else (results, (0,) * len(results))


def looped(its: Kernels, in_dims: Sequence[Any], args: Sequence[Any]) -> tuple[Any, Any]:
    """The same by a call for each of the batch."""
    (size,) = {n for x, axis in zip(args, in_dims, strict=True) for n in _lengths(x, axis)}
    every = [its.overload(*(_part(x, axis, i) for x, axis in zip(args, in_dims, strict=True))) for i in range(size)]
    if not every or isinstance(every[0], Tensor):
        return torch.stack(every), 0
    results = [torch.stack(parts) for parts in zip(*every, strict=True)]
    return (results, [0] * len(results)) if isinstance(every[0], list) else (tuple(results), (0,) * len(results))


def _lengths(x: Any, axis: Any) -> list[int]:
    if isinstance(axis, (list, tuple)):
        return [n for y, its in zip(x, axis, strict=True) for n in _lengths(y, its)]
    return [] if axis is None else [x.shape[axis]]


def _part(x: Any, axis: Any, i: int) -> Any:
    if isinstance(axis, (list, tuple)):
        return [_part(y, its, i) for y, its in zip(x, axis, strict=True)]
    return x if axis is None else x.select(axis, i)


def _ranks(args: Sequence[Any], axes: Sequence[int | None]) -> list[int]:
    """The number of axes of each tensor, the batch left out."""
    return [x.ndim - (axis is not None) for x, axis in zip(args, axes, strict=True) if isinstance(x, Tensor)]


def _widened(x: Tensor, axis: int | None, rank: int) -> Tensor:
    """A tensor with so many axes behind the batch, the new ones before its own."""
    if axis is None:
        return x
    return x.reshape(x.shape[0], *(1,) * (rank - x.ndim + 1), *x.shape[1:])


def _elementwise(its: Operator, args: list[Any], axes: tuple[int | None, ...]) -> list[Any]:
    rank = max(_ranks(args, axes))
    return [_widened(x, axis, rank) if isinstance(x, Tensor) else x for x, axis in zip(args, axes, strict=True)]


def _leading(its: Operator, args: list[Any], axes: tuple[int | None, ...]) -> list[Any] | None:
    if axes[0] is None:
        return None
    for i, p in enumerate(its.signature.parameters):
        if p.name == "residual" and axes[i] is None:
            args[i] = args[i].expand(args[0].shape)
        elif i and p.name != "residual" and axes[i] is not None:
            return None
    return args


def _products(its: Operator, args: list[Any], axes: tuple[int | None, ...]) -> list[Any] | None:
    return _elementwise(its, args, axes) if min(_ranks(args, axes)) >= 2 else None


def _attention(its: Operator, args: list[Any], axes: tuple[int | None, ...]) -> list[Any] | None:
    mask, others = args[3], args[4:]
    if any(isinstance(x, Tensor) for x in others):
        return None
    three = [x if axis is not None else x[None] for x, axis in zip(args[:3], axes, strict=False)]
    rank = max(x.ndim for x in three)
    if mask is not None:
        mask = _widened(mask, axes[3], rank - 1)
    size = next(x.shape[0] for x, axis in zip(args, axes, strict=True) if axis is not None)
    three[0] = three[0].expand(size, *three[0].shape[1:])
    return [*three, mask, *others]


def _samples(its: Operator, args: list[Any], axes: tuple[int | None, ...]) -> list[Any] | None:
    if axes[0] is None or any(axis is not None for axis in axes[1:]):
        return None
    rank = SAMPLES[its.signature.spec.name]
    if args[0].ndim == rank + 1:
        args[0] = args[0].flatten(0, 1)
    return args


def _along(its: Operator, args: list[Any], axes: tuple[int | None, ...]) -> list[Any] | None:
    """Axes counted from the front are one further on; none are all but the batch."""
    names = [p.name for p in its.signature.parameters]
    at = names.index("axis" if "axis" in names else "dim")
    axis, rank = args[at], args[0].ndim - 1
    if axis is None:
        if its.signature.spec.name in FLATTENED or not its.signature.parameters[at].type.startswith("int["):
            return None
        args[at] = list(range(1, rank + 1))
    elif isinstance(axis, (list, tuple)):
        args[at] = [a + 1 if a >= 0 else a for a in axis]
    else:
        if not rank:
            return None
        args[at] = axis + 1 if axis >= 0 else axis
    return args


@cache
def _helpers() -> tuple[Any, Any]:
    from torch._functorch.autograd_function import custom_function_call_vmap_helper
    from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter

    return custom_function_call_vmap_helper, retrieve_current_functorch_interpreter


def kernel(its: Kernels, function: Callable[..., Any]) -> Callable[..., Any]:
    """What torch's dispatcher calls of an operator under torch.vmap. function(info, in_dims, *args): as
    torch.library.register_vmap takes it."""

    def under_vmap(keyset: Any, *args: Any) -> Any:
        helper, interpreter = _helpers()
        return helper(interpreter(), function, its.overload, *args)

    return under_vmap
