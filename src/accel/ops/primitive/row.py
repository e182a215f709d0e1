"""Rows: scalar steps and folds over the same axes in sequence, what a group of a compiled composition is."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dispatch, interop, registry
from ...dtypes import FLOATS, TABLE, DType, as_dtype
from ...layout import Layout
from ...scalar import Fold, Index, Step
from .. import canonical
from ..parameters import Rows, domain
from ..spec import Inferred, OpSpec


def _infer(inputs: tuple[Layout, ...], params: Rows) -> Inferred:
    shape = domain(inputs, params)
    kept = shape[: len(shape) - params.reduced]
    values = [params.program.values[v] for v in params.program.outputs]
    return Inferred(tuple((shape if v.each else kept, TABLE[v.dtype]) for v in values), params)


def rows(params: Rows, *operands: Any) -> Any:
    """A row program over operands that are broadcast already; a tuple where it has several outputs."""
    arrays, restore = interop.adopt("row", **{f"operand {i}": x for i, x in enumerate(operands)})
    return restore(dispatch.call(ROW, arrays, params))


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
    from ...testing import families

    return families.rows(dtype)


ROW = registry.register(
    OpSpec(
        name="row",
        primitive="row",
        summary="Scalar steps and folds over rows",
        function=rows,
        infer=_infer,
        canonical=evaluate,
        reference=evaluate,
        bound=lambda reference, *operands: np.zeros(np.shape(reference)),
        bits=lambda dtype, numerics: "bits",
        samples=_samples,
        dtypes=FLOATS,
        namespace="internal",
        flops=lambda inputs, outputs: inputs[0].size,
    )
)
