"""What torch's dispatcher calls of an operator: its kernel, its shapes and strides, and its derivative."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch.autograd import forward_ad

from .. import work
from ..array import Array
from ..autodiff import Pulled
from ..devices import default_device
from ..fuse import fuse, graph_of
from ..layout import Layout, layout
from .aten.table import dtype_of, torchs
from .library_schema import Signature
from .part import traced

Tensor = torch.Tensor

OPERATORS: dict[str, Operator] = {}
"""By their names in torch, without the namespace."""

VJP = "vjp"
VJP_SCHEMA = f"{VJP}(str call, Tensor[] operands, bool[] wanted, Tensor?[] cotangents) -> Tensor[]"
"""The operator that backward passes call. call: the forward one, as `Operator.call` writes it."""


class Kernels:
    """What an operator and that of derivatives share. overload: torch's object."""

    name: str

    @functools.cached_property
    def overload(self) -> Any:
        packet, _, its = self.name.partition(".")
        return getattr(getattr(torch.ops.accel, packet), its or "default")

    def call(self, args: Sequence[Any]) -> tuple[str, list[Tensor]]:
        """A call as a string of all but the tensors, by which `function_of` knows it, and the tensors."""
        raise NotImplementedError

    def kernel(self, *args: Any) -> Any:
        """The call on tensors in memory. Results are dense, and share no memory with arguments."""
        raise NotImplementedError

    def meta(self, *args: Any) -> Any:
        """The call's results without elements: the op is traced, and nothing computed. Lengths become numbers."""
        call, tensors = self.call(args)
        made = laid_out(call, tuple(map(_layout_of, tensors)))
        one = tensors[0]
        return self.packed([one.new_empty_strided(x.shape, _dense(x), dtype=torchs(x.dtype)) for x in made])

    def packed(self, results: Sequence[Tensor]) -> Any:
        """Results as the schema has them."""
        return results[0] if len(results) == 1 else tuple(results)

    def autograd(self, keyset: Any, *args: Any) -> Any:
        """The call, recorded where a tensor requires gradients."""
        if (torch.is_grad_enabled() and torch._C._any_requires_grad(*args)) or (
            forward_ad._current_level >= 0 and torch._C._is_fwd_grad_enabled() and any(map(_has_tangent, _flat(args)))
        ):
            slots: list[Tensor] = []
            places = _emptied(args, slots)
            return self.packed(_record(self, keyset, places, *slots))
        if keyset.raw_repr() | _PLAIN == _PLAIN:  # nothing else wants to see the call
            if forward_ad._current_level >= 0:  # what has a tangent has been recorded
                args = _mapped(args, lambda x: forward_ad.unpack_dual(x).primal)
            return self.kernel(*args)
        with torch._C._AutoDispatchBelowAutograd():
            return self.overload.redispatch(keyset & torch._C._after_autograd_keyset, *args)


def _plain() -> int:
    """The dispatch keys of a tensor in memory that nothing but autograd wants to see, as bits."""
    bits = 0
    for name in ("CPU", "CUDA", "AutogradCPU", "AutogradCUDA", "AutocastCPU", "AutocastCUDA", "ADInplaceOrView"):
        bits |= torch._C.DispatchKeySet(torch._C._dispatch_key_parse(name)).raw_repr()
    return bits


_PLAIN = _plain()


