"""Pointwise operations: one spec per scalar function, all with one primitive, whose parameter is a scalar `Program`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ... import dispatch, interop, registry
from ...arguments import switch, word
from ...array import Array, is_readonly
from ...conversion import constant
from ...dtypes import BOOL, FLOAT32, FLOAT64, TABLE, DType, as_dtype, check_scalar, promote
from ...errors import ArgumentError, DtypeError, ShapeError, shown
from ...layout import Layout, Shape, broadcast_shapes, broadcast_strides
from ...scalar import FUNCTIONS, Program, ScalarFunction, program_for
from .. import bounds, extended
from ..derivative import program_vjp, summed
from ..spec import Inferred, OpSpec, Primitive

ARGUMENTS = {
    1: ("x",),
    2: ("x1", "x2"),
    3: ("x1", "x2", "x3"),
    "where": ("condition", "x1", "x2"),
    "clip": ("x", "min", "max"),
}

NAMESPACES = {
    "gelu": "nn",
    "gelu_tanh": "nn",
    "hardsigmoid": "nn",
    "hardswish": "nn",
    "logsigmoid": "nn",
    "mish": "nn",
    "relu": "nn",
    "selu": "nn",
    "sigmoid": "nn",
    "silu": "nn",
    "softsign": "nn",
    "tanhshrink": "nn",
    "cbrt": "special",
    "digamma": "special",
    "entr": "special",
    "erf": "special",
    "erfc": "special",
    "erfcx": "special",
    "erfinv": "special",
    "exp10": "special",
    "gamma": "special",
    "i0": "special",
    "i0e": "special",
    "i1": "special",
    "i1e": "special",
    "lgamma": "special",
    "log_ndtr": "special",
    "logit": "special",
    "ndtr": "special",
    "ndtri": "special",
    "rsqrt": "special",
    "frexp_exponent": "internal",
    "frexp_fraction": "internal",
    "multiply_high": "internal",
    "philox": "internal",
    "sinc": "special",
    "trigamma": "special",
    "xlog1py": "special",
    "xlogy": "special",
}
"""Of the functions that the array API standard does not have."""


def arguments(row: ScalarFunction) -> tuple[str, ...]:
    """Argument names of a function, as the array API standard has them."""
    return ARGUMENTS.get(row.name) or ARGUMENTS[row.arity]


def compute_dtype(dtype: DType) -> DType:
    """The dtype that values of a dtype are computed in: float32 for the 16-bit floats, else itself."""
    return FLOAT32 if dtype.kind == "f" and dtype.itemsize == 2 else dtype


def elementwise(row: ScalarFunction, dtypes: tuple[DType, ...]) -> Program:
    """A function of operands of these dtypes: promoted, computed, and rounded once to the promoted dtype (or bool).

    Raises DtypeError where the function does not take the promoted dtype, or where's condition is not bool.
    """
    names = arguments(row)
    values = dtypes[1:] if row.name == "where" else dtypes
    if row.name == "where" and dtypes[0] is not BOOL:
        raise DtypeError(f"where: condition: expected bool, got {dtypes[0]}")
    common = promote(*values)
    if compute_dtype(common).name not in row.dtypes:
        have = ", ".join(f"{n}: {d}" for n, d in zip(names, dtypes, strict=True))
        raise DtypeError(f"{row.name}: takes {' and '.join(row.kinds)} dtypes, got {have}; cast with astype")
    return program_for(row.name, tuple(d.name for d in dtypes))


def _evaluate(program: Program, *operands: np.ndarray) -> np.ndarray:
    from ...scalar.evaluate import evaluate

    return evaluate(program, *np.broadcast_arrays(*operands))


def _evaluate_results(program: Program, *operands: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
    from ...scalar.evaluate import evaluate_all

    one, *more = evaluate_all(program, *np.broadcast_arrays(*operands))
    return (one, *more) if more else one


def _infer_program(inputs: tuple[Layout, ...], program: Program) -> Inferred:
    shape = broadcast_shapes(*(x.shape for x in inputs), what="pointwise")
    return Inferred(tuple((shape, TABLE[dtype]) for dtype in program.outputs), program)


def _one_by_one(*operands: Any) -> Any:
    """A program with several results, as a program for each."""
    *arrays, program = operands
    one, *more = (apply(program.only(i), *arrays) for i in range(len(program.values)))
    return (one, *more) if more else one


def _program_samples(dtype: DType) -> Any:
    from ...testing import families

    return families.programs(dtype)


def apply(program: Program, *operands: Any, out: Array | tuple[Array, ...] | None = None) -> Any:
    """A scalar program over arrays of its input dtypes, broadcast against each other; a tuple where it has several
    results."""
    arrays, restore = interop.adopt("pointwise", **{f"operand {i}": x for i, x in enumerate(operands)})
    return restore(dispatch.call(PROGRAM, arrays, program, out))


PROGRAM = registry.register(
    OpSpec(
        name="pointwise",
        primitive="pointwise",
        summary="A scalar program over broadcast operands",
        function=apply,
        infer=_infer_program,
        canonical=_evaluate_results,
        reference=_evaluate_results,
        bound=bounds.none,
        bits=lambda dtype, numerics: "bits",
        samples=_program_samples,
        decompose=_one_by_one,
        decomposes=lambda program: bool(program.results),
        inlined=False,
        dtypes=tuple(TABLE.values()),
        namespace="internal",
        keeps_order=True,
    )
)


def _canonical(program: Program, outputs: Any, *operands: np.ndarray) -> Sequence[np.ndarray]:
    from ...scalar.evaluate import evaluate_all

    return [x.reshape(s) for x, (s, _) in zip(evaluate_all(program, *operands), outputs, strict=True)]


registry.register_primitive(
    Primitive(
        "pointwise",
        canonical=_canonical,
        analysed=lambda analysis, program, outputs, *operands: analysis.program(program, *operands),
        vjp=lambda program, cotangents, results, operands: list(
            map(summed, program_vjp(program, cotangents, operands), operands)
        ),
    )
)


def _spec(row: ScalarFunction) -> OpSpec:
    names = arguments(row)
    accepted = tuple(d for d in TABLE.values() if compute_dtype(d).name in row.dtypes)

    def infer(inputs: tuple[Layout, ...], params: None) -> Inferred:
        program = elementwise(row, tuple(x.dtype for x in inputs))
        shape = broadcast_shapes(*(x.shape for x in inputs), what=row.name)
        return Inferred(((shape, TABLE[program.output]),), program)

    def function(*operands: Any) -> Any:
        if len(operands) != len(names):
            raise ArgumentError(f"{row.name}: expected {', '.join(names)}, got {len(operands)} operands")
        return interop.enter(spec, operands)

    def canonical(*operands: np.ndarray) -> np.ndarray:
        return _evaluate(elementwise(row, tuple(as_dtype(x.dtype) for x in operands)), *operands)

    def reference(*operands: np.ndarray) -> np.ndarray:
        if row.name in extended.NEIGHBOURS:
            return np.asarray(extended.NEIGHBOURS[row.name](*operands))
        if as_dtype(operands[-1].dtype).kind != "f" or all(x.dtype != np.float64 for x in operands):
            wide = [x.astype(np.float64) if as_dtype(x.dtype).kind == "f" else x for x in operands]
            return canonical(*wide)
        found = extended.exact(row.name, *operands) if as_dtype(operands[-1].dtype).kind == "f" else None
        return canonical(*operands) if found is None else found

    def bound(exact: np.ndarray, *operands: np.ndarray) -> np.ndarray:
        return pointwise_bound(row, exact, promote(*(as_dtype(x.dtype) for x in operands[-max(1, row.arity - 1) :])))

    def samples(dtype: DType) -> Any:
        from ...testing import families

        return families.elementwise(row, dtype)

    function.__name__ = function.__qualname__ = row.name
    function.__module__ = f"accel.{NAMESPACES.get(row.name, '')}".rstrip(".")  # where it is pickled from
    function.__doc__ = _docstring(row, names, accepted)
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names]
    )
    spec = OpSpec(
        name=row.name,
        primitive="pointwise",
        summary=row.doc,
        function=function,
        infer=infer,
        canonical=canonical,
        reference=reference,
        bound=bound,
        bits=lambda dtype, numerics: "bits" if dtype.kind == "f" and row.result == "same" else "exact",
        samples=samples,
        dtypes=accepted,
        arguments=names,
        scalars=True,
        namespace=NAMESPACES.get(row.name, ""),
        keeps_order=True,
    )
    return registry.register(spec)


def pointwise_bound(row: ScalarFunction, exact: np.ndarray, dtype: DType) -> np.ndarray:
    """The function's documented ULP error at a dtype, as an absolute bound around exact results."""
    if dtype.kind != "f" or row.result == "bool":
        return np.zeros(np.shape(exact))
    compute = compute_dtype(dtype)
    ulp = row.ulp[compute is FLOAT64]
    magnitude = np.maximum(np.abs(np.asarray(exact, np.float64)), row.least)
    # ulp(x) <= 2 u |x|, with one more for a result at the next power of two
    absolute = ulp * (2 * bounds.unit_roundoff(compute) * magnitude + bounds.smallest(compute))
    if exact.dtype == np.float64 and dtype is FLOAT64:  # its own reference: tests/scalar hold it against mpmath
        return np.full(np.shape(exact), np.inf)
    return bounds.rounded(exact, absolute, compute, dtype)


