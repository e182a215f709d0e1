"""One row of the op table: all that accel knows of an operation, for dispatcher, tests, conformance kit, bench suite
and docs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from .._core import FloatEnvironment
from ..dtypes import DType
from ..layout import Layout, Shape

Output = tuple[Shape, DType]


@dataclass(frozen=True)
class Inferred:
    """What an op makes of its operands: shape and dtype of each output, and the parameters that its primitive's kernels
    take."""

    outputs: tuple[Output, ...]
    params: Any


@dataclass(frozen=True)
class Seen:
    """Operands as kernels take them: the same memory from the same first element on, under other layouts and with other
    parameters of the op. shape: of the result, which has the elements of theirs, row-major."""

    layouts: tuple[Layout, ...]
    params: Any
    shape: Shape


@dataclass(frozen=True, eq=False)
class Primitive:
    """What accel knows of what kernels compute, beside the kernels; stated once, in the file of its ops.

    name: the op of its kernel rows. params, below, are those that its kernels take.
    canonical(params, outputs, *numpy): the bit contract's answer, for each output.
    analysed(analysis, params, outputs, *operands): the same of operands and results with their errors
    (`accel.graph.bounded.Bounded`), by an `accel.graph.bound.Analysis`; or the reason, in words, why no bound follows.
    vjp(params, cotangents, results, operands): the cotangent of every operand, of its shape and dtype, from those of
    the results, None being nothing and at least one not None, written with accel's own functions of arrays; or the
    reason, in words, why there is none.
    """

    name: str
    canonical: Callable[..., Sequence[np.ndarray]]
    analysed: Callable[..., Sequence[Any]] | str
    vjp: Callable[..., Sequence[Any]] | str


@dataclass(frozen=True, eq=False)
class OpSpec:
    """One operation.

    name: its public name. primitive: the op of the kernel rows that compute it. namespace: ``""``, ``nn`` or
    ``special``.
    infer(layouts, params): shape and dtype rule; raises ShapeError or DtypeError with the operands' names.
    function: the public function. decompose(*arrays, params): the same result from other ops, or None; it is traced and
    compiled. decomposes(params): whether it serves calls of these parameters. inlined: whether a trace of what calls
    the op takes it; else the op is a node, and it serves devices without a kernel. captures(array): whether an array
    that it brings along is a constant; None: every one is.
    canonical(*numpy, **keywords): the bit contract's answer, computed with NumPy. reference: the exact answer, or
    float64 where that is far more precise. bound(reference, *numpy, **keywords): largest |result - reference| allowed,
    per element. Each gives a tuple where the op has several outputs.
    bits(dtype, numerics): the contract's class for an operand dtype: exact, bits or bound.
    arguments: names of the operands. scalars: whether Python scalars may stand for some of them.
    adapt(layouts, params): None where kernels take operands of these layouts as they are; `Seen` where they do under
    other layouts; else a function of the arrays that brings them there and calls the op again. Raises ShapeError or
    DtypeError.
    samples(dtype): its examples, drawn ones and edges (`accel.testing.families`); only tests and the conformance kit
    call it.
    vjp(params, cotangents, results, operands): of a composed op whose derivative is not that of its body, as a
    primitive's (`Primitive`).
    keeps_order: whether the result lies in memory as its operands do, where these lie alike without gaps; else it is
    row-major.
    in_place: whether it writes to a part of an output that is always given, and leaves the rest of it as it was.
    selects: whether it reads no more elements of its first operand than the result has.
    dtypes: operand dtypes that it takes. bytes, flops: of one call, from operand layouts and outputs, flops from a
    primitive's parameters too; flops is None where they follow from the scalar functions or the composition, and for a
    primitive that computes none (`work`).
    """

    name: str
    primitive: str
    summary: str
    function: Callable[..., Any]
    infer: Callable[[tuple[Layout, ...], Any], Inferred]
    canonical: Callable[..., Any]
    reference: Callable[..., Any]
    bound: Callable[..., Any]
    bits: Callable[[DType, str], str]
    samples: Callable[[DType], Any]
    dtypes: tuple[DType, ...]
    arguments: tuple[str, ...] = ("x",)
    scalars: bool = False
    namespace: str = ""
    keeps_order: bool = False
    in_place: bool = False
    selects: bool = False
    adapt: Callable[[tuple[Layout, ...], Any], Callable[..., Any] | Seen | None] = lambda layouts, params: None
    decompose: Callable[..., Any] | None = None
    decomposes: Callable[[Any], bool] = lambda params: True
    inlined: bool = True
    captures: Callable[[Any], bool] | None = None
    vjp: Callable[..., Sequence[Any]] | None = None
    flops: Callable[[tuple[Layout, ...], tuple[Output, ...], Any], int] | None = None

    def __post_init__(self) -> None:
        for name in ("canonical", "reference", "bound"):
            object.__setattr__(self, name, _in_float_environment(getattr(self, name)))

    def __copy__(self) -> OpSpec:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> OpSpec:
        return self

    def bytes(self, inputs: tuple[Layout, ...], outputs: tuple[Output, ...]) -> int:
        """Bytes that one call must read and write at least."""
        read = [(x.size, x.dtype) for x in inputs]
        written = [(int(np.prod(shape)), dtype) for shape, dtype in outputs]
        if self.selects:
            read[0] = min(read[0][0], written[0][0]), read[0][1]
        return sum(size * dtype.itemsize for size, dtype in (*read, *written))


def _in_float_environment(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, computed in the default floating-point environment whatever the caller's."""

    @wraps(function)
    def computed(*operands: Any, **keywords: Any) -> Any:
        with FloatEnvironment():
            return function(*operands, **keywords)

    return computed