class Operator(Kernels):
    """One overload of an op."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.name = signature.name

    @functools.cached_property
    def compute(self) -> Callable[..., Any]:
        """accel's function of arrays or tensors, with the schema's order of arguments: written out, as binding costs
        more than the rest of a small call."""
        known: dict[str, Any] = {
            "function": self.signature.function,
            "dtype_of": dtype_of,
            "number_or_tuple": _plain_list,
        }
        given, passed = [], []
        for i, p in enumerate(self.signature.parameters):
            text = p.name
            if "[" in p.type:
                text = f"number_or_tuple({p.name}) if type({p.name}) is list else {p.name}"
            elif p.type.startswith("ScalarType"):
                text = f"{p.name} if {p.name} is None else dtype_of({p.name})"
            passed.append(text if p.place == i else f"{p.name}={text}")
            if p.required:
                given.append(p.name)
            else:
                known[f"_{p.name}"] = p.default
                given.append(f"{p.name}=_{p.name}")
        for name, value in self.signature.fixed:
            known[f"_{name}"] = value
            passed.append(f"{name}=_{name}")
        exec(
            f"def compute({', '.join(given)}):\n    return function({', '.join(passed)})\n", known
        )  # of names of accel's
        made: Callable[..., Any] = known["compute"]
        return made

    def kernel(self, *args: Any) -> Any:
        results = self.compute(*args)
        if type(results) is Tensor:
            return _apart(results, args)
        return tuple([_apart(x, args) for x in results])

    def call(self, args: Sequence[Any]) -> tuple[str, list[Tensor]]:
        tensors: list[Tensor] = []
        words: list[Any] = []
        for p, value in zip(self.signature.parameters, args, strict=False):
            if p.type.startswith("Tensor"):
                words.append(value is not None)
                if value is not None:
                    tensors.append(value)
            elif isinstance(value, torch.dtype):
                words.append(str(value).removeprefix("torch."))
            else:
                words.append(_number(value))
        return json.dumps([self.name, *words]), tensors

    def of_words(self, words: Sequence[Any]) -> Callable[..., Any]:
        """The function of arrays that a call is. words: what `call` wrote of its arguments."""
        parameters = self.signature.parameters[: len(words)]
        values = [
            getattr(torch, word) if p.type.startswith("ScalarType") and word is not None else word
            for p, word in zip(parameters, words, strict=True)
        ]
        places = [i for i, p in enumerate(parameters) if p.type.startswith("Tensor") and words[i]]
        for i, p in enumerate(parameters):
            if p.type.startswith("Tensor"):
                values[i] = None

        def function(*arrays: Array) -> Any:
            args = list(values)
            for i, x in zip(places, arrays, strict=True):
                args[i] = x
            return self.compute(*args)

        function.__name__ = self.name
        return function


class Derivative(Kernels):
    """The operator of backward passes: `VJP_SCHEMA`."""

    name = VJP

    def kernel(self, call: str, operands: Any, wanted: Any, cotangents: Any) -> list[Tensor]:
        found = _pullback(call)(tuple(operands), tuple(wanted), tuple(cotangents))
        tensors = [*operands, *(g for g in cotangents if g is not None)]
        return [_apart(x.contiguous(), tensors) for x in found]

    def meta(self, *args: Any) -> list[Tensor]:
        return [torch.empty_like(x, memory_format=torch.contiguous_format) for x in super().meta(*args)]

    def packed(self, results: Sequence[Tensor]) -> list[Tensor]:
        return list(results)

    def call(self, args: Sequence[Any]) -> tuple[str, list[Tensor]]:
        call, operands, wanted, cotangents = args
        given = [g for g in cotangents if g is not None]
        words = [VJP, call, len(operands), list(map(bool, wanted)), [g is not None for g in cotangents]]
        return json.dumps(words), [*operands, *given]

    def of_words(self, words: Sequence[Any]) -> Callable[..., Any]:
        """As `Operator.of_words`."""
        call, count, wanted, there = words

        def function(*arrays: Array) -> tuple[Array, ...]:
            given = iter(arrays[count:])
            return pulled(call, arrays[:count], wanted, [next(given) if its else None for its in there])

        function.__name__ = f"the derivative of {json.loads(call)[0]}"
        return function


DERIVATIVE = Derivative()


@functools.lru_cache(maxsize=1024)
def function_of(call: str) -> Callable[..., Any]:
    """The function of arrays that a call is, of its string."""
    name, *words = json.loads(call)
    return (DERIVATIVE if name == VJP else OPERATORS[name]).of_words(words)


@functools.lru_cache(maxsize=1024)
def laid_out(call: str, layouts: tuple[Layout, ...]) -> tuple[Layout, ...]:
    """How the results of a call lie in memory, from its trace."""
    return tuple(x.layout for x in traced(function_of(call), layouts))


def flops(overload: Any, args: Sequence[Any], keywords: dict[str, Any]) -> int:
    """The floating-point operations of a call, of tensors with or without elements: those of what its trace has."""
    its = DERIVATIVE if overload is DERIVATIVE.overload else OPERATORS[overload.name().partition("::")[2]]
    named = overload._schema.arguments[len(args) :]
    call, tensors = its.call([*args, *(keywords.get(p.name, p.default_value) for p in named)])
    return work.of_graph(graph_of(function_of(call), its.name, tuple(map(_layout_of, tensors))))


def pulled(
    call: str, operands: Sequence[Array], wanted: Sequence[bool], cotangents: Sequence[Array | None]
) -> tuple[Array, ...]:
    """The cotangents of those operands of a call of which they are wanted. Raises ArgumentError where an op on the way
    has no derivative."""
    back = Pulled(function_of(call), tuple(operands), {}).back(cotangents)
    return tuple(g for x, its in zip(operands, wanted, strict=True) if its and (g := back[id(x)]) is not None)


@functools.lru_cache(maxsize=1024)
def _pullback(call: str) -> Callable[..., Any]:
    """`pulled` of a call, compiled."""

    def pullback(operands: tuple[Any, ...], wanted: tuple[bool, ...], cotangents: tuple[Any, ...]) -> Any:
        return pulled(call, operands, wanted, cotangents)

    pullback.__name__ = f"the derivative of {json.loads(call)[0]}"
    return fuse(pullback)


class _Recorded(torch.autograd.function._SingleLevelFunction):
    """A call that autograd records. Backward is a call of `VJP`, so that it is recorded and traced as well."""

    @staticmethod
    def forward(ctx: Any, its: Kernels, keyset: Any, places: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        args = _filled(places, iter(tensors))
        with _outer_levels(), torch._C._AutoDispatchBelowAutograd():
            results = its.overload.redispatch(keyset & torch._C._after_autograd_keyset, *args)
        ctx.of, given = its.call(args)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*given)
        several = tuple(results) if isinstance(results, (tuple, list)) else (results,)
        if forward_ad._current_level >= 0:
            ctx.primals, ctx.results = given, several
        ctx.mark_non_differentiable(*[x for x in several if not (x.is_floating_point() or x.is_complex())])
        return several

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> tuple[Any, ...]:
        wanted = ctx.needs_input_grad[3:]
        if all(g is None for g in cotangents):
            return (None,) * (3 + len(wanted))
        found = iter(DERIVATIVE.overload(ctx.of, ctx.saved_tensors, wanted, cotangents))
        return None, None, None, *[next(found) if its else None for its in wanted]

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Any, ...]:
        """J t is what the derivative of the linear map u -> J^T u pulls t back to."""
        along = tangents[3:]
        with _outer_levels():
            operands = [forward_ad.unpack_dual(x).primal for x in ctx.primals]
            seeds = [torch.zeros_like(y) if y.is_floating_point() or y.is_complex() else None for y in ctx.results]
            linear, given = DERIVATIVE.call((ctx.of, operands, [t is not None for t in along], seeds))
            wanted = [False] * len(operands) + [True] * (len(given) - len(operands))
            found = iter(DERIVATIVE.overload(linear, given, wanted, [t for t in along if t is not None]))
        return tuple(None if seed is None else next(found) for seed in seeds)


@contextmanager
def _outer_levels() -> Iterator[None]:
    """Within, transforms of torch.func around the one at hand record what they see, as autograd's functions have turned
    recording off for all of them."""
    if torch._C._are_functorch_transforms_active():
        with torch.enable_grad(), forward_ad._set_fwd_grad_enabled(True):
            yield
    else:
        yield


def _record(*args: Any) -> tuple[Tensor, ...]:
    if torch._C._are_functorch_transforms_active():  # torch.func has said already at which of its levels this is
        from torch._functorch.autograd_function import enable_single_level_autograd_function

        with enable_single_level_autograd_function():
            return _Recorded.apply(*args)
    return _Recorded.apply(*args)


def _flat(args: Any) -> Iterator[Tensor]:
    for x in args:
        if isinstance(x, Tensor):
            yield x
        elif isinstance(x, (list, tuple)):
            yield from _flat(x)


def _mapped(args: Sequence[Any], function: Callable[[Tensor], Tensor]) -> Any:
    slots: list[Tensor] = []
    places = _emptied(args, slots)
    return _filled(places, map(function, slots))


def _has_tangent(x: Tensor) -> bool:
    return forward_ad.unpack_dual(x).tangent is not None


class _Slot:
    """Stands for a tensor among arguments."""


SLOT = _Slot()


def _emptied(args: Sequence[Any], slots: list[Tensor]) -> tuple[Any, ...]:
    """Arguments with SLOT for each tensor, which goes into `slots`."""
    made: list[Any] = []
    for x in args:
        if isinstance(x, Tensor):
            slots.append(x)
            made.append(SLOT)
        else:
            made.append(_emptied(x, slots) if isinstance(x, (list, tuple)) else x)
    return tuple(made)


def _filled(places: Any, tensors: Any) -> list[Any]:
    return [next(tensors) if x is SLOT else _filled(x, tensors) if isinstance(x, tuple) else x for x in places]


def _apart(x: Tensor, args: Sequence[Any]) -> Tensor:
    """A result that is dense and has memory of its own, as a functional operator's has."""
    if not x.is_contiguous() and _rows_of(x.shape, x.stride()) is None:
        return x.contiguous()
    mine = x.untyped_storage().data_ptr()
    for other in args:
        if isinstance(other, Tensor) and other.untyped_storage().data_ptr() == mine != 0:
            return x.clone()
    return x


