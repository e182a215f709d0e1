"""Functions of accel calls that torch's autograd records: both passes are compiled by accel."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..array import Array
from ..autodiff import Pulled
from ..cache import Cache
from ..errors import ArgumentError, UnsupportedError, shown
from ..fuse import ENDLESS, Leaf, fuse, named, put_together, taken_apart


def function(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function, for torch tensors, recorded by torch's autograd.

        @accel.torch.function
        def gated(x, w):
            return accel.nn.silu(x @ w) * x

        gated(x, w).sum().backward()

    f: of accel calls, with the rules of `accel.fuse`: tensors in arguments, tuples, lists and dicts, NumPy arrays
    beside them, and other arguments that are hashable, each new value of which is compiled anew. Forward runs the fused
    function; backward runs accel's derivative of it (`accel.vjp`) by the tensors that require gradients, and computes
    what it needs of the forward pass again. Both have accel's bits, and share the tensors' memory without a copy.
    Results share no memory with arguments.

    Raises ArgumentError where f cannot be traced, where no argument is a tensor, or where an op on the way has no
    derivative; UnsupportedError where a gradient of the gradient is asked for.
    """
    if not callable(f):
        raise ArgumentError(f"function: f: expected a callable, got {shown(f)}")
    return functools.update_wrapper(Recorded(f), f, updated=())


class Recorded:
    """What `function` makes of a function. Each structure of its arguments is two fused functions."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self._function = f
        self._name = getattr(f, "__name__", type(f).__name__)
        self._passes: Cache[Any, Passes] = Cache(256)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        found: list[Leaf] = []
        try:
            structure = taken_apart((args, keywords), self._name, None, found)
        except RecursionError:
            raise ArgumentError(f"{self._name}: {ENDLESS.format('an argument')}") from None
        tensors = [self._tensor(leaf) for leaf in found]
        if not any(isinstance(x, torch.Tensor) for _, x in found):
            raise ArgumentError(f"{self._name}: expected at least one torch tensor among the arguments")
        its = self._passes.find(structure)
        if its is None:
            its = Passes(self._function, structure, self._name)
            self._passes.keep(structure, its)
        return recorded(its, *tensors)

    def _tensor(self, leaf: Leaf) -> torch.Tensor:
        place, x = leaf
        if isinstance(x, torch.Tensor):
            return x
        if isinstance(x, np.ndarray):
            return torch.from_numpy(x)
        hint = "; torch.from_dlpack(x) makes a tensor of it" if isinstance(x, Array) else ""
        raise ArgumentError(
            f"{self._name}: {named(place)}: expected a torch tensor or a NumPy array, got {shown(x)}{hint}"
        )

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


class Passes:
    """The forward and the backward pass of a function, for arguments of one structure.

    forward: of all arrays of the arguments. backward: of these as a tuple, of which of them a cotangent is wanted, and
    of the results' cotangents, None for nothing.
    """

    def __init__(self, f: Callable[..., Any], structure: Any, name: str) -> None:
        def forward(*arrays: Array) -> Any:
            args, keywords = put_together(structure, iter(arrays))
            return f(*args, **keywords)

        def backward(arrays: tuple[Array, ...], wanted: tuple[bool, ...], cotangents: tuple[Any, ...]) -> Any:
            args, keywords = put_together(structure, iter(arrays))
            pulled = Pulled(f, args, keywords)
            back = pulled.back(cotangents)
            return tuple(back[id(x)] for x, its in zip(arrays, wanted, strict=True) if its)

        self.name = forward.__name__ = backward.__name__ = name
        self.forward, self.backward = fuse(forward), fuse(backward)


def recorded(its: Any, *tensors: torch.Tensor) -> Any:
    """What the forward pass gives of tensors, recorded by autograd. its: `Passes`, or what has the same three."""
    results = _Call.apply(its, *map(_without_gaps, tensors))
    return put_together(results[-1], iter(results[:-1]))


def _without_gaps(x: torch.Tensor) -> torch.Tensor:
    """The tensor, copied where its elements leave gaps in memory: a view of such a one has no cotangent."""
    if x.is_contiguous() or sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True)) < x.numel():
        return x
    return x.contiguous()


class _Call(torch.autograd.Function):
    """One call: the results' tensors, and last their structure."""

    @staticmethod
    def forward(ctx: Any, its: Passes, *tensors: torch.Tensor) -> tuple[Any, ...]:
        found: list[Leaf] = []
        structure = taken_apart(its.forward(*tensors), "", (None, "the result"), found)
        results = _apart([x for _, x in found], tensors)
        ctx.its = its
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.mark_non_differentiable(*[x for x in results if not (x.is_floating_point() or x.is_complex())])
        return *results, structure

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> tuple[Any, ...]:
        wanted = ctx.needs_input_grad[1:]
        given = cotangents[:-1]
        if all(g is None for g in given):
            return (None,) * (1 + len(wanted))
        found = iter(_Backward.apply(ctx.its, wanted, len(given), *given, *ctx.saved_tensors))
        return None, *[next(found) if its else None for its in wanted]


class _Backward(torch.autograd.Function):
    """The backward pass, recorded under create_graph only to say that it cannot be derived."""

    @staticmethod
    def forward(ctx: Any, its: Passes, wanted: tuple[bool, ...], n: int, *tensors: Any) -> tuple[torch.Tensor, ...]:
        ctx.name = its.name
        return tuple(_apart(its.backward(tensors[n:], wanted, tensors[:n]), tensors[n:]))

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        raise UnsupportedError(
            f"{ctx.name}: accel.torch.function has no derivative of the gradient; accel.grad of accel.grad has, on "
            "accel's own arrays"
        )


def _apart(results: Sequence[torch.Tensor], arguments: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Results each in memory of its own, as autograd knows no views among them: a view is copied."""
    taken = {x.untyped_storage().data_ptr() for x in arguments}
    apart = []
    for x in results:
        x = x.clone() if x.untyped_storage().data_ptr() in taken else x
        taken.add(x.untyped_storage().data_ptr())
        apart.append(x)
    return apart