def _docstring(row: ScalarFunction, names: tuple[str, ...], accepted: tuple[DType, ...]) -> str:
    kinds = {"bool": "boolean", "int": "integer", "uint64": "uint64", "float": "floating-point"}
    taken = _listed([kinds[kind] for kind in row.kinds])
    if len(names) == 1:
        operands, result = f"{names[0]} is an array of {taken} dtype.", "the same dtype"
    else:
        condition = "condition is an array of dtype bool, and " if row.name == "where" else ""
        values = _listed(names[1:] if condition else names)
        operands = (
            f"{condition}{values} are arrays of {taken} dtypes, which promote. They broadcast against each other, and "
            "a Python scalar takes the dtype of the arrays beside it."
        )
        result = "the promoted dtype"
    text = [f"{operands} The result has {'dtype bool' if row.result == 'bool' else result}."]
    if any(row.ulp):
        text.append(
            f"The error is at most {row.ulp[0]} ULP in float32 and {row.ulp[1]} in float64; 16-bit floats are "
            "computed in float32 and rounded once."
        )
    if row.special:
        text.append(f"Special values: {'; '.join(row.special)}.")
    text += [f"Source: {row.source}.", "Raises DtypeError, ShapeError, DeviceError, ArgumentError."]
    return "\n".join([row.doc, "", *(line for part in text for line in _wrapped(part))])