def _rows_of(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...] | None:
    """The strides where elements lie without gap or overlap; else None."""
    if 0 in shape:
        return None
    step = 1
    for n, its in sorted(zip(shape, strides, strict=True), key=lambda pair: (pair[1], pair[0])):
        if n != 1:
            if its != step:
                return None
            step *= n
    return tuple(strides)


def _dense(x: Layout) -> tuple[int, ...]:
    """The strides of a result that lies so: its own where it is dense, else those of rows."""
    found = _rows_of(x.shape, x.strides)
    return found or tuple(prod(max(n, 1) for n in x.shape[i + 1 :]) for i in range(len(x.shape)))


def _plain_list(value: list[Any]) -> Any:
    """A list of numbers as accel takes it; one number stands for itself."""
    return value[0] if len(value) == 1 else tuple(value)


def _number(value: Any) -> Any:
    """A value with numbers for those that torch leaves open."""
    if isinstance(value, (list, tuple)):
        return [_number(x) for x in value]
    if isinstance(value, torch.SymInt):
        return int(value)
    return float(value) if isinstance(value, torch.SymFloat) else value


def _layout_of(x: Tensor) -> Layout:
    """How a tensor's elements would lie; lengths become numbers."""
    return layout(dtype_of(x.dtype), tuple(map(int, x.shape)), tuple(map(int, x.stride())), default_device())
