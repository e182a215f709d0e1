"""Rows: scalar steps and folds over the same axes in sequence, what a group of a compiled composition is."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import dispatch, interop, registry
from ...array import Array
from ...conversion import from_numpy
from ...dtypes import FLOATS, TABLE, DType, as_dtype
from ...errors import ShapeError
from ...graph.bounded import Bounded
from ...layout import Layout
from ...scalar import Fold, Index, Step
from .. import bounds, canonical
from ..parameters import Rows, domain
from ..spec import Inferred, OpSpec, Primitive
from .pointwise import COPY, apply

if TYPE_CHECKING:
    from ...graph.bound import Analysis


def _infer(inputs: tuple[Layout, ...], params: Rows) -> Inferred:
    shape = domain(inputs, params)
    kept = shape[: len(shape) - params.reduced]
    if 0 in shape[len(kept) :]:
        raise ShapeError(f"row: rows of no elements: {shape} with {params.reduced} reduced axes")
    values = [params.program.values[v] for v in params.program.outputs]
    return Inferred(tuple((shape if v.each else kept, TABLE[v.dtype]) for v in values), params)


def rows(params: Rows, *operands: Any) -> Any:
    """A row program over operands that are broadcast already; a tuple where it has several outputs."""
    arrays, restore = interop.adopt("row", **{f"operand {i}": x for i, x in enumerate(operands)})
    return restore(dispatch.call(ROW, arrays, params))


def _members(*operands: Any) -> Any:
    """The folds, and between them the steps that each needs as one program, by ops of their own."""
    *arrays, params = operands
    program, ndim = params.program, params.reduced
    shape = domain([x.layout for x in arrays], params)
    kept, device = shape[: len(shape) - ndim], arrays[0].device
    known = dict(enumerate(arrays))

    def value(number: int) -> Array:
        if number in known:
            return known[number]
        given = program.leaves(number, known)
        own = {v for v in given if program.values[number].each and not program.values[v].each}
        over = [_over_rows(known[v], ndim) if v in own else known[v] for v in given]
        return apply(program.element_program(number, given), *over)

    for number, item in enumerate(program.steps, len(arrays)):
        if isinstance(item, Index):
            places = from_numpy(np.arange(prod(shape[len(kept) :])).reshape(shape[len(kept) :]), device)
            known[number] = places.view(shape, (*(0 for _ in kept), *places.strides))
        elif isinstance(item, Fold):
            x = value(item.arg)
            x = x if program.values[item.arg].each else _over_rows(x, ndim).view(shape, (*x.strides, *(0,) * ndim))
            axes = tuple(range(len(kept), len(shape)))
            known[number] = registry.OPS[item.kind].function(x, axis=axes)

    def fresh(number: int) -> Array:
        stored = number < len(arrays) or isinstance(program.steps[number - len(arrays)], Index)
        return dispatch.call(COPY, (known[number],)) if stored else value(number)

    one, *more = map(fresh, program.outputs)
    return (one, *more) if more else one


def _over_rows(x: Array, reduced: int) -> Array:
    """A row's value with axes of length 1 for the reduced ones."""
    return x.view((*x.shape, *(1,) * reduced), (*x.strides, *(0,) * reduced))


def evaluate(params: Rows, *operands: np.ndarray) -> Any:
    """The program in NumPy: folds by the canonical algorithms, steps by the scalar functions' own programs."""
    from ...scalar.evaluate import evaluate as scalar
    from ...scalar.program import Program

    program = params.program
    shape = next(x.shape for x, its in zip(operands, program.inputs, strict=True) if its.each)
    kept = shape[: len(shape) - params.reduced]
    n = int(np.prod(shape[len(kept) :]))
    values = [
        x.reshape(*kept, n) if its.each else x[..., None] for x, its in zip(operands, program.inputs, strict=True)
    ]
    for item, its in zip(program.steps, program.values[len(values) :], strict=True):
        if isinstance(item, Index):
            values.append(np.broadcast_to(np.arange(n), (*kept, n)))
        elif isinstance(item, Fold):
            x = np.broadcast_to(values[item.arg], (*kept, n))
            values.append(canonical.reduce(item.kind, x, (x.ndim - 1,), as_dtype(its.dtype))[..., None])
        else:
            given = [values[a] for a in item.args]
            dtypes = tuple(program.values[a].dtype for a in item.args)
            step = Program(dtypes, (Step(item.function, item.dtype, tuple(range(len(given)))),), its.dtype)
            values.append(scalar(step, *np.broadcast_arrays(*given)))
    results = []
    for v in program.outputs:
        its = program.values[v]
        x = np.broadcast_to(values[v], (*kept, n if its.each else 1))
        results.append(np.ascontiguousarray(x).reshape(shape if its.each else kept))
    return results[0] if len(results) == 1 else tuple(results)


def _samples(dtype: DType) -> Any:
    from ...testing import row_family

    return row_family.rows(dtype)


ROW = registry.register(
    OpSpec(
        name="row",
        primitive="row",
        summary="Scalar steps and folds over rows",
        function=rows,
        infer=_infer,
        canonical=evaluate,
        reference=evaluate,
        bound=bounds.none,
        bits=lambda dtype, numerics: "bits",
        samples=_samples,
        decompose=_members,
        dtypes=FLOATS,
        namespace="internal",
    )
)


def _answer(params: Rows, outputs: Any, *operands: np.ndarray) -> tuple[np.ndarray, ...]:
    result = evaluate(params, *operands)
    return result if isinstance(result, tuple) else (result,)


def _analysed(analysis: Analysis, params: Rows, outputs: Any, *inputs: Bounded) -> list[Bounded]:
    program = params.program
    shape = next(x.value.shape for x, its in zip(inputs, program.inputs, strict=True) if its.each)
    kept = shape[: len(shape) - params.reduced]
    n = int(np.prod(shape[len(kept) :]))
    values = [
        x.seen(lambda v, each=its.each: v.reshape(*kept, n if each else 1))
        for x, its in zip(inputs, program.inputs, strict=True)
    ]
    for item in program.steps:
        if isinstance(item, Index):
            values.append(Bounded.exact(np.broadcast_to(np.arange(n), (*kept, n))))
        elif isinstance(item, Fold):
            x = values[item.arg].seen(lambda v: np.broadcast_to(v, (*kept, n)))
            values.append(analysis.fold(item.kind, x))
        else:
            values.append(analysis.step(item.function, item.dtype, *(values[a] for a in item.args)))
    results = []
    for v in program.outputs:
        each = program.values[v].each
        whole = values[v].seen(lambda x, m=n if each else 1: np.broadcast_to(x, (*kept, m)))
        results.append(whole.seen(lambda x, its=shape if each else kept: np.ascontiguousarray(x).reshape(its)))
    return results


registry.register_primitive(
    Primitive("row", _answer, _analysed, vjp="groups are made of its steps after derivatives are taken, never before")
)
