"""A composed op computed otherwise than by a device: its body, run on NumPy arrays through the canonical algorithms of
the primitives that it calls. The recorded graph has no part in it, so that a wrongly traced view or cast shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dispatch
from ..array import Array
from ..conversion import from_numpy, given_number, on_host
from ..devices import device
from ..dtypes import FLOAT64
from ..ops.primitive import matmul, reduce, row, sort
from ..ops.spec import Inferred, OpSpec
from .bound import Analysis
from .bounded import LEAST, Bounded, rounding_of
from .trace import passed_on


class Judge:
    """Takes the place of `dispatch.call`: runs every primitive's canonical form on the elements."""

    def call(self, spec: OpSpec, inputs: Sequence[Array], params: Any, out: Array | None) -> Any:
        """The result of a call, on the CPU device's memory."""
        if (passed := passed_on(spec, inputs, params, self.call)) is not None:
            return passed
        inferred = spec.infer(tuple(x.layout for x in inputs), params)
        if all(0 in shape for shape, _ in inferred.outputs):
            empty = [np.empty(shape, dtype.numpy) for shape, dtype in inferred.outputs]
            made = tuple(from_numpy(x, inputs[0].device) for x in empty)
        else:
            made = self.run(spec.primitive, inferred, inputs)
        return made[0] if len(made) == 1 else made

    def run(self, primitive: str, inferred: Inferred, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The results of a primitive that has some."""
        results = CANONICAL[primitive](inferred.params, inferred.outputs, *map(on_host, inputs))
        return tuple(from_numpy(np.asarray(x, order="C"), inputs[0].device) for x in results)


def _pointwise(program: Any, outputs: Any, *operands: np.ndarray) -> Sequence[np.ndarray]:
    from ..scalar.evaluate import evaluate_all

    return [x.reshape(s) for x, (s, _) in zip(evaluate_all(program, *operands), outputs, strict=True)]


def _reduce(reduction: Any, outputs: Any, x: np.ndarray) -> Sequence[np.ndarray]:
    ((shape, dtype),) = outputs
    return [np.asarray(reduce.canonical.reduce(reduction.kind, x, reduction.axes, dtype), dtype.numpy).reshape(shape)]


def _matmul(product: Any, outputs: Any, a: np.ndarray, b: np.ndarray) -> Sequence[np.ndarray]:
    ((_, dtype),) = outputs
    return [matmul.canonical.matmul(a, b, dtype)]


def _row(params: Any, outputs: Any, *operands: np.ndarray) -> Sequence[np.ndarray]:
    result = row.evaluate(params, *operands)
    return result if isinstance(result, tuple) else (result,)


def _sort(params: Any, outputs: Any, x: np.ndarray) -> Sequence[np.ndarray]:
    return [sort.evaluate(params, x)]


CANONICAL = {"pointwise": _pointwise, "reduce": _reduce, "matmul": _matmul, "row": _row, "sort": _sort}
"""By primitive: the canonical answer from inferred parameters, outputs and operands."""


def canonical(function: Callable[..., Any], *operands: Any, **keywords: Any) -> Any:
    """The bit contract's answer of a composed op's public function on NumPy operands."""
    return judged(Judge(), function, *operands, **keywords)


def judged(judge: Judge, function: Callable[..., Any], *operands: Any, **keywords: Any) -> Any:
    """What a judge makes of a public function on NumPy operands."""
    return _under(judge, function, operands, keywords, lambda x: np.array(on_host(x)))


def _under(
    judge: Judge, function: Callable[..., Any], operands: Any, keywords: Any, of_result: Callable[[Array], Any]
) -> Any:
    host = device("cpu")
    given = [from_numpy(x, host, copy=True) if isinstance(x, np.ndarray) else x for x in operands]
    token = dispatch.RECORDER.set(judge)
    try:
        result = function(*given, **keywords)
        several = result if isinstance(result, tuple) else (result,)
        made = tuple(map(of_result, several))
    finally:
        dispatch.RECORDER.reset(token)
    return made if isinstance(result, tuple) else made[0]


class Analyst(Judge):
    """Computes the canonical answers, and beside each array a bound on every element's error. Arrays and their errors
    have the same places in their memory, so a view of one is a view of the other."""

    def __init__(self) -> None:
        self.analysis = Analysis()
        self._errors: dict[int, tuple[Any, np.ndarray]] = {}  # by buffer, which stays alive

    def bounded(self, x: Array) -> Bounded:
        """An array's elements with their errors. A constant has the error of its own rounding; a float64 one with
        many digits may be a rounded number too. What else came from outside is exact."""
        value = on_host(x)
        found = self._errors.get(id(x.buffer))
        if found is not None and x.size:
            itemsize = found[1].itemsize
            steps = tuple(s * itemsize for s in x.strides)
            return Bounded(value, np.ndarray(x.shape, np.float64, found[1], x.offset * itemsize, steps))
        number = given_number(x)
        if number is None or x.dtype.kind != "f":
            return Bounded.exact(value)
        return Bounded(value, rounding_of(number, value))

    def run(self, primitive: str, inferred: Inferred, inputs: Sequence[Array]) -> tuple[Array, ...]:
        results = ANALYSED[primitive](self.analysis, inferred, *map(self.bounded, inputs))
        made = []
        for (shape, _), x in zip(inferred.outputs, results, strict=True):
            array = from_numpy(np.array(np.broadcast_to(x.value, shape), order="C"), inputs[0].device)
            error = np.array(np.broadcast_to(x.error, shape), order="C")
            self._errors[id(array.buffer)] = (array.buffer, error.reshape(-1))
            made.append(array)
        return tuple(made)


ANALYSED: dict[str, Callable[..., Sequence[Bounded]]] = {
    "pointwise": lambda analysis, inferred, *x: analysis.program(inferred.params, *x),
    "reduce": lambda analysis, inferred, x: [analysis.reduction(inferred.params, inferred.outputs[0][1], x)],
    "matmul": lambda analysis, inferred, *x: [analysis.product(inferred.params, inferred.outputs[0][1], *x)],
    "row": lambda analysis, inferred, *x: analysis.rows(inferred.params, *x),
    "sort": lambda analysis, inferred, x: [analysis.sort(inferred.params, x)],
}
"""By primitive: the canonical answer with its bounds."""


def analyse(function: Callable[..., Any], *operands: Any, **keywords: Any) -> tuple[Any, Analysis]:
    """A public function's results as `Bounded`, one or a tuple of them, and the analysis, which has counted."""
    analyst = Analyst()
    return _under(analyst, function, operands, keywords, lambda x: analyst.bounded(x).seen(np.array)), analyst.analysis


def bound(function: Callable[..., Any], reference: Any, *operands: Any, **keywords: Any) -> Any:
    """The error bound that follows from the body."""
    return around(analyse(function, *operands, **keywords)[0], reference)


def around(results: Any, reference: Any) -> Any:
    """The bounds of results around exact answers, with what these are off by: they are computed in 11 digits more than
    float64, or 29 more than float32, so their errors are so much smaller than those of the body."""
    several = isinstance(results, tuple)
    found = []
    for x, exact in zip(results if several else (results,), reference if several else (reference,), strict=True):
        own = np.abs(np.asarray(exact, np.float64)) * (2.0**-60 if x.dtype is FLOAT64 else 2.0**-48) + LEAST
        found.append(np.where(np.isfinite(own), x.error * (1 + 2.0**-8) + own, x.error))
    return tuple(found) if several else found[0]
