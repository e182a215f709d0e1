"""Composed ops: a function of arrays becomes a public function, its row of the op table and, from its trace, all that
the table derives.

    @composed(reference=exact.rms_norm, samples=families.rms_norm)
    def rms_norm(x: Operand, normalized_shape: Shape, weight: Operand | None = None, eps: float | None = None) -> Array:
        ...

What it computes is its body. The decorator adds the widening of 16-bit operands before it and the one rounding of its
results after it; both are steps like any other, and fused with the rest.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import copysign
from typing import Any

import numpy as np

from .. import composition, dispatch, interop, registry
from ..arguments import refuse
from ..array import Array
from ..cache import Cache
from ..dtypes import FLOATS, TABLE, DType, as_dtype, promote
from ..errors import ArgumentError, DtypeError, shown
from ..holder import HOLDERS
from ..layout import Layout
from ..memo import Key, Memo
from . import bounds
from .primitive.pointwise import astype
from .spec import Inferred, OpSpec, Output

Operand = Array
"""Annotation of a body's parameter that takes a floating array."""

Indices = Array
"""Annotation of a parameter that takes an array of integers."""

AnyOperand = Array
"""Annotation of a parameter that takes an array of any dtype but complex ones."""

MovedOperand = Array
"""Annotation of a parameter that takes an array of any dtype."""

NumericOperand = Array
"""Annotation of a parameter that takes an array of floating or complex numbers."""

KINDS = {
    "Operand": ("f", "floating dtypes"),
    "NumericOperand": ("fc", "floating and complex dtypes"),
    "Indices": ("iu", "integer dtypes"),
    "AnyOperand": ("biuf", "any real dtype"),
    "MovedOperand": ("biufc", "any dtype"),
}
"""By an annotation's name: the kinds of dtypes, and their name in errors."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a body. kind: of the operand, a key of KINDS; None: a structural one. optional: an operand that
    may be left out."""

    name: str
    kind: str | None
    optional: bool


@dataclass(frozen=True, eq=False)
class Bound:
    """Arguments of a call without its operands: which operands there are, and the structural arguments, whose types
    count, so that 1, 1.0 and True are three. One object for each, so that it is a quick key."""

    given: tuple[bool, ...]
    names: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def keywords(self) -> dict[str, Any]:
        """The structural arguments by name: what a kernel of the op as a whole goes by."""
        return dict(zip(self.names, self.values, strict=True))


def parameters(signature: inspect.Signature) -> tuple[Parameter, ...]:
    """The parameters of a body, by their annotations."""
    found = []
    for name, parameter in signature.parameters.items():
        words = str(parameter.annotation).split(" | ")
        kind = next((word for word in words if word in KINDS), None)
        found.append(Parameter(name, kind, kind is not None and "None" in words))
    return tuple(found)


def structural(op: str, name: str, value: Any) -> Any:
    """A structural argument as a part of a key: hashable, lists as tuples, NumPy's numbers as Python's. Raises
    ArgumentError."""
    try:
        return _hashable(op, name, value)
    except RecursionError:
        raise ArgumentError(f"{op}: {name}: got {shown(value)}") from None


def _hashable(op: str, name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(op, name, item) for item in value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (Array, np.ndarray)) or interop.is_array(value):
        raise ArgumentError(f"{op}: {name}: expected no array, got one of shape {tuple(value.shape)}")
    try:
        hash(value)
    except TypeError:
        raise ArgumentError(f"{op}: {name}: got {shown(value)}, which is no value that is compared") from None
    return value


def _is_listed(value: Any) -> bool:
    """Whether a value is a list of numbers, or a tuple of a type of its own: what counts is the tuple of its items."""
    return isinstance(value, (list, tuple)) and type(value) is not tuple and all(type(x) in (int, float) for x in value)


def typed(value: Any) -> Any:
    """What tells a structural argument from others that equal it: types, and the sign of a zero."""
    if isinstance(value, tuple):
        return tuple(map(typed, value))
    if isinstance(value, (float, np.floating)) and value == 0:
        return type(value), copysign(1.0, value)
    if isinstance(value, complex):
        return type(value), typed(value.real), typed(value.imag)
    return type(value)