def _wrapped(text: str, width: int = 100) -> list[str]:
    """The words in lines; textwrap's would take a tenth of the import's time."""
    lines = [""]
    for each in text.split():
        if len(lines[-1]) + len(each) >= width:
            lines.append("")
        lines[-1] += f" {each}" if lines[-1] else each
    return lines


def _listed(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


for _row in FUNCTIONS.values():
    _spec(_row)

fn = SimpleNamespace(**{row.name: registry.OPS[row.name].function for row in FUNCTIONS.values()})
"""Every scalar function as a function of arrays, by name: what bodies of composed ops call."""

_CLIP = registry.OPS["clip"].function


def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function of x, for each element.

    approximate: "none" (by erf) or "tanh" (Hendrycks and Gimpel 2016, arXiv:1606.08415).
    Raises DtypeError, ArgumentError.
    """
    exact = word("gelu", "approximate", approximate, ("none", "tanh")) == "none"
    return registry.OPS["gelu" if exact else "gelu_tanh"].function(x)


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:
    """x limited to at least min and at most max, for each element; either may be absent. NaN stays NaN.

    min, max: scalars or arrays that broadcast with x. Raises DtypeError, ShapeError, DeviceError, ArgumentError.
    """
    if min is None and max is None:
        return registry.OPS["positive"].function(x)
    if min is None:
        return registry.OPS["minimum"].function(x, max)
    if max is None:
        return registry.OPS["maximum"].function(x, min)
    return _CLIP(x, min, max)


def copy(x: Any, /, *, out: Array | None = None) -> Any:
    """The elements in a fresh row-major array, or cast and broadcast into out (an Array's view), which it returns."""
    if out is None:
        arrays, restore = interop.adopt("copy", x=x)
        return restore(dispatch.call(COPY, arrays))
    if not isinstance(out, Array):
        raise ArgumentError(f"copy: out: expected an accel.Array, got {shown(out)}")
    if is_readonly(out):
        raise ArgumentError("out: the array is read-only")
    assign("copy", "x", x, out)
    return out


def assign(op: str, argument: str, value: Any, out: Array) -> None:
    """Casts an array of any kind, or a Python number, to out's dtype and broadcasts it into out.

    Raises RangeError for a number that the dtype does not hold, ShapeError, DeviceError, ArgumentError.
    """
    source = adopted(op, argument, value, out)
    _check_broadcasts(op, argument, source.shape, out.shape)
    if out.size:
        stretched = source.view(out.shape, broadcast_strides(source.layout, out.shape))
        dispatch.call(ASTYPE, (stretched,), out.dtype, out)


def source_of(op: str, argument: str, value: Any, like: Array, shape: Shape) -> Array:
    """What `assign` would write to elements of an array of which they make up this shape: in its dtype, broadcast."""
    source = adopted(op, argument, value, like)
    if source.dtype is like.dtype and source.shape == shape:
        return source
    _check_broadcasts(op, argument, source.shape, shape)
    if source.dtype is not like.dtype:
        source = dispatch.call(PROGRAM, (source,), cast_program(source.dtype, like.dtype))
    return source.view(shape, broadcast_strides(source.layout, shape))


def adopted(op: str, argument: str, value: Any, out: Array) -> Array:
    """What is to be written to an array, as an array beside it; a number in its dtype."""
    if interop.is_scalar(value):
        check_scalar(value, out.dtype, f"{op}: {argument}")
        return constant(value, out.dtype, out.device)
    (source, _), _ = interop.adopt(op, **{argument: value, "out": out})
    return source


def _check_broadcasts(op: str, argument: str, source: Shape, target: Shape) -> None:
    if broadcast_shapes(source, target, what=op) != target:
        raise ShapeError(f"{op}: {argument}: {source} does not broadcast to {target}")


def cast_program(source: DType, target: DType) -> Program:
    """The program that casts one dtype to another; no step where they are the same."""
    return program_for("cast", (source.name,), target.name)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The elements cast to a dtype: one rounding to floats, truncation and saturation (NaN: 0) from floats to
    integers, wrapping between integers; to bool, what is not zero is True.

    copy: False returns x itself where it has the dtype. device: cast there, and give an `Array` (None: where x is).
    Raises DtypeError, DeviceError, ArgumentError.
    """
    target = as_dtype(dtype, "astype: dtype")
    if device is not None or not switch("astype", "copy", copy):
        (array,), _ = interop.adopt("astype", x=x)
        if device is not None:
            return astype(array.to_device(device), target, copy=copy)
        if array.dtype is target:
            return x
    return interop.enter(ASTYPE, (x,), target)


def _infer_cast(inputs: tuple[Layout, ...], dtype: DType | None) -> Inferred:
    target = dtype or inputs[0].dtype
    return Inferred(((inputs[0].shape, target),), cast_program(inputs[0].dtype, target))


def _cast(x: np.ndarray, dtype: Any = None) -> np.ndarray:
    source = as_dtype(x.dtype)
    return _evaluate(cast_program(source, as_dtype(dtype) if dtype is not None else source), x)


def _cast_samples(dtype: DType) -> Any:
    from ...testing import families

    return families.casts(dtype)


def _copy_samples(dtype: DType) -> Any:
    from ...testing import families

    return families.copies(dtype)


COPY, ASTYPE = (
    registry.register(
        OpSpec(
            name=function.__name__,
            primitive="pointwise",
            summary=summary,
            function=function,
            infer=_infer_cast,
            canonical=_cast,
            reference=_cast,
            bound=bounds.none,
            bits=lambda dtype, numerics: "exact",
            samples=samples,
            dtypes=tuple(TABLE.values()),
            keeps_order=function is astype,
        )
    )
    for function, summary, samples in (
        (copy, "a row-major copy", _copy_samples),
        (astype, "a cast to another dtype", _cast_samples),
    )
)