def composed(
    *,
    reference: Callable[..., Any],
    samples: Callable[[DType], Any],
    namespace: str = "nn",
    dtypes: tuple[DType, ...] = FLOATS,
    widen: bool = True,
    bound: Callable[..., Any] | None = None,
    bits: Callable[[DType, str], str] = lambda dtype, numerics: "bits",
    flops: Callable[[tuple[Layout, ...], tuple[Output, ...], Any], int] | None = None,
    primitive: str | None = None,
    scalars: bool = False,
    exact: bool = False,
    vjp: Callable[..., Mapping[str, Array | None]] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a body a public function and a row of the op table.

    reference: the exact answer, independent of the body. samples(dtype): its examples. widen: whether 16-bit operands
    are widened to float32 before the body and floating results rounded to the promoted dtype of the floating operands
    (or to that of a parameter named dtype) after it. bound: of the error, where it does not follow from the body.
    bits, flops, scalars: as in `OpSpec`. exact: whether nothing is rounded, which stands for widen, bound and bits.
    primitive: the op of kernels that compute it as a whole, where a backend has one.
    vjp(cotangents, results, *arguments): where the body's own derivative takes more launches or rounds worse, a body
    for it: from the cotangent of each result (None: nothing, but not all of them), the results and the arguments of
    the op's body, the cotangents of operands by their names. Operands and cotangents are widened, what it returns is
    rounded, as the body's.
    """
    if exact:
        widen, bound, bits = False, bounds.none, lambda dtype, numerics: "exact"

    def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
        op = _Composed(body, widen)
        return op.register(
            namespace,
            primitive=primitive or op.name,
            reference=reference,
            samples=samples,
            dtypes=dtypes,
            bound=bound,
            bits=bits,
            flops=flops,
            scalars=scalars,
            vjp=None if vjp is None else partial(op.pulled, vjp),
        )

    return decorate


def unlisted(namespace: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a body a public function that is no row of the op table: one that takes or gives complex numbers, where
    the table has ops of real ones that compute the same."""

    def unnamed(*_: Any) -> Any:
        raise NotImplementedError("what tests compare with is that of the table's ops")

    def decorate(body: Callable[..., Any]) -> Callable[..., Any]:
        return _Composed(body, True).register(
            namespace,
            listed=False,
            primitive=body.__name__,
            reference=unnamed,
            samples=unnamed,
            dtypes=FLOATS,
            bound=None,
            bits=lambda dtype, numerics: "bits",
        )

    return decorate


class _Composed:
    def __init__(self, body: Callable[..., Any], widen: bool) -> None:
        self.name = body.__name__
        self.body, self.widen = body, widen
        self.signature = signature = inspect.signature(body)
        self.parameters = parameters(signature)
        self.operands = tuple(p for p in self.parameters if p.kind)
        self.others = tuple(p for p in self.parameters if not p.kind)
        self.nameless = tuple(n for n, p in signature.parameters.items() if p.kind is p.POSITIONAL_ONLY)
        self.bounds: Cache[tuple[Any, ...], Bound] = Cache(512)
        self.memo = Memo(self.enter)

    def register(
        self, namespace: str, *, bound: Callable[..., Any] | None, listed: bool = True, **columns: Any
    ) -> Callable[..., Any]:
        """The public function; its row of the op table, where it is listed there, has these columns beside those that
        follow from the body."""
        function = self.public(namespace)
        spec = OpSpec(
            name=self.name,
            summary=re.split(r"\.(?:\s|$)", self.body.__doc__ or "", maxsplit=1)[0].strip().replace("\n   ", ""),
            function=function,
            infer=self.infer,
            canonical=partial(canonical_of, function),
            bound=bound or partial(bound_of, function),
            arguments=tuple(p.name for p in self.operands),
            namespace=namespace,
            decompose=self.decompose,
            **columns,
        )
        self.spec = registry.register(spec) if listed else spec
        if any("c" in KINDS[p.kind or ""][0] for p in self.operands):
            registry.COMPLEX[self.spec] = self.spec  # the ops that the body calls have their rules
        return function

    def public(self, namespace: str) -> Callable[..., Any]:
        """The public function: written out, as binding a signature would cost more than the rest of a small call."""
        signature = self.signature
        words, defaults = [], {}
        keyword_only = False
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
                words.append("*")
                keyword_only = True
            if parameter.default is not parameter.empty:
                defaults[f"_{name}"] = parameter.default
                words.append(f"{name}=_{name}")
            else:
                words.append(name)
            if name in self.nameless[-1:]:
                words.append("/")
        text = (
            f"def {self.name}({', '.join(words)}, **others):\n"
            f"    if others:\n"
            f"        _refuse({self.name!r}, others)\n"
            f"    return _call({', '.join(signature.parameters)})\n"
        )
        known = {"__name__": __name__, "_refuse": refuse, "_call": self.memo.call, **defaults}
        exec(text, known)  # of names in a signature of this package
        function: Callable[..., Any] = known[self.name]
        function.__doc__, function.__module__ = self.body.__doc__, f"accel.{namespace}".rstrip(".")
        function.__signature__ = _public_signature(signature)  # type: ignore[attr-defined]
        return function

    def enter(self, key: Key, *arguments: Any) -> Any:
        """A call whose structural arguments are new. key: what they are known by from now on."""
        pairs = tuple(zip(self.parameters, arguments, strict=True))
        if any(p.kind and type(x) in HOLDERS for p, x in pairs):
            return self.of_holders(pairs)
        if key is None and any(p.kind is None and _is_listed(x) for p, x in pairs):
            return self.memo.call(*[tuple(x) if p.kind is None and _is_listed(x) else x for p, x in pairs])
        operands = [x for p, x in pairs if p.kind and not (p.optional and x is None)]
        given = tuple(not (p.optional and x is None) for p, x in pairs if p.kind)
        bound = self.bind(given, [x for p, x in pairs if not p.kind])
        result = interop.enter(self.spec, tuple(operands), bound)
        if not any(map(interop.is_scalar, operands)):  # these are in the key, not among the arrays that go with it
            self.memo.keep(key, self.spec, bound)
        return result

    def of_holders(self, pairs: Sequence[tuple[Parameter, Any]]) -> Any:
        """A call of which some operands hold arrays."""
        taken, others = [], {}
        for p, x in pairs:
            if p.kind and (holder := HOLDERS.get(type(x))) is not None:
                if (other := holder.instead(self.name, p.name, x)) is not None:
                    return other(*[x for _, x in pairs])
                x = holder.array(self.name, p.name, x)
            elif p.kind and x is not None:
                others[p.name] = x
            taken.append(x)
        if {*map(type, others.values())} <= {Array}:  # else they say what kind the result is of
            return self.memo.call(*taken)
        arrays, restore = interop.adopt(self.name, **others)
        found = dict(zip(others, arrays, strict=True))
        return restore(self.memo.call(*[found.get(p.name, x) for (p, _), x in zip(pairs, taken, strict=True)]))

    def bind(self, given: tuple[bool, ...], values: Sequence[Any]) -> Bound:
        """What stands for a call's structural arguments. given: which operands there are."""
        plain = tuple(structural(self.name, p.name, v) for p, v in zip(self.others, values, strict=True))
        exact = (given, plain, tuple(map(typed, plain)))
        found = self.bounds.find(exact)
        if found is None:
            found = Bound(given, tuple(p.name for p in self.others), plain)
            self.bounds.keep(exact, found)
        return found

    def decompose(self, *arrays_and_bound: Any) -> Any:
        """The body on arrays, with the widening before and the rounding after it."""
        *arrays, bound = arrays_and_bound
        self.check(tuple(x.layout for x in arrays), bound)
        result = self.run(self.body, (), arrays, bound)
        if not self.widen:
            return result
        output = self.output(tuple(x.layout for x in arrays), bound)
        several = result if isinstance(result, tuple) else (result,)
        rounded = tuple(astype(x, output, copy=False) if x.dtype.kind == "f" else x for x in several)
        return rounded if isinstance(result, tuple) else rounded[0]

    def run(self, body: Callable[..., Any], leading: tuple[Any, ...], arrays: Sequence[Array], bound: Bound) -> Any:
        """A function of the op's arguments, behind others, on operands that are widened."""
        operands = dict(zip(self.present(bound), map(_widened, arrays) if self.widen else arrays, strict=True))
        absent = {p.name: None for p, there in zip(self.operands, bound.given, strict=True) if not there}
        arguments = {**operands, **absent, **bound.keywords}
        nameless = [arguments.pop(name) for name in self.nameless]
        return body(*leading, *nameless, **arguments)

    def present(self, bound: Bound) -> tuple[str, ...]:
        """The names of the operands that a call has."""
        return tuple(p.name for p, there in zip(self.operands, bound.given, strict=True) if there)

    def pulled(
        self,
        vjp: Callable[..., Mapping[str, Array | None]],
        bound: Bound,
        cotangents: Sequence[Array | None],
        results: Sequence[Array],
        operands: Sequence[Array],
    ) -> list[Array | None]:
        """The cotangents of a call's operands by the op's own rule."""
        given = tuple(_widened(g) if self.widen and g is not None else g for g in cotangents)
        found = self.run(vjp, (given, tuple(results)), operands, bound)
        parts = [found.get(name) for name in self.present(bound)]
        return [None if g is None else astype(g, x.dtype, copy=False) for g, x in zip(parts, operands, strict=True)]

    def check(self, inputs: Sequence[Layout], bound: Bound) -> None:
        """Raises DtypeError where an operand has another kind of dtype than its parameter takes."""
        present = [p for p, there in zip(self.operands, bound.given, strict=True) if there]
        for p, x in zip(present, inputs, strict=True):
            kinds, words = KINDS[p.kind or ""]
            if x.dtype.kind not in kinds:
                raise DtypeError(f"{self.name}: {p.name}: takes {words}, got {x.dtype}; cast with astype")

    def output(self, inputs: Sequence[Layout], bound: Bound) -> DType:
        """The dtype of floating results: what the floating operands, and the parts of complex ones, promote to, or the
        one that was asked for."""
        common = promote(*(x.dtype.component for x in inputs if x.dtype.kind in "fc"))
        asked = bound.keywords.get("dtype")
        if asked is None:
            return common
        wanted = as_dtype(asked, f"{self.name}: dtype")
        if wanted.name not in (common.name, common.accumulator):
            raise DtypeError(
                f"{self.name}: dtype: {wanted} from {common}; expected {common} or {TABLE[common.accumulator]}"
            )
        return wanted

    def infer(self, inputs: tuple[Layout, ...], bound: Bound) -> Inferred:
        """Shapes and dtypes of the results, from the trace."""
        dispatch.one_device(inputs, self.name)
        graph = composition.graph_of(self.spec, inputs, bound)
        return Inferred(graph.outputs, bound)


def canonical_of(function: Callable[..., Any], *operands: Any, **keywords: Any) -> Any:
    """The canonical answer that follows from a body (`interpret.canonical`). Tests and the conformance kit alone need
    that module."""
    from ..graph.interpret import canonical

    return canonical(function, *operands, **keywords)


def bound_of(function: Callable[..., Any], reference: Any, *operands: Any, **keywords: Any) -> Any:
    """The error bound that follows from a body (`interpret.bound`)."""
    from ..graph.interpret import bound

    return bound(function, reference, *operands, **keywords)


def _widened(x: Array) -> Array:
    """A 16-bit floating array in float32; others as they are."""
    return astype(x, x.dtype.accumulator, copy=False) if x.dtype.kind == "f" else x


def _public_signature(signature: inspect.Signature) -> inspect.Signature:
    return signature.replace(
        parameters=[p.replace(annotation=p.empty) for p in signature.parameters.values()],
        return_annotation=signature.empty,
    )
